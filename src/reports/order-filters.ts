import type { Parameters } from '../http/parameters.js';
import type { FactName } from './regimes/regime.js';
import type { ReportParameter } from './report.js';
import { textParameter } from './text-parameter.js';

/** Parameters, each with the names of which one must have its value. */
const FILTERS = {
  instrument: ['symbol', 'isin'],
  venue: ['exchange', 'segment_mic'],
  client: ['client_id'],
  algorithm: ['investment_decision_maker', 'execution_decision_maker'],
  desk: ['desk'],
} as const satisfies Readonly<Record<string, readonly FactName[]>>;

/** By what is known of an order, compared exactly. */
export const ORDER_FILTERS: readonly ReportParameter[] = [
  textParameter('instrument', 'This instrument alone: new_state.symbol or isin, looked up, exactly', 'AAPL'),
  textParameter('venue', 'This venue alone: new_state.exchange or segment_mic, looked up, exactly', 'XNAS'),
  textParameter('client', 'This client alone: metadata.client_id, looked up, exactly', 'C-77'),
  textParameter(
    'algorithm',
    'This person or algorithm alone: metadata.investment_decision_maker or execution_decision_maker, looked up, exactly',
    'ALGO-7',
  ),
  textParameter('desk', 'This desk alone: metadata.desk, looked up, exactly', 'equities'),
];

/** The filters that a run asks for: of each the names of which one must have the value. */
export function filtersOf(parameters: Parameters): { facts: readonly FactName[]; value: string }[] {
  return Object.entries(FILTERS).flatMap(([name, facts]) => {
    const value = parameters[name];
    return value === undefined ? [] : [{ facts, value }];
  });
}
