import { mistakeOf } from '../vocabulary/checks.js';
import { TERMS, type TermName } from '../vocabulary/order-vocabulary.js';
import { ENDED, UNSAID } from './transmission.js';
import type { Trace } from './trace.js';
import type { Facts } from './transactions.js';

/**
 * What decides how a report is made and is not itself in it, so that no rule on reports would find a code that nobody
 * knows; with the field that would be wrong.
 */
const DECIDING: readonly (readonly [TermName, number])[] = [
  ['drop_copy', 1],
  ['client_id_type', 7],
  ['aggregated', 7],
  ['swap_role', 7],
  ['transmission', 25],
  ['financial_instrument', 41],
  ['venue_traded', 41],
  ['quantity_notation', 30],
  ['price_notation', 33],
  ['price_absent', 33],
  ['investment_decision_maker_type', 57],
  ['execution_decision_maker_type', 59],
  ['commodity_risk_reducing', 64],
  ['transaction_nature', 65],
  ['sftr_exempt', 65],
];

/** Holds the codes and truth values that decide against the vocabulary. */
export function mendUnknownCodes(facts: Facts, trace: Trace): void {
  for (const [name, field] of DECIDING) {
    const text = facts.text(name);
    if (text === undefined || (name === 'transmission' && (text === ENDED || text === UNSAID))) continue;
    const { type } = TERMS[name];
    const value = type.is === 'boolean' && (text === 'true' || text === 'false') ? text === 'true' : text;
    const mistake = mistakeOf(value, type);
    if (mistake !== undefined) trace.mend(field, 'as the vocabulary has it', `${name} ${text} ${mistake}`);
  }
}
