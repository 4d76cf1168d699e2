import { isCfi } from '../identifiers/cfi.js';
import { isCurrency } from '../identifiers/currency.js';
import { isIsin } from '../identifiers/isin.js';
import { isLei } from '../identifiers/lei.js';
import { isMicShaped } from '../identifiers/mic.js';
import { canonicalize, type JsonObject, type JsonValue } from '../integrity/canonical-json.js';
import { parseTimestamp, TimestampError } from '../integrity/timestamp.js';
import { ACTIONS, TERMS, type MemberType, type Term, type TermName, type ValueType } from './order-vocabulary.js';

/** A decimal as text, in its plain form. */
export const DECIMAL_PATTERN = '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$';
export const INTEGER_PATTERN = '^-?(0|[1-9][0-9]*)$';
const DECIMAL = new RegExp(DECIMAL_PATTERN);
const INTEGER = new RegExp(INTEGER_PATTERN);

/** What in an event the vocabulary does not know, or knows to be of another type. */
export interface VocabularyFindings {
  /** `new_state.name` or `metadata.name` */
  unknown: string[];
  /** `metadata.name: what it must be` */
  illTyped: string[];
}

/** Holds an order's event against the vocabulary: action, `new_state` and `metadata`; both lists in the names' order. */
export function vocabularyFindings(event: {
  entity_type: string;
  action: string;
  new_state: JsonObject;
  metadata: JsonObject;
}): VocabularyFindings {
  const findings: VocabularyFindings = { unknown: [], illTyped: [] };
  if (event.entity_type !== 'order') {
    findings.illTyped.push('entity_type: must be order, for reports to read the event');
    return findings;
  }
  if (!Object.hasOwn(ACTIONS, event.action)) {
    findings.illTyped.push(`action: must be one of ${Object.keys(ACTIONS).join(', ')}`);
  }
  for (const part of ['new_state', 'metadata'] as const) {
    for (const [name, value] of Object.entries(event[part]).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const term: Term | undefined = Object.hasOwn(TERMS, name) ? TERMS[name as TermName] : undefined;
      if (term?.in !== part) findings.unknown.push(`${part}.${name}`);
      else if (value !== null && value !== '') {
        const mistake = mistakeOf(value, term.type);
        if (mistake !== undefined) findings.illTyped.push(`${part}.${name}: ${mistake}`);
      }
    }
  }
  return findings;
}

/** What a value of a type must be and this one is not; undefined when it is. */
export function mistakeOf(value: JsonValue, type: ValueType): string | undefined {
  if (type.is === 'boolean') return typeof value === 'boolean' ? undefined : 'must be true or false';
  if (type.is === 'code') return codeMistake(value, type.codes);
  if (type.is === 'codes') return listMistake(value, (item) => codeMistake(item, type.codes));
  if (type.is === 'isins') return listMistake(value, (item) => textMistake(item, 'isin'));
  if (type.is === 'texts') return listMistake(value, (item) => textMistake(item, 'text'));
  if (type.is === 'records') return listMistake(value, (item) => recordMistake(item, type.members));
  return textMistake(value, type.is);
}

type TextType = Exclude<ValueType['is'], 'boolean' | 'code' | 'codes' | 'isins' | 'texts' | 'records'>;

function textMistake(value: JsonValue, type: TextType): string | undefined {
  if (typeof value !== 'string') return 'must be a text';
  switch (type) {
    case 'text':
      return undefined;
    case 'decimal':
      return DECIMAL.test(value) ? undefined : 'must be a decimal such as 585.33';
    case 'integer':
      return INTEGER.test(value) ? undefined : 'must be a whole number';
    case 'timestamp':
      return timeMistake(value);
    case 'date':
      return timeMistake(`${value}T00:00:00Z`) === undefined ? undefined : 'must be a day, YYYY-MM-DD';
    case 'lei':
      return isLei(value) ? undefined : 'must be an LEI with right check digits';
    case 'isin':
      return isIsin(value) ? undefined : 'must be an ISIN with a right check digit';
    case 'cfi':
      return isCfi(value) ? undefined : 'must be a CFI code: six letters, of a category and group of ISO 10962';
    case 'mic':
      return isMicShaped(value) ? undefined : 'must be a MIC of four characters';
    case 'currency':
      return isCurrency(value) ? undefined : 'must be a currency code of ISO 4217';
  }
}

function timeMistake(text: string): string | undefined {
  try {
    parseTimestamp(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    return error.message;
  }
}

function codeMistake(value: JsonValue, codes: Readonly<Record<string, string>>): string | undefined {
  if (typeof value === 'string' && Object.hasOwn(codes, value)) return undefined;
  return `must be one of ${Object.keys(codes).join(', ')}`;
}

function listMistake(value: JsonValue, mistake: (item: JsonValue) => string | undefined): string | undefined {
  if (!Array.isArray(value)) return 'must be a list';
  const wrong = value.map((item) => mistake(item)).find((each) => each !== undefined);
  return wrong === undefined ? undefined : `each ${wrong}`;
}

function recordMistake(value: JsonValue, members: Readonly<Record<string, MemberType>>): string | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return 'must be an object';
  for (const [name, member] of Object.entries(value)) {
    const type = Object.hasOwn(members, name) ? members[name] : undefined;
    if (type === undefined) return `must have no ${canonicalize(name)}`;
    const mistake = mistakeOf(member, { is: type });
    if (mistake !== undefined) return `has ${name}, which ${mistake}`;
  }
  return undefined;
}
