import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { sampleSources, sources } from './real-data/sources.js';
import type { SentEvent } from './reports/made-day.js';
import { MADE_ORDERS } from './reports/made-orders.js';
import type { PlacedEvent } from './reports/plain-computation.js';
import { expectedOrderRecords } from './reports/plain-order-records.js';
import { startService, type TestService } from './support/app.js';

type Row = Record<string, string | null>;

/** With the rows of the day. */
const ROWS = {
  rts24: 39,
  'rts6-incoming': 15,
  'rts6-outgoing': 43,
  'annex4-orders': 15,
  'annex4-transactions': 45,
};
const REGIMES = Object.keys(ROWS) as (keyof typeof ROWS)[];
const DAY = ['2026-06-02T00:00:00Z', '2026-06-03T00:00:00Z'] as const;
const EVER = ['1970-01-01T00:00:00Z', '2199-01-01T00:00:00Z'] as const;

describe('order records', () => {
  let service: TestService;
  let events: PlacedEvent[];
  beforeAll(async () => {
    service = await startService();
    events = await record('main', MADE_ORDERS);
  });
  afterAll(() => service.close());

  async function record(ledger: string, sent: readonly SentEvent[]): Promise<PlacedEvent[]> {
    if (ledger !== 'main') await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    const placed: PlacedEvent[] = [];
    for (let from = 0; from < sent.length; from += 500) {
      const batch = sent.slice(from, from + 500);
      const { body } = await service
        .http()
        .post(`/v1/ledgers/${ledger}/events/batch`)
        .send({ events: batch })
        .expect(201);
      const receipts = body.receipts as { sequence: string; recorded_at: string }[];
      placed.push(
        ...batch.map((event, i) => ({
          ...event,
          sequence: Number(receipts[i]!.sequence),
          recorded_at: receipts[i]!.recorded_at,
        })),
      );
    }
    return placed;
  }

  /** The rows, `looked_up` in the order of names: the report has it in the order of fields. */
  async function rows(ledger: string, regime: string, period: readonly [string, string], asOf = ''): Promise<Row[]> {
    const query = `regime=${regime}&from=${period[0]}&to=${period[1]}${asOf}`;
    const { body } = await service.http().get(`/v1/ledgers/${ledger}/reports/order-records?${query}`).expect(200);
    return (body.rows as Row[]).map((row) => ({
      ...row,
      looked_up: row.looked_up?.split(' ').sort().join(' ') ?? null,
    }));
  }

  describe.each(REGIMES)('by %s', (regime) => {
    it('are what a plain computation gives, and what the golden file has', async () => {
      const expected = expectedOrderRecords(events, regime, ...DAY);
      expect(await rows('main', regime, DAY)).toEqual(expected);
      expect(expected.length).toBe(ROWS[regime]);

      const path = join(import.meta.dirname, 'reports', `order-records-${regime}.json`);
      const recordedAt = events[0]!.recorded_at; // one batch, one time
      const text = `${JSON.stringify(expected, null, 2)}\n`.replaceAll(recordedAt, 'RECORDED_AT');
      if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
      expect(readFileSync(path, 'utf8')).toBe(text);
    });

    it('are what they were at any sequence', async () => {
      for (let asOf = 0; asOf <= events.length; asOf += 3) {
        const expected = expectedOrderRecords(events.slice(0, asOf), regime, ...EVER);
        expect(await rows('main', regime, EVER, `&as_of=${asOf}`)).toEqual(expected);
      }
    });
  });

  it('have the codes of each regime, of one and the same order', async () => {
    const [rts24, outgoing] = [await rows('main', 'rts24', DAY), await rows('main', 'rts6-outgoing', DAY)];
    const of = (all: Row[], sequence: string): Row => all.find((row) => row.sequence === sequence)!;
    expect(of(rts24, '6')).toMatchObject({
      f10_validity_period: 'DAVY',
      f3_client: 'DE19810623MARTAKELLE',
      missing: null,
    });
    expect(of(outgoing, '6')).toMatchObject({ f31_validity_period: 'GDAY', missing: null, invalid: null });
    expect(of(rts24, '15')).toMatchObject({ f10_validity_period: 'FOKV', f3_client: 'PNAL' });
    expect(of(outgoing, '15')).toMatchObject({ f31_validity_period: 'F', f34_aggregated_order: 'true' });
    expect(of(rts24, '16')).toMatchObject({ f3_client: 'AGGR', f21_event: 'REME' });
    expect(of(rts24, '10')).toMatchObject({ f10_validity_period: 'GTSV', f11_order_restriction: 'VFAR,SESR' });
    expect(of(outgoing, '12')).toMatchObject({
      f27_short_selling: 'SSHO',
      f28_waiver: 'RFPT',
      f9x_transaction_price: '9.4',
    });
    expect([13, 14, 17, 19].map((sequence) => of(rts24, String(sequence)).f21_event)).toEqual([
      'REMH',
      'CAMO',
      'EXPI',
      'REMO',
    ]);
    // corrected: the price of the correction, and the sequence number of the execution as it was first told
    expect(of(rts24, '5')).toMatchObject({
      ...{
        f28_transaction_price: '140.59',
        f15_sequence_number: '4',
        corrects_sequence: '4',
        f37_remaining_quantity: '0',
      },
      ...{ f9_date_time: '2026-06-02T08:00:00.000000100Z', f24_limit_price: '140.60', missing: null, invalid: null },
    });
    expect(rts24.some(({ sequence }) => ['1', '4', '22', '23', '24', '25'].includes(sequence!))).toBe(false);
  });

  it('have one order identification from receipt to removal, and sequence numbers of one kind', async () => {
    const all = await rows('main', 'rts24', DAY);
    const identified = (orderId: string): unknown[] =>
      all
        .filter(({ order_id: id }) => id === orderId)
        .map(({ f20_order_identification: id, f15_sequence_number: number }) => [id, number]);
    expect(identified('O-9')).toEqual([
      ['V-9', '27'],
      ['V-9', '30'],
      ['V-9', '31'],
    ]);
    expect(identified('O-12')).toEqual([
      ['V-12', null],
      ['V-12', '17'],
      ['V-12', null],
      ['O-12', '44'],
    ]);
    expect(identified('O-13')).toEqual([
      ['V-13', null],
      ['V-13', '18'],
      ['V-13', null],
    ]);
    expect(all.find(({ sequence }) => sequence === '41')!.looked_up).toContain('venue_order_id@42');
    expect(all.find(({ sequence }) => sequence === '43')!.missing!.split(' ')).toContain('15');
  });

  it('have no identification of another order that has the id later, also where the first create was corrected or is not there', async () => {
    const event = (number: number, action: string, timestamp: string, more: Partial<SentEvent> = {}): SentEvent => ({
      event_id: `019e8758-bc00-7000-8000-00000000000${number}`,
      ...{ timestamp, event_type: 'order_lifecycle', entity_type: 'order', entity_id: 'AGAIN', action, user_id: 'u' },
      ...{ new_state: {}, metadata: {}, ...more },
    });
    const create = event(1, 'create', '2026-06-02T08:00:00Z');
    await record('again', [
      create,
      event(2, 'cancel', '2026-06-02T09:00:00Z'),
      event(3, 'create', create.timestamp, { corrects: create.event_id, new_state: { side: 'buy' } }),
      event(4, 'create', '2026-06-03T08:00:00Z'),
      event(5, 'acknowledge', '2026-06-03T08:00:01Z', { metadata: { venue_order_id: 'V-2' } }),
      // one of which no create is recorded
      event(6, 'modify', '2026-06-02T10:00:00Z', { entity_id: 'OTHER' }),
      event(7, 'create', '2026-06-03T10:00:00Z', { entity_id: 'OTHER' }),
      event(8, 'acknowledge', '2026-06-03T10:00:01Z', { entity_id: 'OTHER', metadata: { venue_order_id: 'V-3' } }),
    ]);
    const found = await rows('again', 'rts24', ['2026-06-02T00:00:00Z', '2026-06-04T00:00:00Z']);
    expect(found.map((row) => [row.sequence, row.f20_order_identification])).toEqual([
      ['3', 'AGAIN'],
      ['2', 'AGAIN'],
      ['6', 'OTHER'],
      ['4', 'V-2'],
      ['7', 'V-3'],
    ]);
  });

  it('tell by number what is missing and what does not fit', async () => {
    const row = (await rows('main', 'rts24', DAY)).find(({ sequence }) => sequence === '9')!;
    expect(row.invalid).toBe('1 3 5 10 11 17 18 24 29 32 36 37 43');
    expect(row.missing).toBe('2 4 7 8 13 16 33 34 38 45 49');
  });

  it('take for no code what the vocabulary does not have, though the regulation has it', async () => {
    const [rts24, outgoing] = [await rows('main', 'rts24', DAY), await rows('main', 'rts6-outgoing', DAY)];
    const of = (all: Row[], sequence: number): Row => all.find((row) => row.sequence === String(sequence))!;
    expect(of(rts24, 48)).toMatchObject({ f10_validity_period: 'GTC', f11_order_restriction: 'VFAR' });
    expect([48, 49, 50, 51].map((sequence) => of(rts24, sequence).invalid)).toEqual([
      '10 11 23',
      '10 11 23',
      '10 11 23',
      '10 11 21 23',
    ]);
    expect([48, 49, 50, 51].map((sequence) => of(outgoing, sequence).invalid)).toEqual([
      '31 32',
      '31 32',
      '31 32',
      '26 31 32',
    ]);
  });

  it('ask of an order that is good for the day when that ends', async () => {
    const row = (await rows('main', 'rts24', DAY)).find(({ sequence }) => sequence === '46')!;
    expect(row).toMatchObject({ f10_validity_period: 'DAVY', f12_validity_date_time: null });
    expect(row.missing!.split(' ')).toContain('12');
  });

  it('come as CSV with a column a field, and guarded', async () => {
    const { text, headers } = await service
      .http()
      .get(
        '/v1/ledgers/main/reports/order-records?regime=rts6-incoming&from_date=2026-06-02&to_date=2026-06-02&format=csv',
      )
      .expect(200);
    expect(headers['content-disposition']).toContain(
      'main-order-records-rts6-incoming-2026-06-02-to-2026-06-02-as-of-',
    );
    const [head] = text.split('\r\n');
    expect(head!.split(',').filter((name) => /^f\d+_/.test(name))).toHaveLength(28 + 4);
    expect(text).toContain(",'=at once,");
  });

  it('are made later, too, with the table of the regime in the manifest', async () => {
    const runs = '/v1/ledgers/main/reports/order-records/runs';
    const asked = { regime: 'rts24', from_date: '2026-06-02', to_date: '2026-06-02' };
    await service
      .http()
      .post(runs)
      .send({ ...asked, regime: 'mifid' })
      .expect(400);
    const { body } = await service.http().post(runs).send(asked).expect(202);
    for (;;) {
      const { status } = (await service.http().get(`${runs}/${body.id}`).expect(200)).body;
      expect(status).not.toBe('failed');
      if (status === 'done') break;
      await setTimeout(20);
    }
    const { body: manifest } = await service.http().get(`${runs}/${body.id}/manifest`).expect(200);
    expect(manifest).toMatchObject({ report: 'order-records', parameters: asked });
    expect(manifest.tables).toContainEqual({ name: 'rts24', version: '3' });
    const { body: kept } = await service.http().get(`${runs}/${body.id}/content`).expect(200);
    expect(kept.rows).toHaveLength(ROWS.rts24);
    expect(kept.rows[0]).toHaveProperty('f51_indicative_auction_volume');
  });

  const real = [...sampleSources, ...sources].filter(({ name }) =>
    ['sample-fix44-parties', 'sample-fix42-sessions', 'fix-client-tw-2004-small', 'fix-routing-2015'].includes(name),
  );
  it.each(real.map((source) => [source.name, source] as const))(
    'of %s are what a plain computation gives',
    async (name, source) => {
      if (source.folder() === undefined) {
        process.stderr.write(`order records of ${name}: skipped, its data are missing here\n`);
        return;
      }
      const sent: SentEvent[] = [];
      for await (const event of source.convert()) sent.push(event as unknown as SentEvent);
      const placed = await record(name, sent);
      for (const regime of REGIMES) {
        const expected = expectedOrderRecords(placed, regime, ...EVER);
        expect(expected.length).toBeGreaterThan(10);
        expect(await rows(name, regime, EVER)).toEqual(expected);
      }
    },
  );
});
