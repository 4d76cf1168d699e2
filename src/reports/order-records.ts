import { CURRENCIES_VERSION } from '../identifiers/currency.js';
import { isLei } from '../identifiers/lei.js';
import type { Attributes } from '../reference-data/kinds.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { CORRECTION_COLUMNS, withCorrections, type CorrectionCells } from './correction-story.js';
import { heldEvents, type HeldEvent } from './held-events.js';
import { recordedAt } from './recorded-at.js';
import { ANNEX4_ORDERS } from './regimes/annex4-orders.js';
import { ANNEX4_TRANSACTIONS } from './regimes/annex4-transactions.js';
import type { Format, OrderEvent, Regime, RegimeField } from './regimes/regime.js';
import { ALWAYS, valueOf, type Verdict } from './regimes/regime.js';
import { RTS24 } from './regimes/rts24.js';
import { RTS6_INCOMING } from './regimes/rts6-incoming.js';
import { RTS6_OUTGOING } from './regimes/rts6-outgoing.js';
import { reportOfForms } from './report-forms.js';
import { defineReport, type Report, type ReportRun, type Row } from './report.js';
import { nameOf, PERSONS, withReferenceData, type Subject } from './with-reference-data.js';

/** The regimes' tables by which order records are made. */
export const REGIMES: readonly Regime[] = [RTS24, RTS6_INCOMING, RTS6_OUTGOING, ANNEX4_ORDERS, ANNEX4_TRANSACTIONS];

const NO_CLIENTS: readonly string[] = ['AGGR', 'PNAL'];
const BY_THE_CLIENT = 'NORE';

/** What the reference data may know of a field's value. */
interface Known {
  kinds: (value: string) => readonly string[];
  /** whether tables ask for its name */
  isNamed?: true;
  /** where events may have an id of the firm's: the one that regulations ask for */
  idOf?: (attributes: Attributes) => string | null;
}

const idOfClient = ({ lei, person_id: person }: Attributes): string | null => lei ?? person ?? null;
const idOfPerson = ({ person_id: person }: Attributes): string | null => person ?? null;

/** By the format of a field. */
const KNOWN: Readonly<Partial<Record<Format, Known>>> = {
  lei: { kinds: () => ['legal-entity'], isNamed: true },
  isin: { kinds: () => ['instrument'] },
  mic: { kinds: () => ['venue'] },
  client: { kinds: (value) => (NO_CLIENTS.includes(value) ? [] : ['client']), isNamed: true, idOf: idOfClient },
  party: { kinds: (value) => (isLei(value) ? ['legal-entity'] : []), isNamed: true },
  'buyer-or-seller': { kinds: kindsOfParty, isNamed: true, idOf: idOfClient },
  receiver: { kinds: (value) => [isLei(value) ? 'legal-entity' : 'venue'], isNamed: true },
  person: { kinds: () => ['trader'], isNamed: true, idOf: idOfPerson },
  algorithm: { kinds: () => ['algorithm'], isNamed: true },
  'decision-maker': { kinds: (value) => (value === BY_THE_CLIENT ? [] : PERSONS), isNamed: true, idOf: idOfPerson },
};

/** A client by the firm's id, or any legal entity. */
function kindsOfParty(value: string): readonly string[] {
  if (NO_CLIENTS.includes(value)) return [];
  return isLei(value) ? ['client', 'legal-entity'] : ['client'];
}

const columns = new WeakMap<RegimeField, string>();

/** A form for each regime, since their columns differ. */
export const orderRecords = reportOfForms(
  'Order records',
  { name: 'regime', description: 'By which table of fields' },
  new Map(REGIMES.map((regime) => [regime.name, orderRecordsBy(regime)])),
);

