import { readJsonBody } from '../http/dto.pipe.js';
import { Problem, type FieldError } from '../http/problem.js';
import type { JsonValue } from '../integrity/strict-json.js';
import { parseDecimal } from '../reports/decimal.js';
import { mistypedParameters } from '../reports/report-request-body.js';
import { readReportRequest, type ReportRequest } from '../reports/report-parameters.js';
import type { Parameters } from '../http/parameters.js';
import type { Report } from '../reports/report.js';
import { positionName } from '../transaction-reports/position-changes.js';
import type { GivenPosition } from './reconciliation-read.js';
import { RECONCILIATION } from './reconciliation-report.js';

const MOST_POSITIONS = 10_000;
const MOST_ERRORS = 100;

/** A reconciliation as what is asked for: its rows are made by the plan of one. */
export const NAMED_RECONCILIATION: Report = {
  ...RECONCILIATION,
  rows: () => {
    throw new Error('a reconciliation is made by its plan');
  },
};

/** What is asked for of a reconciliation. Throws invalid-parameter. */
export function readReconciliation(parameters: Parameters): ReportRequest {
  return readReportRequest(NAMED_RECONCILIATION, parameters);
}

/**
 * A body: the parameters, which are strings, and `positions`; those of a position without a party are of the executing
 * entity, `''` here. Throws invalid-json, invalid-body.
 */
export function readReconciliationBody(body: unknown): { parameters: Parameters; positions: GivenPosition[] } {
  const value = readJsonBody(body);
  if (!isObject(value)) throw new Problem('invalid-body', 'The body must be a JSON object');
  const { positions = [], ...parameters } = value;
  const errors = mistypedParameters(NAMED_RECONCILIATION, parameters);
  const read = Array.isArray(positions) && positions.length <= MOST_POSITIONS ? positions : undefined;
  if (!read) errors.push(mistake('/positions', 'positions', `must be a list of up to ${MOST_POSITIONS} positions`));
  const given = read?.map((each, i) => readPosition(each, `/positions/${i}`, errors)) ?? [];
  if (errors.length > 0) {
    throw new Problem('invalid-body', errors[0]!.detail, { errors: errors.slice(0, MOST_ERRORS) });
  }
  return { parameters: parameters as Parameters, positions: given as GivenPosition[] };
}

/**
 * Positions with their parties: the executing entity where none was given. Throws invalid-body where one is there twice,
 * since nobody could tell which of both counts.
 */
export function positionsOf(given: readonly GivenPosition[], executingEntity: string): GivenPosition[] {
  const positions = given.map((each) => (each.party === '' ? { ...each, party: executingEntity } : each));
  const first = new Map<string, number>();
  const errors: FieldError[] = [];
  for (const [i, position] of positions.entries()) {
    const key = positionName(position);
    const same = first.get(key);
    if (same === undefined) first.set(key, i);
    else errors.push(mistake(`/positions/${i}`, 'once', `is the position of positions/${same}: give each once`));
  }
  if (errors.length === 0) return positions;
  throw new Problem('invalid-body', errors[0]!.detail, { errors: errors.slice(0, MOST_ERRORS) });
}

const POSITION: Readonly<Record<string, { isRight: (value: string) => boolean; rest: string; isOptional?: true }>> = {
  party: {
    isRight: (value) => /^[^\p{Cc}]{1,1000}$/u.test(value),
    rest: 'must be a party as field 7 has it; left out, the executing entity',
    isOptional: true,
  },
  instrument: {
    isRight: (value) => /^[^\p{Cc}]{1,350}$/u.test(value),
    rest: 'must be an instrument as field 41 has it, or field 42',
  },
  quantity_in: {
    isRight: (value) => /^(units|(nominal|monetary) [A-Z]{3})$/.test(value),
    rest: 'must be units, or nominal or monetary with a currency behind; units when left out',
    isOptional: true,
  },
  quantity: {
    isRight: (value) => parseDecimal(value) !== undefined,
    rest: 'must be what was bought minus what was sold, as a text with a decimal',
  },
};

function readPosition(value: JsonValue, pointer: string, errors: FieldError[]): GivenPosition | undefined {
  if (!isObject(value)) {
    errors.push(mistake(pointer, 'position', 'must be an object'));
    return undefined;
  }
  const before = errors.length;
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(POSITION, name)) errors.push(mistake(`${pointer}/${name}`, 'unknown', 'is not known here'));
  }
  for (const [name, { isRight, rest, isOptional }] of Object.entries(POSITION)) {
    const member = Object.hasOwn(value, name) ? value[name] : undefined;
    if (member === undefined && isOptional) continue;
    if (typeof member !== 'string' || !isRight(member)) errors.push(mistake(`${pointer}/${name}`, 'position', rest));
  }
  if (errors.length > before) return undefined;
  const { party = '', instrument, quantity, quantity_in: quantityIn = 'units' } = value as Record<string, string>;
  return { party, instrument: instrument!, quantity: quantity!, quantityIn };
}

function mistake(pointer: string, rule: string, rest: string): FieldError {
  return { pointer, rule, detail: `${pointer.slice(1)} ${rest}` };
}

function isObject(value: JsonValue): value is { [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
