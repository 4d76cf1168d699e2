import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { strFromU8, unzipSync } from 'fflate';
import type pg from 'pg';
import { POOL } from '../src/database/tokens.js';
import { VOCABULARY_VERSION } from '../src/vocabulary/order-vocabulary.js';
import { JobRunner } from '../src/jobs/job-runner.js';
import { WorkbookWriter } from '../src/reports/report-workbook.js';
import { mifid2Trades } from '../src/reports/mifid2-trades.js';
import { REPORT_RUNS } from '../src/reports/report-runs.sql.js';
import { takeRun } from '../src/runs/kept-run-rows.js';
import { SILENT_MS } from '../src/runs/run-loop.js';
import { MADE_DAY } from './reports/made-day.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { createKey, query, serviceEvents, type TestKey } from './support/keys.js';
import { folderStore } from './support/stores.js';

const DAY = { from_date: '2026-06-02', to_date: '2026-06-02' };
const TRADES = '/v1/ledgers/main/reports/mifid2-trades';

interface Run {
  id: string;
  status: string;
  kept: boolean;
  rows: string | null;
  bytes: string;
  sha256: string | null;
  error: string | null;
  parameters: Record<string, string>;
  as_of: string;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let service: TestService;
const archive = folderStore();
beforeAll(async () => {
  service = await startService({ env: { ARCHIVE_URL: archive.url } });
  await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_DAY }).expect(201);
});
afterAll(async () => {
  await service.close();
  archive.close();
});

async function request(body: object, report = 'mifid2-trades'): Promise<Run> {
  const { body: run } = await service.http().post(`/v1/ledgers/main/reports/${report}/runs`).send(body).expect(202);
  return run as Run;
}

async function ended(id: string): Promise<Run> {
  for (let tries = 0; tries < 600; tries++) {
    const { body } = await service.http().get(`${TRADES}/runs/${id}`).expect(200);
    if (!['queued', 'running'].includes((body as Run).status)) return body as Run;
    await pause(100);
  }
  throw new Error('the run did not end');
}

async function fetched(path: string): Promise<{ bytes: Buffer; headers: Record<string, string> }> {
  const { body, headers } = await service
    .http()
    .get(path)
    .buffer(true)
    .parse((response, done) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => done(null, Buffer.concat(chunks)));
    })
    .expect(200);
  return { bytes: body as Buffer, headers: headers };
}

const direct = (format: string, asOf: string | number) =>
  fetched(`${TRADES}?from_date=2026-06-02&to_date=2026-06-02&format=${format}&as_of=${asOf}`);

