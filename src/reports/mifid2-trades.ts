import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { cellOf } from './cell.js';
import { CORRECTION_COLUMNS, lastVersions, withCorrections, type CorrectionCells } from './correction-story.js';
import { holds, withCorrectionsRead, type Corrections } from './corrections-of.js';
import { eventsInPeriod } from './event-scan.js';
import { OrderLives, type OrderValues } from './order-lives.js';
import { isCopy, memberOf, ORDER_MEMBER_NAMES, TRADE_MEMBERS, type OrderMember } from './order-members.js';
import { recordedAt } from './recorded-at.js';
import { OF_NO_NAMED_CLIENT } from './subjects.js';
import { defineReport } from './report.js';
import { nameOf, PERSONS, withReferenceData, type Subject } from './with-reference-data.js';
import { tradeTimeOf } from './trade-time.js';

const ORDER_LIFECYCLE = 'order_lifecycle';
const FILLS = ['fill', 'partial_fill'];

/** A fill that counts, and what it corrects. */
interface Trade {
  row: StoredRow;
  content: Content;
  original: { event_id: string; sequence: string } | undefined;
}

/** Of what is missing, a word each: `client_id@1` is metadata.client_id as event 1 of the ledger states it. */
const LOOKED_UP = 'names of what the fill does not say itself, each with the sequence of the event it was taken from';

const trades = defineReport({
  name: 'mifid2-trades',
  version: 4,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Trades (MiFID II)',
  question:
    'Which trades were executed in the period: where, what, how much, at what price, when, for whom, by whose decision?',
  parameters: [],
  columns: [
    { name: 'venue', description: 'new_state.exchange, looked up' },
    { name: 'instrument', description: 'new_state.symbol, looked up' },
    { name: 'isin', description: 'new_state.isin, looked up' },
    { name: 'side', description: 'new_state.side, looked up' },
    { name: 'quantity', description: "new_state.quantity, the execution's, exactly as sent; never looked up" },
    { name: 'price', description: "new_state.price, the execution's, exactly as sent; never looked up" },
    {
      name: 'trade_time',
      holds: 'time',
      description: 'metadata.execution_time, otherwise the timestamp; UTC, as fine as declared',
    },
    {
      name: 'trade_time_from',
      description:
        'execution_time or timestamp; timestamp-as-execution_time-is-unreadable where metadata.execution_time is no time',
    },
    {
      name: 'client',
      description:
        'metadata.client_id, looked up; empty where metadata.client_id_type, looked up, says that there is none',
    },
    { name: 'investment_decision_maker', description: 'metadata.investment_decision_maker, looked up' },
    { name: 'execution_decision_maker', description: 'metadata.execution_decision_maker, looked up' },
    { name: 'order_id', description: 'entity_id' },
    { name: 'action', description: 'fill or partial_fill' },
    { name: 'remaining_quantity', description: "new_state.remaining_quantity, the order's; never looked up" },
    {
      name: 'timestamp',
      holds: 'time',
      description: 'event time, by which the period selects; UTC, as fine as declared',
    },
    { name: 'event_id', description: 'the event that states all this; of a corrected fill, the correction in force' },
    { name: 'sequence', description: 'its position in the ledger' },
    { name: 'recorded_at', holds: 'time', description: 'when the service recorded it, UTC' },
    {
      name: 'corrects',
      description: 'the event_id first recorded of this trade, if it was corrected; or what a correction names in vain',
    },
    {
      name: 'corrects_sequence',
      description:
        'its position; empty where nothing is corrected since the target is unknown, later, of another order or in a circle',
    },
    ...CORRECTION_COLUMNS,
    { name: 'looked_up', description: LOOKED_UP },
  ],
  async *rows(run) {
    const lives = new OrderLives(run, TRADE_MEMBERS);
    const scan = {
      by: { column: 'event_type', value: ORDER_LIFECYCLE },
      keep: { entityType: 'order', actions: FILLS },
    } as const;
    for await (const { page, corrections } of withCorrectionsRead(run, eventsInPeriod(run, scan))) {
      const trades = page
        .filter((row) => holds(row, corrections))
        .map((row) => tradeOf(row, corrections))
        .filter(({ content }) => !isCopy(content));
      const incomplete = trades.filter(({ content }) => missing(content).length > 0);
      const values = await lives.valuesAt(
        incomplete.map(({ row, original }) => ({ orderId: row.entity_id, place: BigInt((original ?? row).sequence) })),
        corrections,
      );
      const valuesOf = new Map(incomplete.map((trade, i) => [trade, values[i]]));
      const versionsOf = ({ row }: Trade) => lastVersions(corrections.versions(row));
      for await (const [trade, told] of withCorrections(run, trades, versionsOf)) {
        yield rowOf(trade, valuesOf.get(trade), told);
      }
    }
  },
});

