import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type pg from 'pg';
import { NoArchive } from '../src/archive/archive-reading.js';
import { POOL } from '../src/database/tokens.js';
import { readReportRequest } from '../src/reports/report-parameters.js';
import { piecesOfReport } from '../src/reports/report-pieces.js';
import { REPORTS } from '../src/reports/reports.js';
import { expectedTrades, nanosOf, type PlacedEvent } from './reports/plain-computation.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { connected } from './support/verification.js';
import { DAY, DAY_BOUNDS, getReport, recordPlaced, reportText } from './support/report-requests.js';

describe('a report with little to show', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  it('finds it among much else', async () => {
    const at = (n: number): string => `2026-06-02T08:00:00.${String(n).padStart(6, '0')}Z`;
    const fills = new Set([0, 1_999, 2_000, 3_998, 3_999, 4_500]); // about where one statement ends
    const sent = Array.from({ length: 4_600 }, (_, n) =>
      sampleEvent({ timestamp: at(n), entity_id: 'O-1', action: fills.has(n) ? 'fill' : 'modify', metadata: {} }),
    );
    sent[2_500]!.metadata = { client_id: 'C-1' };
    const events = await recordPlaced(service, sent);
    const { rows } = JSON.parse(await reportText(service, `mifid2-trades?${DAY}`)) as { rows: object[] };
    expect(rows).toMatchObject([
      { sequence: '1', client: null },
      { sequence: '2000', client: null },
      { sequence: '2001', client: null },
      { sequence: '3999', client: 'C-1', looked_up: 'client_id@2501' },
      { sequence: '4000', client: 'C-1' },
      { sequence: '4501', client: 'C-1' },
    ]);
    expect(rows).toEqual(expectedTrades(events, ...DAY_BOUNDS));
  });

  it('goes through the largest events without stopping short', async () => {
    await service.http().put('/v1/ledgers/large').expect(201);
    const events: PlacedEvent[] = [];
    for (let from = 0; from < 400; from += 100) {
      const sent = Array.from({ length: 100 }, (_, i) =>
        sampleEvent({
          entity_id: `O-${i % 3}`,
          action: 'fill',
          new_state: { quantity: '1', note: 'x'.repeat(60_000) },
          metadata: from === 0 ? { client_id: 'y'.repeat(60_000) } : {},
        }),
      );
      events.push(...(await recordPlaced(service, sent, 'large')));
    }
    const { body } = await service.http().get(`/v1/ledgers/large/reports/mifid2-trades?${DAY}`).expect(200);
    expect(body.rows_total).toBe('400');
    expect(body.rows).toEqual(expectedTrades(events, ...DAY_BOUNDS));
  });
});

