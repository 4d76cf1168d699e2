import { add, formatDecimal, parseDecimal, subtract, ZERO, type Decimal } from '../reports/decimal.js';
import { xmlDecimal } from './xml-values.js';

/** What a position is of. */
export interface PositionKey {
  /** as fields 7 and 16 have it: LEI, MIC, person's id or INTC; of a joint account all by their ids, with | between them */
  party: string;
  /** field 41, else field 42 */
  instrument: string;
  /** `units`, or `nominal` or `monetary` with the currency behind: `nominal EUR` */
  quantityIn: string;
}

/** Of a position, the same for the same: by party, instrument and unit. */
export function positionName({ party, instrument, quantityIn }: PositionKey): string {
  return JSON.stringify([party, instrument, quantityIn]);
}

/** How a transaction changes a position: more than zero for what is bought. */
export interface PositionChange extends PositionKey {
  quantity: Decimal;
}

const PARTY_IDS = ['LEI', 'MIC', 'Prsn/Othr/Id', 'Intl'];
const QUANTITIES: readonly [element: string, unit: string][] = [
  ['Unit', 'units'],
  ['NmnlVal', 'nominal'],
  ['MntryVal', 'monetary'],
];

/**
 * What a record of a new report says of positions, by its values: the buyer has more, the seller less. None where the
 * quantity, the instrument or who they are is not there. Delegated Regulation (EU) 2017/590, Article 15(5): what is
 * reported of a day is what positions changed by.
 */
export function positionChangesOf(values: ReadonlyMap<string, string>): PositionChange[] {
  const instrument = ['Id', 'Othr/FinInstrmGnlAttrbts/Id', 'Othr/FinInstrmGnlAttrbts/FullNm']
    .map((path) => values.get(`New/FinInstrm/${path}`))
    .find((text) => text !== undefined);
  const [element, unit] = QUANTITIES.find(([name]) => values.has(`New/Tx/Qty/${name}`)) ?? [];
  const text = values.get(`New/Tx/Qty/${element}`) ?? '';
  const quantity = xmlDecimal(text) ?? parseDecimal(text); // what is derived may have the form of events
  if (instrument === undefined || unit === undefined || !quantity) return [];
  const currency = values.get(`New/Tx/Qty/${element}/@Ccy`);
  const quantityIn = currency === undefined ? unit : `${unit} ${currency}`;
  const sides = [
    { party: partyOf(values, 'Buyr'), quantity },
    { party: partyOf(values, 'Sellr'), quantity: subtract(ZERO, quantity) },
  ];
  return sides.flatMap(({ party, quantity: change }) =>
    party === undefined ? [] : [{ party, instrument, quantityIn, quantity: change }],
  );
}

function partyOf(values: ReadonlyMap<string, string>, side: string): string | undefined {
  const owners: string[] = [];
  for (let i = 1; ; i++) {
    const owner = PARTY_IDS.map((id) => values.get(`New/${side}/AcctOwnr[${i}]/Id/${id}`)).find((id) => id);
    if (owner === undefined) return owners.length === 0 ? undefined : owners.sort().join('|');
    owners.push(owner);
  }
}

/** Sums of changes from several sides, by position. */
export class PositionSums<Side extends string> {
  private readonly positions = new Map<string, { key: PositionKey; sums: Map<Side, Decimal> }>();

  /** How many positions there are. */
  get size(): number {
    return this.positions.size;
  }

  add(side: Side, { party, instrument, quantityIn, quantity }: PositionChange): void {
    const key = { party, instrument, quantityIn };
    const name = positionName(key);
    let position = this.positions.get(name);
    if (!position) {
      position = { key, sums: new Map<Side, Decimal>() };
      this.positions.set(name, position);
    }
    position.sums.set(side, add(position.sums.get(side) ?? ZERO, quantity));
  }

  /** By party, instrument and unit, in the order of their texts; undefined where a side says nothing of a position. */
  *all(): Generator<{ key: PositionKey; sumOf: (side: Side) => string | undefined }> {
    for (const [, { key, sums }] of [...this.positions].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const sumOf = (side: Side): string | undefined => {
        const sum = sums.get(side);
        return sum && formatDecimal(sum);
      };
      yield { key, sumOf };
    }
  }
}
