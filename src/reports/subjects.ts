import { isLei } from '../identifiers/lei.js';
import type { FactName } from './regimes/regime.js';

/** By what an event names its instrument. */
export const INSTRUMENT_NAMES = ['isin', 'symbol'] as const satisfies readonly FactName[];

/** What is said of an instrument, and not of another one that the order goes on with. */
const OF_AN_INSTRUMENT: readonly FactName[] = [
  ...(['cfi', 'instrument_name', 'underlying_isins', 'option_type', 'strike_price', 'strike_price_currency'] as const),
  ...(['exercise_style', 'delivery_type', 'price_multiplier', 'maturity_date', 'expiry_date', 'swap_role'] as const),
  ...(['received_currency', 'second_leg_currency', 'currency', 'price_notation', 'quantity_notation'] as const),
  ...(['quantity_currency', 'notional_currency', 'financial_instrument', 'venue_traded'] as const),
];
const OF_A_REPRESENTATIVE: readonly FactName[] = [
  ...(['client_representative_first_names', 'client_representative_surnames'] as const),
  'client_representative_birth_date',
];

const OF_A_CLIENT: readonly FactName[] = [
  ...(['client_id_type', 'client_first_names', 'client_surnames', 'client_birth_date'] as const),
  ...(['client_representative_id', 'client_representative_ids', ...OF_A_REPRESENTATIVE] as const),
  ...(['transmitting_firm', 'branch', 'short_sale', 'commodity_risk_reducing'] as const),
];

interface Said {
  text: string;
}

type Own = ReadonlyMap<FactName, Said> | undefined;
type Known = (name: FactName) => Said | undefined;

/** Somebody or something that events name, and of whom they say more by other names. */
interface Subject {
  namedBy: readonly FactName[];
  said: readonly FactName[];
  /** whether an event names another one; by itself where it states another text than was known */
  isAnother?: (own: ReadonlyMap<FactName, Said>, known: Known) => boolean;
  /** what is said where nobody is named, and not of anybody who is named later */
  ofNobody?: string;
}

/** What was said of a subject holds no more once another one is named. */
const SUBJECTS: readonly Subject[] = [
  { namedBy: ['isin'], said: ['symbol'] },
  { namedBy: ['symbol'], said: ['isin'] },
  { namedBy: INSTRUMENT_NAMES, said: OF_AN_INSTRUMENT, isAnother: namesAnotherInstrument },
  { namedBy: ['side'], said: ['swap_role', 'received_currency'] },
  // a segment is one of its venue: where the order goes by the venue's name alone, it is no more in that segment
  {
    namedBy: ['exchange'],
    said: ['segment_mic'],
    isAnother: (own, known) => own.has('exchange') && own.get('exchange')!.text !== known('exchange')?.text,
  },
  { namedBy: ['exchange', 'segment_mic'], said: ['central_counterparty'] },
  {
    // by the type it is told whether a person was known
    namedBy: ['client_id', 'client_id_type'],
    said: OF_A_CLIENT,
    isAnother: namesAnotherClient,
  },
  { namedBy: ['client_representative_id'], said: OF_A_REPRESENTATIVE },
  // one, or several: what is said last
  {
    namedBy: ['client_representative_id'],
    said: ['client_representative_ids'],
    isAnother: (own) => own.has('client_representative_id'),
  },
  {
    namedBy: ['client_representative_ids'],
    said: ['client_representative_id', ...OF_A_REPRESENTATIVE],
    isAnother: (own) => own.has('client_representative_ids'),
  },
  { namedBy: ['investment_decision_maker'], said: ['investment_decision_maker_type'], ofNobody: 'client' },
  { namedBy: ['execution_decision_maker'], said: ['execution_decision_maker_type'], ofNobody: 'client' },
];

/** Of whom something is said by a name. */
const SUBJECTS_OF = new Map<FactName, readonly Subject[]>();
for (const subject of SUBJECTS)
  for (const name of subject.said) SUBJECTS_OF.set(name, [...(SUBJECTS_OF.get(name) ?? []), subject]);