describe('a report of many rows', () => {
  const FILLS = 20_000;
  let service: TestService;
  let all: PlacedEvent[];
  beforeAll(async () => {
    service = await startService();
    all = [];
    for (let from = 0; from < FILLS; from += 5_000) {
      const events = Array.from({ length: 5_000 }, (_, i) => {
        const n = from + i;
        const order = n % 4 === 0 ? 'O-big' : `O-${Math.floor(n / 10)}`; // one order has a quarter of them
        const at = `2026-06-02T${String(8 + (n % 8)).padStart(2, '0')}:00:00.${String(n).padStart(9, '0')}Z`;
        const said = n % 1000 === 0 ? { client_id: `C-${n}` } : {};
        return sampleEvent({
          entity_id: order,
          action: 'partial_fill',
          timestamp: at,
          new_state: { quantity: String(n), price: '1.10', note: 'x'.repeat(300) },
          metadata: said,
        });
      });
      all.push(...(await recordPlaced(service, events)));
    }
  });
  afterAll(() => service.close());

  it('comes whole, in order, and looked up right', async () => {
    const text = await reportText(service, `mifid2-trades?${DAY}&format=ndjson`);
    const lines = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, string | null>);
    expect(lines.pop()).toEqual({ end: { rows: String(FILLS), as_of: String(FILLS) } });
    const clients = new Map<string, PlacedEvent>();
    const clientAt = new Map<string, PlacedEvent | undefined>();
    for (const event of all) {
      if (event.metadata.client_id !== undefined) clients.set(event.entity_id, event);
      clientAt.set(event.event_id, clients.get(event.entity_id));
    }
    const key = ({ timestamp, sequence }: PlacedEvent): bigint => nanosOf(timestamp) * 1_000_000n + BigInt(sequence);
    const sorted = all.map((event) => ({ event, key: key(event) })).sort((a, b) => (a.key < b.key ? -1 : 1));
    expect(lines.map(({ event_id, client, quantity }) => [event_id, client, quantity])).toEqual(
      sorted.map(({ event }) => [
        event.event_id,
        clientAt.get(event.event_id)?.metadata.client_id ?? null,
        event.new_state.quantity,
      ]),
    );
  });

  /** A report that is asked for and not read. */
  function open(path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      httpRequest(`${service.url}/v1/ledgers/main/reports/${path}`, {
        headers: { authorization: `Bearer ${TEST_KEY}` },
      })
        .on('response', resolve)
        .on('error', reject)
        .end();
    });
  }

  /** Milliseconds since reports last began a statement; 0 while one is under way, or a transaction open. */
  async function quietMs(): Promise<number> {
    const [row] = await query<{ quiet: number | null }>(
      service.database,
      `SELECT CASE WHEN bool_or(state <> 'idle') THEN 0
                   ELSE 1000 * extract(epoch FROM clock_timestamp() - max(query_start)) END::float8 AS quiet
         FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'truetrail long reads'`,
    );
    return row!.quiet ?? Infinity; // without any connection
  }

  it('waits for its reader without a transaction, and stops when the reader goes away', async () => {
    /** A report whose reader has stopped reading, once nothing more is done for it. */
    const stalled = async (): Promise<IncomingMessage> => {
      const response = await open(`mifid2-trades?${DAY}&format=ndjson`);
      response.pause();
      while ((await quietMs()) < 2_500) await pause(200);
      return response;
    };
    const response = await stalled();
    const resumedAt = performance.now();
    response.resume();
    await once(response, 'end');
    const restMs = performance.now() - resumedAt;
    expect(await quietMs()).toBeLessThan(restMs); // it had been waiting

    const left = await stalled();
    left.on('error', () => undefined); // that it is cut off is our own doing
    const leftAt = performance.now();
    left.destroy();
    while ((await quietMs()) < 1_500) await pause(100);
    expect(performance.now() - leftAt - 1_500).toBeLessThan(restMs / 2);
    expect((await service.http().get('/metrics').expect(200)).text).toContain('\ntruetrail_long_reads 0\n');
  });

  it('takes memory by the page, not by the report', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const inUse = (): number => {
      collect(); // what is in use, and not what is yet to be thrown away
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const pool = service.app.get<pg.Pool>(POOL);
    const report = REPORTS.find(({ name }) => name === 'mifid2-trades')!;
    const { period, parameters } = readReportRequest(report, { from_date: '2026-06-02', to_date: '2026-06-02' });
    const read = {
      ...{ ledger: 'main', report: report.name, format: 'json', asOf: BigInt(FILLS) },
      ...{ period, deleted: [], parameters },
    };
    // on this thread, so that it can be measured
    const measure = async (asOf: bigint): Promise<{ peak: number; length: number }> => {
      let [peak, pieces, length] = [0, 0, 0];
      for await (const piece of piecesOfReport(
        pool,
        new NoArchive(),
        60_000,
        { ...read, asOf },
        new AbortController().signal,
      )) {
        length += 'text' in piece ? piece.text.length : 0;
        if (pieces++ % 16 === 0) peak = Math.max(peak, inUse());
      }
      return { peak, length };
    };
    await measure(2_000n);
    const before = inUse();
    const { peak, length } = await measure(BigInt(FILLS));
    expect(length).toBeGreaterThan(8_000_000);
    expect(peak - before).toBeLessThan(24 * 1024 * 1024);
  });

  it('is cut off when it fails midway, never ended', async () => {
    const late = all.reduce((a, b) => (a.timestamp > b.timestamp ? a : b));
    const { month } = (
      await query<{ month: string }>(
        service.database,
        `SELECT tableoid::regclass::text AS month FROM audit_events LIMIT 1`,
      )
    )[0]!;
    const edit = (state: string) =>
      connected(service.database.adminUrl, (admin) =>
        admin.query(
          `SET session_replication_role = replica; ALTER TABLE ${month} DISABLE TRIGGER ALL;
           UPDATE ${month} SET new_state = jsonb_set(new_state, '{quantity}', '${state}') WHERE sequence = ${late.sequence}`,
        ),
      );
    await edit('9007199254740993');
    for (const format of ['json', 'csv', 'ndjson']) {
      const response = await open(`mifid2-trades?${DAY}&format=${format}`);
      expect(response.statusCode).toBe(200);
      let text = '';
      const read = async (): Promise<void> => {
        for await (const chunk of response) text += String(chunk);
      };
      await expect(read()).rejects.toThrow('aborted');
      expect(text.length).toBeGreaterThan(1_000_000);
      expect(text).not.toContain('"end"');
      expect(text).not.toContain('rows_total');
    }
    // found before the first byte, it is a problem
    const { status, body } = await getReport(service, `mifid2-trades?from=${late.timestamp}&to=2026-06-03T00:00:00Z`);
    expect(status).toBe(500);
    expect(body).toContain('/docs/problems/damaged-record');
  });
});
