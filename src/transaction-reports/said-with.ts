import { isLei } from '../identifiers/lei.js';
import type { FactName } from '../reports/regimes/regime.js';
import type { Stated } from './trace.js';

/** By what an event names its instrument. */
export const INSTRUMENT_NAMES = ['isin', 'symbol'] as const satisfies readonly FactName[];

/** What is said of an instrument, and not of another one that the order goes on with. */
const OF_AN_INSTRUMENT: readonly FactName[] = [
  ...(['cfi', 'instrument_name', 'underlying_isins', 'option_type', 'strike_price', 'strike_price_currency'] as const),
  ...(['exercise_style', 'delivery_type', 'price_multiplier', 'maturity_date', 'expiry_date', 'swap_role'] as const),
  ...(['received_currency', 'second_leg_currency', 'currency', 'price_notation', 'quantity_notation'] as const),
  'quantity_currency',
];
const OF_A_REPRESENTATIVE: readonly FactName[] = [
  ...(['client_representative_first_names', 'client_representative_surnames'] as const),
  'client_representative_birth_date',
];

type Own = ReadonlyMap<FactName, Stated> | undefined;
type Known = (name: FactName) => Stated | undefined;

interface SaidWith {
  of: readonly FactName[];
  names: readonly FactName[];
  /** whether an event names another one; by itself where it states another text than was known */
  isAnother?: (own: ReadonlyMap<FactName, Stated>, known: Known) => boolean;
  /** what cannot be said of anybody who is named later */
  unlessNamed?: string;
}

/** What is said of somebody or something that another name names, and holds no more once that is another. */
const SAID_WITH: readonly SaidWith[] = [
  { of: ['isin'], names: ['symbol'] },
  { of: ['symbol'], names: ['isin'] },
  { of: INSTRUMENT_NAMES, names: OF_AN_INSTRUMENT, isAnother: namesAnother },
  { of: ['side'], names: ['swap_role', 'received_currency'] },
  {
    of: ['client_id'],
    names: [
      ...(['client_id_type', 'client_first_names', 'client_surnames', 'client_birth_date'] as const),
      ...(['client_representative_id', 'transmitting_firm', ...OF_A_REPRESENTATIVE] as const),
    ],
    isAnother: namesAnotherClient,
  },
  { of: ['client_representative_id'], names: OF_A_REPRESENTATIVE },
  { of: ['investment_decision_maker'], names: ['investment_decision_maker_type'], unlessNamed: 'client' },
  { of: ['execution_decision_maker'], names: ['execution_decision_maker_type'], unlessNamed: 'client' },
];

/** By names, the names with which they are said. */
const LEADERS = new Map<FactName, readonly SaidWith[]>();
for (const each of SAID_WITH) for (const name of each.names) LEADERS.set(name, [...(LEADERS.get(name) ?? []), each]);

/** What an execution in another instrument than the order's says of itself alone. */
export const OF_THAT_INSTRUMENT: ReadonlySet<FactName> = new Set([...INSTRUMENT_NAMES, ...OF_AN_INSTRUMENT, 'side']);

/** What may hold no more when an event states some names. */
export function saidWith(names: ReadonlySet<FactName>): readonly FactName[] {
  return [...LEADERS].flatMap(([name, leaders]) =>
    leaders.some(({ of }) => of.some((each) => names.has(each))) ? [name] : [],
  );
}

/** By what names it is said what a name is said of. */
export function leadersOf(name: FactName): readonly FactName[] {
  return (LEADERS.get(name) ?? []).flatMap(({ of }) => of);
}

/** Whether what was known by a name holds no more after an event, which does not state it itself. */
export function isOfAnother(name: FactName, own: Own, known: Known): boolean {
  const leaders = LEADERS.get(name);
  if (!leaders || !own || own.has(name)) return false;
  return leaders.some(({ of, isAnother, unlessNamed }) => {
    if (isAnother) return isAnother(own, known);
    return of.some((leader) => {
      const [next, before] = [own.get(leader), known(leader)];
      if (!next) return false;
      return before ? before.text !== next.text : known(name)?.text === unlessNamed && unlessNamed !== undefined;
    });
  });
}

/**
 * Whether an event names another instrument than the one that was known: by its ISIN; by its symbol, which each source has
 * of its own, only where it states no ISIN.
 */
export function namesAnother(own: Own, known: Known): boolean {
  const name = own?.has('isin') ? 'isin' : 'symbol';
  const [next, before] = [own?.get(name), known(name)];
  return next !== undefined && before !== undefined && next.text !== before.text;
}

/** An LEI and an id that is none may be of one client: only the reference data know. */
function namesAnotherClient(own: ReadonlyMap<FactName, Stated>, known: Known): boolean {
  const [next, before] = [own.get('client_id')?.text, known('client_id')?.text];
  return next !== undefined && before !== undefined && next !== before && isLei(next) === isLei(before);
}