const decisionMaker = (column: 'investment_decision_maker' | 'execution_decision_maker') =>
  ({
    label: column,
    of: (row) => row[column],
    kinds: () => PERSONS,
    shows: [{ name: `${column}_name`, description: `name of the ${column}`, from: nameOf }],
  }) satisfies Subject<typeof column>;

export const mifid2Trades = withReferenceData(trades, ({ trade_time: time }) => time!, [
  {
    label: 'venue',
    of: ({ venue }) => venue,
    kinds: () => ['venue'],
    shows: [{ name: 'venue_name', description: 'name of the venue', from: nameOf }],
  },
  {
    label: 'client',
    of: ({ client }) => client,
    kinds: () => ['client'],
    shows: [
      { name: 'client_name', description: 'name of the client', from: nameOf },
      { name: 'client_lei', description: 'LEI of the client', from: ({ lei }) => lei ?? null },
    ],
  },
  decisionMaker('investment_decision_maker'),
  decisionMaker('execution_decision_maker'),
]);

function tradeOf(row: StoredRow, corrections: Corrections): Trade {
  return { row, content: contentOf(row), original: corrections.original(row) };
}

/** A client that is named ends that there was none; no row shows how long an order is good. */
function missing(content: Content): OrderMember[] {
  const isNamed = memberOf(content, 'client_id') !== null;
  return ORDER_MEMBER_NAMES.filter(
    (name) => memberOf(content, name) === null && name !== 'validity' && !(name === 'client_id_type' && isNamed),
  );
}

function rowOf(
  { row, content, original }: Trade,
  values: OrderValues<OrderMember> | undefined,
  corrections: CorrectionCells,
) {
  const { new_state: state } = content;
  const member = (name: OrderMember): string | null => memberOf(content, name) ?? values?.get(name)?.text ?? null;
  const isOfNobody = OF_NO_NAMED_CLIENT.includes(member('client_id_type') ?? '');
  const unused: OrderMember = isOfNobody ? 'client_id' : 'client_id_type';
  const lookedUp = missing(content).flatMap((name) => {
    const value = values?.get(name);
    return value && name !== unused ? [`${name}@${value.sequence}`] : [];
  });
  const tradeTime = tradeTimeOf(content);
  return {
    venue: member('exchange'),
    instrument: member('symbol'),
    isin: member('isin'),
    side: member('side'),
    quantity: cellOf(state.quantity),
    price: cellOf(state.price),
    trade_time: tradeTime.time,
    trade_time_from: tradeTime.from,
    client: isOfNobody ? null : member('client_id'),
    investment_decision_maker: member('investment_decision_maker'),
    execution_decision_maker: member('execution_decision_maker'),
    order_id: content.entity_id,
    action: content.action,
    remaining_quantity: cellOf(state.remaining_quantity),
    timestamp: content.timestamp,
    event_id: content.event_id,
    sequence: row.sequence,
    recorded_at: recordedAt(row),
    corrects: original?.event_id ?? content.corrects ?? null,
    corrects_sequence: original?.sequence ?? null,
    ...corrections,
    looked_up: lookedUp.join(' ') || null,
  };
}