/** What an execution in another instrument than the order's says of itself alone. */
export const OF_THAT_INSTRUMENT: ReadonlySet<FactName> = new Set([...INSTRUMENT_NAMES, ...OF_AN_INSTRUMENT, 'side']);

/** What an execution for another client than the order's says of itself alone. */
export const OF_THAT_CLIENT: ReadonlySet<FactName> = new Set(['client_id', 'aggregated', ...OF_A_CLIENT]);
const OF_A_CLIENT_ALONE: ReadonlySet<FactName> = new Set(OF_A_CLIENT);
/** By what it is told whether it is. */
export const CLIENT_NAMES = ['client_id', 'client_id_type', 'aggregated', 'allocations'] as const satisfies FactName[];

/** By what somebody is named of whom it may have been said that there is nobody: also by the name that was known before. */
export const NAMED_AFTER_NOBODY: ReadonlySet<FactName> = new Set(
  SUBJECTS.filter(({ ofNobody }) => ofNobody !== undefined).flatMap(({ namedBy }) => namedBy),
);

/** Of these it matters which event stated them, beside what: the later of two decides. */
export const DECIDED_BY_THE_LATER: ReadonlySet<string> = new Set<FactName>([
  ...INSTRUMENT_NAMES,
  ...(['short_sale', 'firm_short_sale'] as const),
]);

/** By what names something is said of those whom some names name. */
export function saidOfSubjects(names: ReadonlySet<FactName>): readonly FactName[] {
  return [...SUBJECTS_OF].flatMap(([name, subjects]) =>
    subjects.some(({ namedBy }) => namedBy.some((each) => names.has(each))) ? [name] : [],
  );
}

/** By what names those are named of whom a name says something. */
export function namesOfSubjects(name: FactName): readonly FactName[] {
  return (SUBJECTS_OF.get(name) ?? []).flatMap(({ namedBy }) => namedBy);
}

/** Whether what was known by a name holds no more after an event, which does not state it itself. */
export function isOfAnother(name: FactName, own: Own, known: Known): boolean {
  const subjects = SUBJECTS_OF.get(name);
  if (!subjects || !own || own.has(name)) return false;
  return subjects.some(({ namedBy, isAnother, ofNobody }) => {
    if (isAnother) return isAnother(own, known);
    return namedBy.some((each) => {
      const [next, before] = [own.get(each), known(each)];
      if (!next) return false;
      const wasOfNobody = ofNobody !== undefined && known(name)?.text === ofNobody;
      return wasOfNobody || (before !== undefined && before.text !== next.text);
    });
  });
}

/**
 * Whether an event names another instrument than the one that was known: by its ISIN; by its symbol, which each source has
 * of its own, only where it states no ISIN.
 */
export function namesAnotherInstrument(own: Own, known: Known): boolean {
  return isOther(own?.has('isin') ? 'isin' : 'symbol', own, known);
}

/** The same, or another symbol beside an ISIN where none was known: that may be another instrument, or another source's name. */
export function mayNameAnotherInstrument(own: Own, known: Known): boolean {
  return isOther(own?.has('isin') && known('isin') ? 'isin' : 'symbol', own, known);
}

/** What tells two instruments apart that nobody names. */
export const DESCRIBED_BY: readonly FactName[] = [
  ...(['cfi', 'underlying_isins', 'option_type', 'strike_price', 'maturity_date', 'expiry_date'] as const),
];

/** Whether neither names its instrument, and both describe it otherwise. */
export function describesAnother(own: ReadonlyMap<FactName, Said>, known: Known): boolean {
  const isNamed = INSTRUMENT_NAMES.some((name) => own.has(name) || known(name) !== undefined);
  return !isNamed && DESCRIBED_BY.some((name) => isOther(name, own, known));
}

function isOther(name: FactName, own: Own, known: Known): boolean {
  const [next, before] = [own?.get(name), known(name)];
  return next !== undefined && before !== undefined && next.text !== before.text;
}

