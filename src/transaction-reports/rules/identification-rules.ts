import { isLei } from '../../identifiers/lei.js';
import { isReference } from './formats.js';
import { cancellationRule, elementRule, requiredRule, rule, valueRule, type Rule } from './rule.js';

const REFERENCE = 'must have 1 to 52 upper-case letters and digits';
const LEI = 'must be an LEI with right check digits';

/** 1 to 6: whose report it is, and which. */
export const IDENTIFICATION_RULES: readonly Rule[] = [
  valueRule('TR-001-1', 1, 'The report status must be NEWT.', (text) => text === 'NEWT'),
  valueRule('TR-002-1', 2, `The transaction reference number ${REFERENCE}.`, isReference),
  rule(
    'CON-023',
    [2, 4],
    'The transaction reference number must not be that of a report of the executing entity which was sent and not cancelled.',
    ({ report, context }) =>
      report.executingEntity !== undefined &&
      (context.isLive?.(report.executingEntity, report.transactionReference) ?? false),
  ),
  valueRule('TR-003-1', 3, `The trading venue transaction identification code ${REFERENCE}.`, isReference),
  requiredRule('TR-004-1', [4], 'The executing entity must be given.'),
  valueRule('TR-004-2', 4, `The executing entity ${LEI}.`, isLei),
  requiredRule('TR-005-1', [5], 'Whether the executing entity is an investment firm must be given.'),
  requiredRule('TR-006-1', [6], 'The submitting entity must be given.'),
  valueRule('TR-006-2', 6, `The submitting entity ${LEI}.`, isLei),
  cancellationRule('TR-002-2', 2, `The transaction reference number of a cancellation ${REFERENCE}.`, (text) =>
    isReference(text ?? ''),
  ),
  cancellationRule(
    'CON-024',
    2,
    'The transaction reference number of a cancellation must be that of a report of the executing entity which was sent and not cancelled.',
    (text, { report: { executingEntity }, context }) =>
      !context.isLive || executingEntity === undefined || context.isLive(executingEntity, text ?? ''),
  ),
  cancellationRule('TR-004-3', 4, `The executing entity of a cancellation must be given, and ${LEI}.`, (text) =>
    isLei(text ?? ''),
  ),
  cancellationRule('TR-006-3', 6, `The submitting entity of a cancellation must be given, and ${LEI}.`, (text) =>
    isLei(text ?? ''),
  ),
  elementRule(
    'TR-004-4',
    [4, 7, 16, 29],
    'A firm that deals on own account must be the buyer or the seller.',
    ({ report }) => {
      if (report.tradingCapacity !== 'DEAL' || report.executingEntity === undefined) return [];
      const sides = [report.buyer, report.seller].flatMap(({ owners }) => owners);
      const isThere = sides.some(({ id }) => id.is === 'legal-entity' && id.lei === report.executingEntity);
      return isThere ? [] : [{ path: 'New/ExctgPty', value: report.executingEntity }];
    },
  ),
];
