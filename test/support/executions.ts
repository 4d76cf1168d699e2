import type { StoredRow } from '../../src/integrity/stored-event.js';
import type { ReferenceAt } from '../../src/reference-data/reference-timelines.js';
import { factsOf } from '../../src/reports/order-facts.js';
import { FILLS, type FactName } from '../../src/reports/regimes/regime.js';
import { executionOf, type Execution } from '../../src/transaction-reports/execution.js';
import type { Stated } from '../../src/transaction-reports/trace.js';
import { Facts, type Transaction, type TransactionVersion } from '../../src/transaction-reports/transactions.js';
import { contentOf } from '../../src/integrity/stored-event.js';
import { TERMS } from '../../src/vocabulary/order-vocabulary.js';
import { storedJson } from './stored-json.js';
import { BANK, CCP, CLIENT, FIRM, FUND } from './transaction-reports.js';

/** Values of an event by the names of the vocabulary, or an action. */
export type StatedValues = Partial<Record<FactName | 'action', unknown>>;

/** Entries of reference data by kind and id. */
export type Entries = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>>;

export const ENTRIES: Entries = {
  'legal-entity': { [FIRM]: { name: 'F', country: 'FR', investment_firm: 'yes' } },
  branch: { MIL: { legal_entity: FIRM, country: 'IT' } },
  trader: {
    'T-1': { person_id: 'ITMRARSS70A01H501U', person_id_scheme: 'NIDN', branch: 'MIL' },
    'T-9': { person_id: 'ITMRARSS70A01H501U', person_id_scheme: 'NIDN', branch: 'NO' },
  },
  algorithm: { MM7: { version: '1', name: 'M', purpose: 'both' } },
  client: {
    'C-1': { name: 'A company', lei: CLIENT, branch: 'MIL' },
    'C-5': { name: 'A fund', lei: CLIENT, decision_maker: FIRM },
    'C-6': { name: 'A bank', lei: BANK, branch: 'MIL', decision_maker: FIRM },
    'C-8': { joint_holders: 'C-1 C-404' },
    'C-10': { name: 'An insurer', lei: FUND, decision_maker: `R-2 ${FIRM}` },
    'C-9': { name: 'X', lei: CLIENT, decision_maker: 'R-404' },
  },
  representative: { 'R-2': { name: 'A bank', lei: BANK } },
  venue: {
    XPAR: { operating_mic: 'XPAR', country: 'FR', category: 'RMKT', central_counterparty: CCP },
    XANO: { operating_mic: 'XANO', country: 'DE', category: 'MLTF' },
    XXSI: { operating_mic: 'XXSI', country: 'DE', category: 'SINT', lei: BANK },
    XOWN: { operating_mic: 'XOWN', country: 'DE', category: 'SINT', lei: FIRM },
    XNOL: { operating_mic: 'XNOL', country: 'DE', category: 'SINT' },
    XNYS: { operating_mic: 'XNYS', country: 'US', category: 'NSPD' },
    XREP: { operating_mic: 'XREP', country: 'DE', category: 'OTFS' },
    REPS: { operating_mic: 'XREP', country: 'DE', category: 'OTFS' },
    PARS: { operating_mic: 'XPAR', country: 'FR', category: 'RMKT' },
  },
  membership: {
    [`${FIRM}/XPAR`]: { reported_by: 'firm', branch: 'MIL' },
    [`${FIRM}/XREP`]: { reported_by: 'venue' },
  },
  instrument: {
    FR0000131104: { name: 'A share', cfi: 'ESVUFR', currency: 'EUR', listed_from: '2018-01-03' },
    FR0000000028: { name: 'Another, that no venue has', cfi: 'ESVUFR', currency: 'EUR' },
    DE0001102309: { name: 'A bond', cfi: 'DBFTFB', currency: 'EUR', listed_from: '2018-01-03' },
    EZ0000000003: { name: 'A swap on it', cfi: 'SESPXC', notional_currency: 'EUR', received_by_buyer: 'FR0000131104' },
    EZ0000000099: { name: 'An option on an index', cfi: 'HEIAVC', underlying: 'index:STOXX_50' },
    EZ0000000107: { name: 'On a basket', cfi: 'HEBAVC', underlying: 'index:STOXX_50 FR0000131104' },
    EZ0000000011: { name: 'A swap on what is not known', cfi: 'SESPXC', received_by_buyer: 'XS0000000017' },
  },
};

export function referenceOf(entries: Entries = ENTRIES): ReferenceAt {
  return {
    find: (kind, id) => {
      const attributes = entries[kind]?.[id];
      return attributes && { kind, id, revision: '1', attributes };
    },
    findHaving: (kind, attribute, value) =>
      Object.entries(entries[kind] ?? {}).flatMap(([id, attributes]) =>
        attributes[attribute] === value ? [{ kind, id, revision: '1', attributes }] : [],
      ),
    valuesEver: (kind, id, attribute) => [entries[kind]?.[id]?.[attribute] ?? []].flat(),
  };
}

/** A row of order O-1; the id of its event has the sequence at its end. */
export function rowOf(sequence: number, { action = 'fill', ...stated }: StatedValues, time = '08:00:00'): StoredRow {
  const part = (of: 'new_state' | 'metadata') =>
    storedJson(Object.fromEntries(Object.entries(stated).filter(([name]) => TERMS[name as 'side'].in === of)));
  const id = (n: number) => `0197f3a1-6c00-7000-8000-${String(n).padStart(12, '0')}`;
  return {
    ...{ sequence: String(sequence), recorded_at: '2026-06-03 08:00:00+00' },
    ...{ timestamp: `2026-06-02 ${time}+00`, timestamp_nanos: 0, timestamp_digits: 0 },
    ...{ event_id: id(sequence), corrects: null },
    ...{ event_type: 'order_lifecycle', entity_type: 'order', entity_id: 'O-1', action: String(action) },
    ...{ user_id: 'trader-1', previous_state: null, new_state: part('new_state'), metadata: part('metadata') },
    ...{ source: null, source_session: null, source_sequence: null, raw_media_type: null, raw_data: null },
    ...{ recorded_by: 'k', salt: Buffer.alloc(16), content_hash: Buffer.alloc(32), previous_event_hash: null },
    event_hash: Buffer.alloc(32),
  };
}

/** A version of an execution that states all itself. */
export function versionOf(sequence: number, stated: StatedValues): TransactionVersion {
  const row = rowOf(sequence, stated);
  const content = contentOf(row);
  const { action, timestamp, new_state: state, metadata, event_id } = content;
  const own = [...factsOf(action, timestamp, state, metadata)].map(([name, text]): [FactName, Stated] => [
    name,
    { name, text, event_id, sequence: row.sequence },
  ]);
  const facts = new Facts(new Map(own), new Map());
  return {
    row,
    content,
    facts,
    cause: row,
    fill: FILLS.includes(action) ? { row, content } : undefined,
    unlike: new Map(),
    isForSeveral: false,
  };
}

export function transactionOf(...versions: Transaction['versions']): Transaction {
  return { orderId: 'O-1', eventId: versions[0]!.row.event_id, versions };
}

/** An execution on 2 June 2026 of the firm, of a share on a venue unless stated otherwise. */
export function executionWith(stated: StatedValues = {}, entries: Entries = ENTRIES): Execution {
  const version = versionOf(2, { isin: 'FR0000131104', exchange: 'XPAR', side: 'buy', ...stated });
  return executionOf(
    transactionOf(version),
    1,
    version,
    FIRM,
    { at: () => referenceOf(entries) },
    '2026-06-02T23:00:00Z',
  );
}