/** An LEI and an id that is none may be of one client: only the reference data know. No person has an LEI. */
function namesAnotherClient(own: ReadonlyMap<FactName, Said>, known: Known): boolean {
  const [next, before] = [own.get('client_id')?.text, known('client_id')?.text];
  if (next === undefined || before === undefined || next === before) return false;
  return isLei(next) === isLei(before) || (isLei(next) && known('client_id_type')?.text === 'natural_person');
}

/** By which name a client is known of whom something was said, where an event names the client otherwise: perhaps another one. */
export function clientNamedOtherwise(name: FactName, own: Own, known: Known): string | undefined {
  if (!OF_A_CLIENT_ALONE.has(name)) return undefined;
  const [next, before] = [own?.get('client_id')?.text, known('client_id')?.text];
  return next === undefined || next === before ? undefined : before;
}

/**
 * Whether an execution is for another client than its order, as far as that says for whom it is: it names one where the order is
 * for several or for nobody, or says itself that it is.
 */
export function isForAnotherClient(own: ReadonlyMap<FactName, Said>, known: Known): boolean {
  const [type, before] = [own.get('client_id_type')?.text, known('client_id_type')?.text];
  const isAggregated = known('aggregated')?.text === 'true';
  const isForParts = known('client_id') === undefined && known('allocations') !== undefined;
  if (isAggregated || isForParts || OF_NO_NAMED_CLIENT.includes(before ?? '')) {
    const isOtherType = type !== undefined && before !== undefined && type !== before;
    return own.has('client_id') || isOtherType || (isAggregated && own.get('aggregated')?.text === 'false');
  }
  if (known('client_id') === undefined) return false;
  // by an LEI beside an id it may be another one; where it is the same, nothing is lost to the order, which names it
  return isOther('client_id', own, known) || OF_NO_NAMED_CLIENT.includes(type ?? '');
}

/** What else holds no more of an order, for its records: how it is limited, how long it is good, that its client is not named. */
const OF_THE_ORDER: readonly {
  named: FactName;
  said: readonly FactName[];
  ends: (next: string, was: string) => boolean;
}[] = [
  { named: 'order_type', said: ['limit_price'], ends: (next) => !WITH_A_LIMIT.includes(next) },
  { named: 'order_type', said: ['stop_price'], ends: (next) => next !== 'stop' && next !== 'stop_limit' },
  { named: 'order_type', said: ['pegged_limit_price'], ends: (next) => next !== 'pegged' },
  { named: 'order_type', said: ['venue_order_type'], ends: (next, was) => next !== was },
  { named: 'validity', said: ['valid_until', 'valid_from', 'venue_validity'], ends: (next, was) => next !== was },
];
const WITH_A_LIMIT: readonly string[] = ['limit', 'stop_limit', 'pegged', 'quote', 'other'];
/** Values of `client_id_type` that a client ends who is named. */
export const OF_NO_NAMED_CLIENT: readonly string[] = ['aggregated', 'pending_allocation', 'none'];

/** By what names something is said that may end what was said by others. */
const NAMING: ReadonlySet<FactName> = new Set([
  ...SUBJECTS.flatMap(({ namedBy }) => namedBy),
  ...OF_THE_ORDER.map(({ named }) => named),
]);

/** By what names that are known nothing holds any more after an event, which states some others. */
export function endedBy(own: ReadonlyMap<FactName, Said>, known: ReadonlyMap<FactName, Said>): readonly FactName[] {
  const mayEnd = [...own].some(
    ([name, { text }]) => NAMING.has(name) && (known.get(name)?.text !== text || NAMED_AFTER_NOBODY.has(name)),
  );
  if (!mayEnd) return [];
  return [...known.keys()].filter((name) => {
    if (own.has(name)) return false;
    if (isOfAnother(name, own, (each) => known.get(each))) return true;
    if (name === 'client_id_type' && own.has('client_id')) return OF_NO_NAMED_CLIENT.includes(known.get(name)!.text);
    return OF_THE_ORDER.some(({ named, said, ends }) => {
      const next = own.get(named)?.text;
      return next !== undefined && said.includes(name) && ends(next, known.get(named)?.text ?? next);
    });
  });
}
