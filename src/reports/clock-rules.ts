import type { ORDER_VOCABULARY } from '../vocabulary/order-vocabulary.js';

export type ClockClass = keyof (typeof ORDER_VOCABULARY)['Clocks']['clock_class']['type']['codes'];

/** What a class of activity must keep to. */
export interface ClockLimit {
  maxDivergenceNs: number;
  /** decimals of a second that times must have at least */
  digits: number;
  /** where the text of the rule leaves it open: what is applied here, and why */
  note?: string;
}

/** The clock rules in force from a day on, until the next begins. */
export interface ClockRules {
  regulation: string;
  /** by UTC */
  from: string;
  limits: Readonly<Partial<Record<ClockClass, ClockLimit>>>;
}

const SECOND: ClockLimit = { maxDivergenceNs: 1_000_000_000, digits: 0 };
const MILLISECOND: ClockLimit = { maxDivergenceNs: 1_000_000, digits: 3 };

/** Goes up with any change of the table. */
export const CLOCK_RULES_VERSION = 1;

/** In the order of time; before the first there was no rule. */
export const CLOCK_RULES: readonly ClockRules[] = [
  {
    regulation: '2017/574',
    from: '2018-01-03T00:00:00Z',
    limits: {
      venue_above_1ms: MILLISECOND,
      venue_up_to_1ms: { maxDivergenceNs: 100_000, digits: 6 },
      venue_voice: SECOND,
      member_high_frequency: { maxDivergenceNs: 100_000, digits: 6 },
      member_voice: SECOND,
      member_other: MILLISECOND,
    },
  },
  {
    regulation: '2025/1155',
    from: '2026-03-02T00:00:00Z',
    limits: {
      venue_above_1ms: MILLISECOND,
      venue_up_to_1ms: { maxDivergenceNs: 100_000, digits: 7 },
      venue_voice: SECOND,
      member_high_frequency: { maxDivergenceNs: 100_000, digits: 7 },
      member_voice: SECOND,
      member_other: { ...MILLISECOND, note: 'Annex IV prints no row for it; 1 ms goes on' },
      publication: MILLISECOND,
    },
  },
];

/** What the rules in force on a day, UTC, ask of a class; undefined where they have no such class. */
export function clockLimitOn(day: string, clockClass: string): ClockLimit | undefined {
  const limits = CLOCK_RULES.findLast(({ from }) => from.slice(0, 10) <= day)?.limits ?? {};
  return Object.hasOwn(limits, clockClass) ? limits[clockClass as ClockClass] : undefined;
}
