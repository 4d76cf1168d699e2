import { exact, plus, shown, total } from './plain-aggregation.js';
import { text, type PlacedEvent } from './plain-computation.js';
import { clientAt, factsInPeriod, known, ofOrder, type Fact } from './plain-replay.js';

type Row = Record<string, string | null>;

/** a / b to four digits, halves away from zero: by hand, digit after digit. */
function ratio(a: { n: bigint; d: number }, b: { n: bigint; d: number }): string | null {
  if (b.n === 0n) return null;
  let [top, bottom] = [a.n * 10n ** BigInt(b.d), b.n * 10n ** BigInt(a.d)];
  const isNegative = top < 0n !== bottom < 0n;
  if (top < 0n) top = -top;
  if (bottom < 0n) bottom = -bottom;
  let digits = String(top / bottom);
  for (let i = 0; i < 5; i++) {
    top = (top % bottom) * 10n;
    digits += String(top / bottom);
  }
  const rounded = (BigInt(digits) + 5n) / 10n;
  return shown({ n: isNegative ? -rounded : rounded, d: 4 });
}

/** The rows of activity. */
export function expectedActivityBy(
  events: readonly PlacedEvent[],
  { by }: Record<string, string>,
  from: string,
  to: string,
): Row[] {
  const keyOf = (fact: Fact): string | null => {
    if (by === 'user') return fact.original.user_id;
    if (by === 'venue') return known(fact, 'new_state', 'exchange');
    if (by === 'instrument') return known(fact, 'new_state', 'symbol') ?? known(fact, 'new_state', 'isin');
    if (by === 'client') return clientAt(fact);
    const names: Record<string, string> = { algorithm: 'execution_decision_maker' };
    return known(fact, 'metadata', names[by!] ?? by!);
  };
  const all = factsInPeriod(events, from, to).map((fact) => ({
    ...{
      fact,
      key: keyOf(fact),
      instrument: known(fact, 'new_state', 'symbol'),
      isin: known(fact, 'new_state', 'isin'),
    },
    isVenue: /^venue_/.test(text(fact.final.metadata.initiated_by) ?? ''),
    action: fact.final.action,
  }));
  const ascending = (a: string | null, b: string | null): number =>
    a === b ? 0 : a === null ? -1 : b === null ? 1 : a < b ? -1 : 1;
  const row = (
    own: typeof all,
    group: string | null,
    [instrument, isin]: readonly [string | null, string | null],
    level: string,
  ): Row => {
    const those = (...actions: string[]): typeof all => own.filter(({ action }) => actions.includes(action));
    const fills = those('fill', 'partial_fill');
    const named = ['create', 'modify', 'cancel', 'expire', 'reject', 'fill', 'partial_fill'];
    const created = those('create').map(({ fact, isVenue }) => {
      const { order_quantity: whole, quantity } = fact.final.new_state;
      return { isVenue, quantity: exact(text(whole) ?? text(quantity)) };
    });
    const modified = those('modify')
      .filter(({ isVenue }) => !isVenue)
      .map(({ fact }) => exact(ofOrder(fact, 'order_quantity')));
    const executed = fills.map(({ fact }) => exact(text(fact.final.new_state.quantity)));
    const quantities = [...created.map(({ quantity }) => quantity), ...modified, ...executed];
    const unread = quantities.filter((quantity) => quantity === undefined).length;
    const sum = (values: (typeof executed)[number][]) => total(values.filter((value) => value !== undefined))!;
    const counted = { n: BigInt(fills.length), d: 0 };
    const messages =
      created.filter(({ isVenue }) => !isVenue).length +
      2 * modified.length +
      those('cancel').filter(({ isVenue }) => !isVenue).length;
    const submitted = sum([...created.filter(({ isVenue }) => !isVenue).map(({ quantity }) => quantity), ...modified]);
    const isWhole = level === 'instrument';
    return {
      ...{
        group,
        instrument,
        isin,
        level,
        orders: String(created.length),
        modifications: String(those('modify').length),
      },
      ...{ cancels: String(those('cancel').length), expiries: String(those('expire').length) },
      ...{ rejects: String(those('reject').length), executions: String(fills.length) },
      others: String(own.filter(({ action }) => !named.includes(action)).length),
      ordered_quantity: isWhole ? shown(sum(created.map(({ quantity }) => quantity))) : null,
      executed_quantity: isWhole ? shown(sum(executed)) : null,
      unread_quantities: String(unread),
      cancel_ratio: ratio({ n: BigInt(those('cancel').length), d: 0 }, { n: BigInt(created.length), d: 0 }),
      messages: String(messages),
      order_to_trade_number: ratio({ n: BigInt(messages) - counted.n, d: 0 }, counted),
      order_to_trade_volume:
        isWhole && unread === 0 ? ratio(plus(submitted, sum(executed), -1n)!, sum(executed)) : null,
    };
  };
  const groups = [...new Set(all.map(({ key }) => key))].sort(ascending);
  return groups.flatMap((group) => {
    const own = all.filter(({ key }) => key === group);
    const byText = (a: (typeof all)[number], b: (typeof all)[number]): number =>
      ascending(a.instrument, b.instrument) || ascending(a.isin, b.isin);
    const instruments = new Map(
      [...own].sort(byText).map(({ instrument, isin }) => [JSON.stringify([instrument, isin]), { instrument, isin }]),
    );
    const rows = [...instruments.values()].map(({ instrument, isin }) =>
      row(
        own.filter((each) => each.instrument === instrument && each.isin === isin),
        group,
        [instrument, isin],
        'instrument',
      ),
    );
    return by === 'instrument' ? rows : [...rows, row(own, group, [null, null], 'all')];
  });
}