function orderRecordsBy(regime: Regime): Report {
  const records = defineReport<string>({
    name: 'order-records',
    version: 6,
    tables: [
      { name: regime.name, version: String(regime.version) },
      { name: 'order-vocabulary', version: String(VOCABULARY_VERSION) },
      { name: 'iso-4217', version: CURRENCIES_VERSION },
    ],
    title: `Order records (${regime.title})`,
    question: 'What happened to orders in the period, in the fields and codes of the regulation, and what is missing?',
    parameters: [],
    columns: [
      { name: 'order_id', description: 'entity_id' },
      { name: 'action', description: 'what was done' },
      {
        name: 'timestamp',
        holds: 'time',
        description: 'event time, by which the period selects; UTC, as fine as declared',
      },
      ...regime.fields.map((field) => ({
        name: columnOf(field),
        description: `${field.title} (${regime.source}, field ${field.number})`,
      })),
      { name: 'missing', description: 'numbers of the fields that should have a value and have none' },
      { name: 'invalid', description: 'numbers of the fields whose value is shown and is not what the field takes' },
      { name: 'not_applicable', description: 'numbers of the fields that have no value and need none' },
      {
        name: 'looked_up',
        description:
          'names that the event does not state itself, each with the sequence of the event it was taken from',
      },
      { name: 'event_id', description: 'the event that states this; of a corrected one, the correction in force' },
      { name: 'sequence', description: 'its position in the ledger' },
      { name: 'recorded_at', holds: 'time', description: 'when the service recorded it, UTC' },
      { name: 'corrects', description: 'the event_id first recorded, if it was corrected; or what it names in vain' },
      { name: 'corrects_sequence', description: 'its position; empty where nothing is corrected' },
      ...CORRECTION_COLUMNS,
    ],
    rows: (run) => rowsOf(run, regime),
  });
  return withReferenceData(records, ({ timestamp }) => timestamp!, subjectsOf(regime));
}

function subjectsOf({ fields }: Regime): Subject<string>[] {
  return fields.flatMap((field) => {
    const { number } = field;
    const known = KNOWN[field.format];
    if (!known) return [];
    const { kinds, isNamed, idOf } = known;
    const name = columnOf(field);
    const shows = [
      ...(isNamed ? [{ name: `${name}_name`, description: `name of field ${number}`, from: nameOf }] : []),
      ...(idOf ? [{ name: `${name}_id`, description: `LEI or national id of field ${number}`, from: idOf }] : []),
    ];
    return [{ label: number, of: (row) => row[name] ?? null, kinds, shows }];
  });
}

async function* rowsOf(run: ReportRun, regime: Regime): AsyncGenerator<Row> {
  const { actions, condition } = regime.rows ?? { condition: ALWAYS };
  for await (const page of heldEvents(run, { actions, ahead: regime.ahead ?? [] })) {
    const seen = page.map((held) => ({ held, event: asSeen(held) })).filter(({ event }) => condition.holds(event));
    for await (const [{ held, event }, told] of withCorrections(run, seen, ({ held: { versions } }) => versions)) {
      yield rowOf(regime, held, event, told);
    }
  }
}

/** An event as the tables see it. */
function asSeen({ row, content, original, own, known, later }: HeldEvent): OrderEvent {
  return {
    orderId: content.entity_id,
    action: content.action,
    timestamp: content.timestamp,
    sequence: (original ?? row).sequence,
    own,
    known,
    later,
    raw: row.raw_data,
  };
}

function rowOf(
  { fields }: Regime,
  { row, content, original }: HeldEvent,
  event: OrderEvent,
  corrections: CorrectionCells,
): Row {
  // Spread from so many members, a row takes longer than all of its fields; assigned, next to nothing.
  const made: Record<string, string | null> = {
    order_id: event.orderId,
    action: event.action,
    timestamp: event.timestamp,
  };
  const numbers: Record<Verdict, string[]> = { present: [], missing: [], invalid: [], not_applicable: [] };
  const lookedUp = new Set<string>();
  for (const field of fields) {
    const value = valueOf(field, event);
    made[columnOf(field)] = value.text;
    numbers[value.verdict].push(field.number);
    for (const { name, sequence } of value.lookedUp) lookedUp.add(`${name}@${sequence}`);
  }
  made.missing = numbers.missing.join(' ') || null;
  made.invalid = numbers.invalid.join(' ') || null;
  made.not_applicable = numbers.not_applicable.join(' ') || null;
  made.looked_up = [...lookedUp].join(' ') || null;
  made.event_id = content.event_id;
  made.sequence = row.sequence;
  made.recorded_at = recordedAt(row);
  made.corrects = original?.event_id ?? content.corrects ?? null;
  made.corrects_sequence = original?.sequence ?? null;
  return Object.assign(made, corrections);
}

/** The name of a field's column in the report. */
function columnOf(field: RegimeField): string {
  let name = columns.get(field);
  if (name === undefined) columns.set(field, (name = `f${field.number}_${field.column}`));
  return name;
}
