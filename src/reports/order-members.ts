import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { contentOf, DamagedRowError, microsOf, type StoredRow } from '../integrity/stored-event.js';
import { readJson, StrictJsonError } from '../integrity/strict-json.js';
import { cellOf } from './cell.js';
import { endedBy } from './subjects.js';

/**
 * What an order's events say of the order as a whole, and where: so a fill that lacks it can be given what an earlier
 * event said. Quantity and price are not among them: an order's are not the execution's.
 */
const ORDER_MEMBERS = {
  exchange: 'new_state',
  symbol: 'new_state',
  isin: 'new_state',
  side: 'new_state',
  validity: 'new_state',
  client_id: 'metadata',
  client_id_type: 'metadata',
  investment_decision_maker: 'metadata',
  execution_decision_maker: 'metadata',
} as const;

export type OrderMember = keyof typeof ORDER_MEMBERS;
export const ORDER_MEMBER_NAMES = Object.keys(ORDER_MEMBERS) as OrderMember[];

/** What of orders' events is to be known along their lives. */
export interface LifeMembers<Name extends string, Selected extends object> {
  /** for a SELECT in which the trail is `e` */
  selected: string;
  /** of a whole row what the SELECT gives. Throws DamagedRowError */
  ofWhole: (row: StoredRow) => Selected;
  /** what an event states, in texts. Throws DamagedRowError */
  stated: (row: Selected & Pick<StoredRow, 'sequence' | 'action'>) => Iterable<readonly [Name, string]>;
  /** whether it is a copy of what another source or order tells of. Throws DamagedRowError */
  isCopy: (row: Selected & Pick<StoredRow, 'sequence'>, own: ReadonlyMap<Name, { text: string }>) => boolean;
  /** event time in nanoseconds since 1970 */
  nanosOf: (row: Selected) => bigint;
  /** by what names nothing that was known holds any more after what an event states */
  ended?: (own: ReadonlyMap<Name, { text: string }>, known: ReadonlyMap<Name, { text: string }>) => readonly Name[];
}

/** What besides tells a copy, and when an order began or was over. */
const OF_EVENT = ['timestamp', 'timestamp_nanos'] as const;
const COPY = { drop_copy: 'metadata' } as const;
const SELECTED = { ...ORDER_MEMBERS, ...COPY } as const;
type SelectedMember = keyof typeof SELECTED;
const SELECTED_NAMES = Object.keys(SELECTED) as SelectedMember[];

/** A row of ORDER_MEMBERS_SELECTED: the text of each member's jsonb, or its JSON in canonical form. */
export type OrderMembersRow = Readonly<Record<SelectedMember, string | null>> &
  Pick<StoredRow, 'jsonForm' | (typeof OF_EVENT)[number]>;

/** For a SELECT in which the trail is `e`. */
const ORDER_MEMBERS_SELECTED = [
  ...SELECTED_NAMES.map((name) => `e.${SELECTED[name]} -> '${name}' AS ${name}`),
  ...OF_EVENT.map((column) => `e."${column}"`),
].join(', ');

/** The text of a member of a row so selected; null when the event does not carry it. Throws DamagedRowError. */
function selectedMember(row: OrderMembersRow & Pick<StoredRow, 'sequence'>, name: SelectedMember): string | null {
  const text = row[name];
  if (text === null) return null;
  try {
    return cellOf(readJson(text, row.jsonForm === 'canonical' ? {} : { form: 'stored' }));
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new DamagedRowError(row.sequence, SELECTED[name], error.message, { cause: error });
  }
}

/** The members that trades are reported with. */
export const TRADE_MEMBERS: LifeMembers<OrderMember, OrderMembersRow> = {
  selected: ORDER_MEMBERS_SELECTED,
  ofWhole: (row) => {
    const content = contentOf(row);
    const members = SELECTED_NAMES.map((name): [SelectedMember, string | null] => {
      const value = content[SELECTED[name]][name];
      return [name, value === undefined ? null : canonicalize(value)];
    });
    const { timestamp, timestamp_nanos } = row;
    const texts = Object.fromEntries(members) as Record<SelectedMember, string | null>;
    return { ...texts, timestamp, timestamp_nanos, jsonForm: 'canonical' };
  },
  *stated(row) {
    for (const name of ORDER_MEMBER_NAMES) {
      const text = selectedMember(row, name);
      if (text !== null) yield [name, text];
    }
  },
  isCopy: (row) => selectedMember(row, 'drop_copy') === 'true',
  nanosOf: nanosOfRow,
  ended: (own, known) => endedBy(own, known) as readonly OrderMember[],
};

/** An event's time in nanoseconds since 1970. */
export function nanosOfRow({ timestamp, timestamp_nanos: nanos }: Pick<StoredRow, (typeof OF_EVENT)[number]>): bigint {
  return BigInt(microsOf(timestamp)) * 1_000n + BigInt(nanos);
}

/** Whether an event says that it is a copy of what another source or order tells of. */
export function isCopy({ metadata }: { metadata: JsonObject }): boolean {
  return cellOf(metadata.drop_copy) === 'true';
}

/** The same of an event's content. */
export function memberOf(content: { new_state: JsonObject; metadata: JsonObject }, name: OrderMember): string | null {
  return cellOf(content[ORDER_MEMBERS[name]][name]);
}