describe('a report as a run', () => {
  for (const format of ['json', 'csv', 'ndjson', 'xlsx', 'html']) {
    it(`is made and kept as ${format}: the bytes that go out directly, under the digest that is told`, async () => {
      const { id, as_of: asOf } = await request({ ...DAY, format });
      const run = await ended(id);
      expect(run).toMatchObject({ status: 'done', kept: true, parameters: DAY, error: null });
      const { bytes, headers } = await fetched(`${TRADES}/runs/${id}/content`);
      expect(bytes.equals((await direct(format, asOf)).bytes)).toBe(true);
      expect(sha256(bytes)).toBe(run.sha256);
      expect(run.bytes).toBe(String(bytes.length));
      expect(headers).toMatchObject({
        'content-length': String(bytes.length),
        'repr-digest': `sha-256=:${Buffer.from(run.sha256!, 'hex').toString('base64')}:`,
        'truetrail-as-of': asOf,
        'content-disposition': `attachment; filename="main-mifid2-trades-2026-06-02-to-2026-06-02-as-of-${asOf}.${format}"`,
      });
    });
  }

  it('has a manifest: what it was made from, bound by the hash of its last event and a signed checkpoint', async () => {
    const run = await ended((await request({ ...DAY, format: 'csv', as_of: '30' })).id);
    const manifest = (await service.http().get(`${TRADES}/runs/${run.id}/manifest`).expect(200)).body as object;
    const { body: page } = await service.http().get('/v1/ledgers/main/events?from_sequence=30&to_sequence=30');
    const { body: ledger } = await service.http().get('/v1/ledgers/main');
    const place = { ledger: 'main', from_sequence: '1', to_sequence: '30' };
    const uncounted = { from: null, to: null, events: null, first_sequence: null, last_sequence: null };
    const fills = MADE_DAY.slice(0, 30)
      .map((event, i) => ({ ...event, sequence: i + 1 }))
      .filter(({ entity_type: type, action }) => type === 'order' && ['fill', 'partial_fill'].includes(action))
      .filter(({ event_type: type }) => type === 'order_lifecycle')
      .filter(({ timestamp }) => new Date(timestamp).toISOString().startsWith('2026-06-02'))
      .map(({ sequence }) => String(sequence));
    const expected = {
      format: 'truetrail-report/1',
      run: run.id,
      ledger: 'main',
      origin: ledger.origin as string,
      report: 'mifid2-trades',
      report_version: 4,
      tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
      parameters: DAY,
      as_of: '30',
      as_of_event_hash: page.events[0].event_hash as string,
      read: {
        ...{ from_sequence: '1', to_sequence: '30', archived_to: '0', events: String(fills.length) },
        ranges: [
          {
            ...{ ...place, of: 'event_type order_lifecycle, entity_type order, action fill or partial_fill' },
            ...{ from: '2026-06-02T00:00:00.000000000Z', to: '2026-06-03T00:00:00.000000000Z' },
            ...{ events: String(fills.length), first_sequence: fills[0], last_sequence: fills.at(-1) },
          },
          { ...place, of: 'corrections of what was read, and what they correct', ...uncounted },
          { ...place, of: 'events of the orders of what was read', ...uncounted },
        ],
      },
      deleted: [],
      media_type: 'text/csv',
      rows: run.rows,
      bytes: run.bytes,
      sha256: run.sha256,
      checkpoint: null,
    };
    expect(manifest).toMatchObject(expected);
    await service.app.get(JobRunner).request('checkpoint', 'test');
    for (let tries = 0; tries < 300; tries++) {
      const { body } = await service.http().get(`${TRADES}/runs/${run.id}/manifest`).expect(200);
      if (body.checkpoint === null) {
        await pause(100);
        continue;
      }
      const note = (await service.http().get('/v1/ledgers/main/checkpoint')).text;
      expect(body.checkpoint).toMatchObject({ size: String(MADE_DAY.length), note });
      return;
    }
    throw new Error('no checkpoint came into the manifest');
  });

  it('is on record with who asked, what was made, and who fetched it', async () => {
    const auditor = await createKey(service, ['reports:read']);
    const { body } = await service
      .http(auditor.key)
      .post(`${TRADES}/runs`)
      .send({ ...DAY, format: 'csv' })
      .expect(202);
    const run = await ended((body as Run).id);
    await service.http().get(`${TRADES}/runs/${run.id}/content`).expect(200);
    await service.http().head(`${TRADES}/runs/${run.id}/content`).expect(200); // hands nothing out
    const events = (await serviceEvents(service.database, 'report')).filter(
      ({ new_state: state }) => (state as { run: string }).run === run.id,
    );
    expect(events.map(({ action, user_id: user, new_state: state }) => ({ action, user, state }))).toEqual([
      {
        action: 'run',
        user: `key:${auditor.id}`,
        state: {
          ...{ run: run.id, report: 'mifid2-trades', parameters: DAY, as_of: String(MADE_DAY.length) },
          ...{ format: 'csv', kept: true },
        },
      },
      {
        action: 'done',
        user: `key:${auditor.id}`,
        state: {
          ...{ run: run.id, report: 'mifid2-trades', parameters: DAY },
          ...{ rows: run.rows, bytes: run.bytes, sha256: run.sha256, events_read: '33' },
        },
      },
      {
        action: 'fetched',
        user: expect.any(String) as string,
        state: { run: run.id, report: 'mifid2-trades', parameters: DAY },
      },
    ]);
    expect(events[2]!.user_id).not.toBe(`key:${auditor.id}`);
  });

  it('is listed beside those that went out as they were made, which have a manifest as well', async () => {
    const { bytes, headers } = await direct('csv', MADE_DAY.length);
    const id = headers['truetrail-report-run']!;
    const { body } = await service.http().get(`${TRADES}/runs?limit=1`).expect(200);
    expect(body.runs).toEqual([expect.objectContaining({ id, kept: false, status: 'done', sha256: sha256(bytes) })]);
    const manifest = await service.http().get(`${TRADES}/runs/${id}/manifest`).expect(200);
    expect(manifest.body).toMatchObject({ sha256: sha256(bytes), bytes: String(bytes.length) });
    const gone = await service.http().get(`${TRADES}/runs/${id}/content`).expect(410);
    expect(gone.body.type).toBe('/docs/problems/report-run-expired');
  });

  it('is thrown away when its time is over; its manifest stays', async () => {
    const run = await ended((await request({ ...DAY, format: 'csv' })).id);
    await query(service.database, `UPDATE report_runs SET expires_at = created_at WHERE id = '${run.id}'`);
    const { body: started } = await service.http().post('/v1/jobs/report-expiry/runs').expect(202);
    for (let tries = 0; tries < 300; tries++) {
      const { body } = await service.http().get(`/v1/jobs/report-expiry/runs/${started.id}`);
      if (body.status === 'done') break;
      await pause(100);
    }
    expect(await ended(run.id)).toMatchObject({ status: 'expired', sha256: run.sha256 });
    const { body } = await service.http().get(`${TRADES}/runs/${run.id}/content`).expect(410);
    expect(body.type).toBe('/docs/problems/report-run-expired');
    await service.http().get(`${TRADES}/runs/${run.id}/manifest`).expect(200);
    const pieces = await query(service.database, `SELECT 1 FROM report_run_pieces WHERE run = '${run.id}'`);
    expect(pieces).toEqual([]);
  });

  it('never hands out what is not what was made', async () => {
    const run = await ended((await request({ ...DAY, format: 'csv' })).id);
    const other = await ended((await request({ ...DAY, format: 'html' })).id);
    await query(
      service.database,
      `UPDATE report_run_pieces SET bytes = (SELECT bytes FROM report_run_pieces WHERE run = '${other.id}') WHERE run = '${run.id}'`,
    );
    const answer = await service.http().get(`${TRADES}/runs/${run.id}/content`);
    expect(answer.status).toBe(500);
  });

  it('is begun again when its replica died, and ends with the same bytes', async () => {
    const before = await ended((await request({ ...DAY, format: 'csv' })).id);
    const dead = '00000000-0000-4000-8000-000000000001';
    // the pieces are counted in the statement itself: from its commit on, the run is taken up at any moment
    const [stalled] = await query(
      service.database,
      `WITH stalled AS (
         UPDATE report_runs SET status = 'running', runner = '${dead}', rows = NULL, sha256 = NULL, expires_at = NULL,
                finished_at = NULL, progress_at = trail_now() - ${SILENT_MS + 1_000} * interval '1 millisecond'
           WHERE id = '${before.id}' RETURNING id)
       SELECT count(*)::int AS pieces FROM report_run_pieces JOIN stalled ON run = id`,
    );
    expect(stalled).toEqual({ pieces: 1 });
    expect(await ended(before.id)).toMatchObject({ status: 'done', sha256: before.sha256, rows: before.rows });
    const { bytes } = await fetched(`${TRADES}/runs/${before.id}/content`);
    expect(sha256(bytes)).toBe(before.sha256);
  });

  /** A run that some replica is making; its id. */
  async function openRun(requestedBy: string): Promise<string> {
    const { rows } = await service.app.get<pg.Pool>(POOL).query<{ id: string }>(
      `INSERT INTO report_runs (id, ledger, report, report_version, tables, format, parameters, as_of, archived_to, deleted,
                                made_by, is_kept, status, runner, requested_by, created_at, started_at, progress_at)
         SELECT gen_random_uuid(), 'main', 'mifid2-trades', 1, '[]', 'csv', '{"from_date":"2026-06-02","to_date":"2026-06-02"}', 1, 0, '[]', 'test', true,
                'running', gen_random_uuid(), $1, trail_now(), trail_now(), trail_now() RETURNING id`,
      [requestedBy],
    );
    return rows[0]!.id;
  }
  const recordedOf = async (id: string) =>
    (await serviceEvents(service.database, 'report')).filter(({ new_state: state }) => state.run === id);

  it('can be cancelled, and then has no answer', async () => {
    const id = await openRun('test');
    const unfinished = await service.http().get(`${TRADES}/runs/${id}/content`).expect(409);
    expect(unfinished.body.type).toBe('/docs/problems/report-run-unfinished');
    const { body } = await service.http().post(`${TRADES}/runs/${id}/cancel`).expect(200);
    expect(body.status).toBe('cancelled');
    await service.http().get(`${TRADES}/runs/${id}/manifest`).expect(409);
    await service.http().post(`${TRADES}/runs/${id}/cancel`).expect(200);
    expect(await recordedOf(id)).toMatchObject([{ action: 'cancelled', new_state: { report: 'mifid2-trades' } }]);
  });

  it('is ended by whoever asked for it or by an operator, and by nobody else who may read reports', async () => {
    const own = await createKey(service, ['reports:read']);
    const colleague = await createKey(service, ['reports:read', 'verifications:run']);
    const operator = await createKey(service, ['reports:read', 'operations:run']);
    const cancel = (id: string, { key }: TestKey) => service.http(key).post(`${TRADES}/runs/${id}/cancel`);
    const discard = (id: string, { key }: TestKey) => service.http(key).delete(`${TRADES}/runs/${id}/content`);
    const asked = async (): Promise<Run> => {
      const body = { ...DAY, format: 'csv' };
      return ended((await service.http(own.key).post(`${TRADES}/runs`).send(body).expect(202)).body.id);
    };

    const open = await openRun(`key:${own.id}`);
    expect((await cancel(open, colleague).expect(403)).body.type).toBe('/docs/problems/forbidden');
    expect((await discard(open, own).expect(409)).body.type).toBe('/docs/problems/report-run-unfinished');
    expect((await cancel(open, own).expect(200)).body.status).toBe('cancelled');
    expect((await cancel(await openRun(`key:${own.id}`), operator).expect(200)).body.status).toBe('cancelled');

    const made = await asked();
    await discard(made.id, colleague).expect(403);
    await fetched(`${TRADES}/runs/${made.id}/content`);
    const { body } = await discard(made.id, own).expect(200);
    expect(body).toMatchObject({ status: 'expired', kept: true, sha256: made.sha256, bytes: made.bytes });
    await discard(made.id, own).expect(200); // and is not recorded again
    const gone = await service.http().get(`${TRADES}/runs/${made.id}/content`).expect(410);
    expect(gone.body.type).toBe('/docs/problems/report-run-expired');
    const { body: manifest } = await service.http().get(`${TRADES}/runs/${made.id}/manifest`).expect(200);
    expect(JSON.stringify(manifest)).toContain(made.sha256);
    expect(await query(service.database, 'SELECT 1 FROM report_run_pieces WHERE run = $1', [made.id])).toEqual([]);
    expect((await recordedOf(made.id)).map(({ action, user_id: by }) => [action, by])).toEqual([
      ['run', `key:${own.id}`],
      ['done', `key:${own.id}`],
      ['fetched', expect.stringMatching(/^key:/)],
      ['discarded', `key:${own.id}`],
    ]);
    const other = await asked();
    expect((await discard(other.id, operator).expect(200)).body.status).toBe('expired');
    expect((await recordedOf(other.id)).at(-1)).toMatchObject({ action: 'discarded', user_id: `key:${operator.id}` });

    const direct = await service.http().get(TRADES).query(DAY).expect(200);
    const id = direct.headers['truetrail-report-run']!;
    expect((await discard(id, operator).expect(200)).body).toMatchObject({ status: 'done', kept: false });
  });

  it('is one of 20 at most that a principal may have under way', async () => {
    const pool = service.app.get<pg.Pool>(POOL);
    const { body: first } = await service.http().post(`${TRADES}/runs`).send(DAY).expect(202);
    await ended(first.id);
    await pool.query(
      `INSERT INTO report_runs (id, ledger, report, report_version, tables, format, parameters, as_of, archived_to, deleted,
                                made_by, is_kept, status, runner, requested_by, created_at, started_at, progress_at)
         SELECT gen_random_uuid(), 'main', 'mifid2-trades', 1, '[]', 'csv', '{}', 1, 0, '[]', 'crowd', true,
                'running', gen_random_uuid(), $1, trail_now(), trail_now(), trail_now() FROM generate_series(1, 20)`,
      [first.requested_by],
    );
    try {
      const { body, headers } = await service.http().post(`${TRADES}/runs`).send(DAY).expect(429);
      expect(body.type).toBe('/docs/problems/too-many-runs');
      expect(headers['retry-after']).toBe('30');
      const { key: other } = await createKey(service, ['reports:read']);
      await service.http(other).post(`${TRADES}/runs`).send(DAY).expect(202);
    } finally {
      await pool.query(
        `UPDATE report_runs SET status = 'cancelled', runner = NULL, finished_at = trail_now() WHERE made_by = 'crowd'`,
      );
    }
  });

  it('waits for others of its principal, and for nobody else', async () => {
    const client = await service.app.get<pg.Pool>(POOL).connect();
    try {
      await client.query('BEGIN'); // in which no replica sees them
      await client.query(
        `INSERT INTO report_runs (id, ledger, report, report_version, tables, format, parameters, as_of, archived_to, deleted,
                                  made_by, is_kept, status, requested_by, created_at)
           SELECT gen_random_uuid(), 'main', 'mifid2-trades', 1, '[]', 'csv', '{}', 1, 0, '[]', 'test', true,
                  'queued', principal, trail_now() + minutes * interval '1 minute'
             FROM (VALUES ('first', 1), ('first', 2), ('first', 3), ('second', 4), ('third', 5)) AS asked (principal, minutes)`,
      );
      const taken: (string | undefined)[] = [];
      for (let i = 0; i < 6; i++) {
        const run = await takeRun<{ requested_by: string }>(
          client,
          REPORT_RUNS,
          'requested_by',
          randomUUID(),
          SILENT_MS,
        );
        taken.push(run?.requested_by);
      }
      expect(taken).toEqual(['first', 'second', 'third', 'first', 'first', undefined]);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('is refused with the members that are wrong', async () => {
    const refusals: [body: object, pointers: string[]][] = [
      [{}, ['/from_date', '/to_date']],
      [{ ...DAY, from_date: 20260602 }, ['/from_date']],
      [{ ...DAY, as_of: '9999' }, ['/as_of']],
      [{ ...DAY, user_id: 'x' }, ['/user_id']],
      [{ from_date: '2026-06-31', to_date: '2026-07-01' }, ['/from_date']],
    ];
    for (const [body, pointers] of refusals) {
      const answer = await service.http().post(`${TRADES}/runs`).send(body).expect(400);
      expect((answer.body.errors as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual(pointers);
      expect(answer.body.type).toBe('/docs/problems/invalid-body');
    }
    await service
      .http()
      .post(`${TRADES}/runs`)
      .send({ ...DAY, format: 'pdf' })
      .expect(406);
    await service.http().post('/v1/ledgers/main/reports/none/runs').send(DAY).expect(404);
    await service.http().get(`${TRADES}/runs/x`).expect(404);
    await service.http().get(`${TRADES}/runs/00000000-0000-4000-8000-000000000001`).expect(404);
    const run = await request({ ...DAY, format: 'csv' });
    await service.http().get(`/v1/ledgers/main/reports/user-activity/runs/${run.id}`).expect(404);
    await service.http().get(`/v1/ledgers/_service/reports/mifid2-trades/runs/${run.id}`).expect(404);
  });
});

describe('formats for people', () => {
  it('a workbook holds every cell as the text it is', async () => {
    const { bytes } = await direct('xlsx', MADE_DAY.length);
    const parts = unzipSync(bytes);
    expect(Object.keys(parts).sort()).toEqual([
      '[Content_Types].xml',
      '_rels/.rels',
      'xl/_rels/workbook.xml.rels',
      'xl/styles.xml',
      'xl/workbook.xml',
      'xl/worksheets/sheet1.xml',
      'xl/worksheets/sheet2.xml',
    ]);
    const json = JSON.parse((await direct('json', MADE_DAY.length)).bytes.toString()) as {
      rows: Record<string, string | null>[];
    };
    const columns = mifid2Trades.columns.map(({ name }) => name);
    expect(cellsOf(strFromU8(parts['xl/worksheets/sheet2.xml']!))).toEqual([
      columns,
      ...json.rows.map((row) => columns.map((name) => row[name] ?? '')),
    ]);
    const about = cellsOf(strFromU8(parts['xl/worksheets/sheet1.xml']!));
    expect(about).toContainEqual(['as_of', `${MADE_DAY.length} (events up to this sequence count)`]);
  });

  it('goes on in another sheet past what a sheet takes, and says what was cut', () => {
    const report = { ...mifid2Trades, columns: [{ name: 'venue', description: 'x' }] };
    const run = { ledger: 'main', parameters: {}, asOf: 1n, deleted: [] } as never;
    const writer = new WorkbookWriter(report, run, 3);
    const texts = ['a', 'b', 'c_x0041_', '\u0001\ufffe', `${'x'.repeat(40_000)}`];
    const bytes = Buffer.concat([...texts.map((venue) => writer.row({ venue })), writer.end()]);
    const parts = unzipSync(bytes);
    const sheet = (n: number): string[][] => cellsOf(strFromU8(parts[`xl/worksheets/sheet${n}.xml`]!));
    expect(sheet(2)).toEqual([['venue'], ['a'], ['b']]);
    expect(sheet(3)).toEqual([['venue'], ['c_x0041_'], ['\u0001\ufffe']]);
    expect(sheet(4)[1]![0]).toHaveLength(32_767);
    expect(sheet(4)[1]![0]).toMatch(/x \[….*\]$/);
    expect(strFromU8(parts['xl/workbook.xml']!)).toContain('<sheet name="Rows 3" sheetId="4" r:id="rId4"/>');
  });

  it('a page shows all of it and runs nothing', async () => {
    const evil = { entity_id: '<script>alert(1)</script>\u202e', event_id: '018f0000-0000-7000-8000-0000000000ee' };
    const state = { symbol: '"><img src=x>', side: 'buy', quantity: '1', price: '2', exchange: "'&amp;" };
    const event = { ...sampleEvent(), ...evil, event_type: 'order_lifecycle', entity_type: 'order', action: 'fill' };
    const { body } = await service
      .http()
      .post('/v1/ledgers/main/events')
      .send({ ...event, timestamp: '2026-06-02T12:00:00Z', new_state: state })
      .expect(201);
    const page = (await direct('html', body.sequence as string)).bytes.toString();
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;\\u202e');
    expect(page).toContain('&quot;&gt;&lt;img src=x&gt;');
    expect(page).not.toMatch(/<script|<img/);
    expect(page).toMatch(/Content-Security-Policy" content="default-src 'none'; style-src 'sha256-/);
    expect(page).toMatch(/End of the report\.<\/p><\/body><\/html>\n$/);
    expect(page.match(/<tr>/g)!.length).toBe(Number(/(\d+) rows\. End/.exec(page)![1]) + 1);
  });
});

describe('times in a time zone', () => {
  const ZONE = 'Europe/Berlin';
  /** both changes of summer time, the second 02:30 among them, and what begins another day there */
  const TIMES = [
    '2026-03-29T00:59:59.999999999Z',
    '2026-03-29T01:00:00.000000000Z',
    '2026-10-25T00:30:00.123456789Z',
    '2026-10-25T01:30:00.12345678Z',
    '2026-10-25T22:59:59Z',
    '2026-10-25T23:00:00.5Z',
  ];
  const ASKED = { from_date: '2026-03-29', to_date: '2026-10-25', display_time_zone: ZONE };
  let asOf: string;
  beforeAll(async () => {
    const events = TIMES.map((timestamp, i) => ({
      ...sampleEvent({ entity_id: `Z-${i}`, action: 'fill' }),
      ...{ event_id: randomUUID(), event_type: 'order_lifecycle', entity_type: 'order', timestamp },
      // sent with an offset of its own
      metadata: { execution_time: timestamp.replace('Z', '+00:00') },
    }));
    await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
    asOf = (await service.http().get('/v1/ledgers/main')).body.size as string;
  });

  const shownAs = async (format: string, run?: string): Promise<{ bytes: Buffer; headers: Record<string, string> }> =>
    fetched(
      run === undefined
        ? `${TRADES}?${String(new URLSearchParams({ ...ASKED, format, as_of: asOf }))}`
        : `${TRADES}/runs/${run}/content`,
    );

  /** As PostgreSQL shows them, whose table of zones is another one than that of Node. */
  async function byPostgres(times: readonly string[]): Promise<string[]> {
    const seconds = times.map((time) => `${time.slice(0, 19)}Z`);
    const { rows } = await service.app.get<pg.Pool>(POOL).query<{ local: string; minutes: string }>(
      `SELECT to_char(t AT TIME ZONE $2, 'YYYY-MM-DD"T"HH24:MI:SS') AS local,
              (extract(epoch FROM (t AT TIME ZONE $2) - (t AT TIME ZONE 'UTC')) / 60)::int::text AS minutes
         FROM unnest($1::timestamptz[]) WITH ORDINALITY AS times (t, n) ORDER BY n`,
      [seconds, ZONE],
    );
    return rows.map(({ local, minutes }, i) => {
      const hours = Number(minutes) / 60; // of Berlin, whole
      return `${local}${times[i]!.slice(19, -1)}+${String(hours).padStart(2, '0')}:00`;
    });
  }

  async function rowsAsJson(): Promise<Record<string, string | null>[]> {
    const { display_time_zone: _, ...asked } = ASKED;
    const { bytes } = await fetched(`${TRADES}?${String(new URLSearchParams({ ...asked, as_of: asOf }))}`);
    return (JSON.parse(bytes.toString()) as { rows: Record<string, string | null>[] }).rows;
  }

  it('are shown as the clocks there show them, with their offsets, in a workbook and on a page', async () => {
    const json = await rowsAsJson();
    expect(json.length).toBeGreaterThan(TIMES.length);
    expect(json.map(({ timestamp }) => timestamp)).toEqual(expect.arrayContaining(TIMES));
    const columns = mifid2Trades.columns.map(({ name }) => name);
    const wanted = await Promise.all(
      json.map(async (row): Promise<typeof row> => {
        const names = ['timestamp', 'trade_time', 'recorded_at'];
        const shown = await byPostgres(names.map((name) => row[name]!));
        return { ...row, ...Object.fromEntries(names.map((name, i) => [name, shown[i]!])) };
      }),
    );
    const second = wanted.find(({ order_id: id }) => id === 'Z-3')!;
    expect(second).toMatchObject({
      timestamp: '2026-10-25T02:30:00.12345678+01:00',
      trade_time: '2026-10-25T02:30:00.12345678+01:00',
    });

    const parts = unzipSync((await shownAs('xlsx')).bytes);
    const sheet = cellsOf(strFromU8(parts['xl/worksheets/sheet2.xml']!));
    expect(sheet).toEqual([columns, ...wanted.map((row) => columns.map((name) => row[name] ?? ''))]);
    const about = cellsOf(strFromU8(parts['xl/worksheets/sheet1.xml']!));
    expect(about.find(([name]) => name === 'Times')![1]).toMatch(/^shown in Europe\/Berlin, each with its offset/);

    const page = (await shownAs('html')).bytes.toString();
    const cells = [...page.matchAll(/<tr>(<td>.*?)<\/tr>/g)].map(([, row]) =>
      [...row!.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell),
    );
    const at = columns.indexOf('timestamp');
    expect(cells.map((row) => row[at])).toEqual(wanted.map(({ timestamp }) => timestamp));
    expect(page).toContain('<dt>Times</dt><dd>shown in Europe/Berlin, each with its offset');
  });

  it.each(['xlsx', 'html'])('are in the manifest and on record, and come again byte for byte: %s', async (format) => {
    const first = await shownAs(format);
    const second = await shownAs(format);
    expect(second.bytes.equals(first.bytes)).toBe(true);
    expect(first.headers['content-disposition']).toContain(`as-of-${asOf}-times-in-Europe-Berlin.${format}"`);
    const run = await ended((await request({ ...ASKED, format, as_of: asOf })).id);
    expect(run).toMatchObject({ status: 'done', parameters: ASKED, sha256: sha256(first.bytes) });
    expect((await shownAs(format, run.id)).bytes.equals(first.bytes)).toBe(true);
    for (const id of [run.id, first.headers['truetrail-report-run']!]) {
      const { body } = await service.http().get(`${TRADES}/runs/${id}/manifest`).expect(200);
      expect(body).toMatchObject({ parameters: ASKED, sha256: sha256(first.bytes) });
      expect(body.tables).toContainEqual({ name: 'iana-time-zones', version: process.versions.tz });
    }
    const done = (await serviceEvents(service.database, 'report')).filter(
      ({ action, new_state: state }) => action === 'done' && (state as { run: string }).run === run.id,
    );
    expect(done).toMatchObject([{ new_state: { parameters: ASKED } }]);
  });

  it('are not shown in a run that is kept as a machine reads it, or in no zone that there is', async () => {
    const refused = async (body: object) =>
      (await service.http().post(`${TRADES}/runs`).send(body).expect(400)).body as {
        type: string;
        errors: { pointer: string; rule: string }[];
      };
    for (const format of ['json', 'csv', 'ndjson', undefined]) {
      const problem = await refused({ ...ASKED, format });
      expect(problem.type).toBe('/docs/problems/invalid-body');
      expect(problem.errors).toMatchObject([{ pointer: '/display_time_zone', rule: 'format' }]);
    }
    expect((await refused({ ...ASKED, format: 'html', display_time_zone: 'Mars/Olympus' })).errors).toMatchObject([
      { pointer: '/display_time_zone', rule: 'time-zone' },
    ]);
  });

  it('are not shown by another time zone database than the one that the manifest will name', async () => {
    const pool = service.app.get<pg.Pool>(POOL);
    const id = randomUUID();
    await pool.query(
      `INSERT INTO report_runs (id, ledger, report, report_version, tables, format, parameters, as_of, archived_to,
                                deleted, made_by, requested_by, is_kept, status, created_at)
         VALUES ($1, 'main', 'mifid2-trades', $2, $3, 'html', $4, $5, 0, '[]', 'truetrail/before', 'key:x', true, 'queued', trail_now())`,
      [
        id,
        mifid2Trades.version,
        JSON.stringify([{ name: 'iana-time-zones', version: '1999z' }]),
        JSON.stringify(ASKED),
        0,
      ],
    );
    await request({ ...ASKED, format: 'html' }); // wakes whoever makes them
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'failed', error: expect.stringContaining('time zone database 1999z') });
  });
});

/** A sheet's cells by rows, with what is missing at the end of a row left empty; read without what wrote it. */
function cellsOf(xml: string): string[][] {
  const rows = [...xml.matchAll(/<row r="\d+">(.*?)<\/row>/gs)].map(([, row]) => {
    const cells: string[] = [];
    for (const [, letters, text] of row!.matchAll(/<c r="([A-Z]+)\d+" t="inlineStr"[^>]*><is><t [^>]*>(.*?)<\/t>/gs)) {
      const column = [...letters!].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
      cells[column] = text!
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&')
        .replace(/_x([0-9A-F]{4})_/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
    }
    return cells;
  });
  const width = Math.max(...rows.map((row) => row.length));
  const isTable = rows[0]!.length === width;
  return rows.map((row) => Array.from({ length: isTable ? width : row.length }, (_, i) => row[i] ?? ''));
}
