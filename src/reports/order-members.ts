import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { contentOf, DamagedRowError, type StoredRow } from '../integrity/stored-event.js';
import { readJson, StrictJsonError } from '../integrity/strict-json.js';
import { cellOf } from './cell.js';

/**
 * What an order's events say of the order as a whole, and where: so a fill that lacks it can be given what an earlier
 * event said. Quantity and price are not among them: an order's are not the execution's.
 */
const ORDER_MEMBERS = {
  exchange: 'new_state',
  symbol: 'new_state',
  side: 'new_state',
  client_id: 'metadata',
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
}

/** A row of ORDER_MEMBERS_SELECTED: the text of each member's jsonb, or its JSON in canonical form. */
export type OrderMembersRow = Readonly<Record<OrderMember, string | null>> & Pick<StoredRow, 'jsonForm'>;

/** For a SELECT in which the trail is `e`. */
const ORDER_MEMBERS_SELECTED = ORDER_MEMBER_NAMES.map(
  (name) => `e.${ORDER_MEMBERS[name]} -> '${name}' AS ${name}`,
).join(', ');

/** The text of a member of a row so selected; null when the event does not carry it. Throws DamagedRowError. */
function selectedMember(row: OrderMembersRow & Pick<StoredRow, 'sequence'>, name: OrderMember): string | null {
  const text = row[name];
  if (text === null) return null;
  try {
    return cellOf(readJson(text, row.jsonForm === 'canonical' ? {} : { numbers: 'stored' }));
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new DamagedRowError(row.sequence, ORDER_MEMBERS[name], error.message, { cause: error });
  }
}

/** A whole row with its members beside it, as ORDER_MEMBERS_SELECTED selects them. Throws DamagedRowError. */
function withOrderMembers<R extends StoredRow>(row: R): R & OrderMembersRow {
  const content = contentOf(row);
  const members = ORDER_MEMBER_NAMES.map((name) => {
    const value = content[ORDER_MEMBERS[name]][name];
    return [name, value === undefined ? null : canonicalize(value)] as const;
  });
  return { ...row, jsonForm: 'canonical', ...(Object.fromEntries(members) as Record<OrderMember, string | null>) };
}

/** The members that trades are reported with. */
export const TRADE_MEMBERS: LifeMembers<OrderMember, OrderMembersRow> = {
  selected: ORDER_MEMBERS_SELECTED,
  ofWhole: (row) => {
    const whole = withOrderMembers(row);
    const members = Object.fromEntries(ORDER_MEMBER_NAMES.map((name) => [name, whole[name]]));
    return { ...(members as Record<OrderMember, string | null>), jsonForm: 'canonical' };
  },
  *stated(row) {
    for (const name of ORDER_MEMBER_NAMES) {
      const text = selectedMember(row, name);
      if (text !== null) yield [name, text];
    }
  },
};

/** The same of an event's content. */
export function memberOf(content: { new_state: JsonObject; metadata: JsonObject }, name: OrderMember): string | null {
  return cellOf(content[ORDER_MEMBERS[name]][name]);
}
