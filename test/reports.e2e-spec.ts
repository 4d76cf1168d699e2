import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { REPORTS } from '../src/reports/reports.js';
import { MADE_DAY, madeId } from './reports/made-day.js';
import {
  expectedActivity,
  expectedJson,
  expectedTrades,
  readCsv,
  type PlacedEvent,
} from './reports/plain-computation.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { createKey, query, serviceEvents } from './support/keys.js';
import { DAY, DAY_BOUNDS, getReport, recordPlaced, reportText } from './support/report-requests.js';

const DAY_PARAMETERS = { from_date: '2026-06-02', to_date: '2026-06-02' };

describe('reports on a made day', () => {
  let service: TestService;
  let events: PlacedEvent[];
  beforeAll(async () => {
    service = await startService();
    events = await recordPlaced(service, MADE_DAY);
  });
  afterAll(() => service.close());

  /** A golden file, with the one thing in it that no day repeats. `UPDATE_GOLDEN_FILES=1` writes what the computation says. */
  function golden(name: string, computed: () => string): string {
    const path = join(import.meta.dirname, 'reports', name);
    const recordedAt = events[0]!.recorded_at; // one batch, one time
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, computed().replaceAll(recordedAt, 'RECORDED_AT'));
    return readFileSync(path, 'utf8').replaceAll('RECORDED_AT', recordedAt);
  }

  const cases = [
    {
      report: 'mifid2-trades',
      parameters: DAY_PARAMETERS as Record<string, string>,
      rows: () => expectedTrades(events, ...DAY_BOUNDS),
    },
    {
      report: 'user-activity',
      parameters: { ...DAY_PARAMETERS, user_id: 'ops-1' },
      rows: () => expectedActivity(events, 'ops-1', ...DAY_BOUNDS),
    },
  ];
  for (const { report, parameters, rows } of cases) {
    const path = `${report}?${String(new URLSearchParams(parameters))}`;

    it(`${report} as JSON: what a plain computation gives, to the byte`, async () => {
      const expected = expectedJson(report, parameters, MADE_DAY.length, rows());
      expect(rows().length).toBeGreaterThan(3);
      const file = golden(`${report}.json`, () => `${JSON.stringify(JSON.parse(expected), null, 2)}\n`);
      expect(JSON.stringify(JSON.parse(file))).toBe(JSON.stringify(JSON.parse(expected))); // in its members' order, too
      const answer = await getReport(service, path);
      expect(answer.body).toBe(expected);
      expect(answer.headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        'truetrail-as-of': String(MADE_DAY.length),
        'content-disposition': `attachment; filename="main-${report}-2026-06-02-to-2026-06-02-as-of-${MADE_DAY.length}.json"`,
      });
    });

    it(`${report} as CSV: the same cells by RFC 4180`, async () => {
      const answer = await getReport(service, `${path}&format=csv`);
      const text = answer.body as unknown as string;
      expect(text).toBe(golden(`${report}.csv`, () => text));
      const [header, ...records] = readCsv(text);
      const names = Object.keys(rows()[0]!);
      expect(header).toEqual(names);
      const first = (cell: string): string => cell.replace(/^'+/, '').charAt(0);
      const guarded = (cell: string): string =>
        '=+-@\t\r'.includes(first(cell)) && first(cell) !== '' && !Number.isFinite(Number(cell.replace('+', 'x')))
          ? `'${cell}`
          : cell;
      expect(records).toEqual(rows().map((row) => names.map((name) => guarded(row[name] ?? ''))));
      expect(answer.headers).toMatchObject({
        'content-type': 'text/csv; charset=utf-8; header=present',
        'truetrail-as-of': String(MADE_DAY.length),
      });
    });

    it(`${report} as lines: the same rows and their end`, async () => {
      const text = await reportText(service, path, 'application/x-ndjson');
      const lines = rows().map((row) => JSON.stringify(row));
      const end = JSON.stringify({ end: { rows: String(lines.length), as_of: String(MADE_DAY.length) } });
      expect(text).toBe(`${[...lines, end].join('\n')}\n`);
    });
  }

  it('lets no cell be run by a spreadsheet, and lets negative numbers be numbers', async () => {
    const text = await reportText(service, `mifid2-trades?${DAY}&format=csv`);
    const [header, ...records] = readCsv(text);
    const record = records.find((cells) => cells[header!.indexOf('sequence')] === '40')!;
    const cell = (name: string): string => record[header!.indexOf(name)]!;
    expect(cell('order_id')).toBe("'=cmd|calc!A1");
    expect(cell('instrument')).toBe("'@SUM(1+1)");
    expect(cell('side')).toBe("'-1+1");
    expect(cell('quantity')).toBe('-5');
    expect(cell('price')).toBe("'+1");
    expect(cell('venue')).toBe("'\t=1");
    expect(cell('remaining_quantity')).toBe('-1e-7');
    expect(cell('client')).toBe(`'=HYPERLINK("http://x","y")`);
    expect(cell('investment_decision_maker')).toBe('a,"b"\r\nc');
    expect(records.flat().filter((each) => /^[=+@\t\r]/.test(each))).toEqual([]);
    expect(text).toContain(',-37.63,');
  });

  it('keeps nanoseconds and every digit of decimals', async () => {
    const { rows } = JSON.parse(await reportText(service, `mifid2-trades?${DAY}`)) as {
      rows: Record<string, string>[];
    };
    const bySequence = (sequence: string) => rows.find((row) => row.sequence === sequence);
    expect(bySequence('2')).toMatchObject({
      trade_time: '2026-06-02T08:00:01.123456789Z',
      quantity: '60.000000000000000001',
      price: '585.330000000000000000000001',
      client: 'C-77',
      looked_up: 'exchange@1 symbol@1 side@1 client_id@1 investment_decision_maker@1 execution_decision_maker@1',
    });
    expect(bySequence('4')).toMatchObject({
      trade_time: '2026-06-02T08:00:03.100000001Z',
      trade_time_from: 'execution_time',
      price: '1e+21',
      quantity: '40',
    });
  });

  it('applies corrections: each trade once, as it was corrected last', async () => {
    const { rows } = JSON.parse(await reportText(service, `mifid2-trades?${DAY}`)) as {
      rows: Record<string, string>[];
    };
    const counted = rows.map((row) => [row.sequence, row.corrects_sequence]);
    expect(counted.filter(([sequence]) => Number(sequence) >= 10)).toEqual([
      ['41', null],
      ['42', null],
      ['13', '11'], // a correction of a correction
      ['20', '19'], // was a cancel; 15 is void, 17 became a cancel
      ['24', '23'], // moved in; 21 moved out
      ['27', '25'], // the last of two
      ['29', null],
      ['30', null],
      ['31', null],
      ['32', null],
      ['33', null],
      ['34', null],
      ['35', null],
      ['39', '37'], // void and not void after all
      ['40', null],
      ['46', '44'],
      ['49', null],
      ['50', null],
      ['52', '51'],
    ]);
    expect(rows.find((row) => row.sequence === '13')).toMatchObject({ price: '252', client: 'C-right' });
    expect(rows.find((row) => row.sequence === '46')).toMatchObject({ quantity: '2', client: 'C-before' });
    expect(rows.find((row) => row.sequence === '49')).toMatchObject({ client: 'C-after' });
  });

  it('is what it was at any sequence, correction or not', async () => {
    for (let asOf = 0; asOf <= MADE_DAY.length; asOf++) {
      const then = events.slice(0, asOf);
      const week = 'from=2026-05-25T00:00:00Z&to=2026-06-04T00:00:00%2B00:00';
      const trades = expectedTrades(then, '2026-05-25T00:00:00Z', '2026-06-04T00:00:00Z');
      const answer = JSON.parse(await reportText(service, `mifid2-trades?${week}&as_of=${asOf}`)) as object;
      expect(answer).toEqual({
        report: 'mifid2-trades',
        ledger: 'main',
        parameters: { from: '2026-05-25T00:00:00.000000000Z', to: '2026-06-04T00:00:00.000000000Z' },
        as_of: String(asOf),
        rows: trades,
        rows_total: String(trades.length),
      });
    }
  });

  it('takes beginnings and leaves ends out, to the nanosecond', async () => {
    const times = MADE_DAY.map(({ timestamp }) => timestamp).filter((time) => time.includes('.'));
    for (const time of [...times, '2026-06-02T08:00:01.123456788Z', '2026-06-02T08:00:01.12345679Z']) {
      for (const [from, to] of [
        ['2026-06-01T00:00:00Z', time],
        [time, '2026-06-04T00:00:00Z'],
      ] as const) {
        const text = await reportText(service, `mifid2-trades?from=${from}&to=${to}&format=ndjson`);
        const expected = expectedTrades(events, from, to).map((row) => JSON.stringify(row));
        expect(text.split('\n').slice(0, -2)).toEqual(expected);
      }
    }
  });

  it('is empty, and says so, for a period in which nothing happened', async () => {
    const period = 'from_date=1970-01-01&to_date=1970-01-01';
    const parameters = { from_date: '1970-01-01', to_date: '1970-01-01' };
    expect(await reportText(service, `mifid2-trades?${period}`)).toBe(
      `${JSON.stringify({ report: 'mifid2-trades', ledger: 'main', parameters, as_of: String(MADE_DAY.length), rows: [], rows_total: '0' })}\n`,
    );
    expect(await reportText(service, `mifid2-trades?${period}&format=ndjson`)).toBe(
      `{"end":{"rows":"0","as_of":"${MADE_DAY.length}"}}\n`,
    );
    expect(await reportText(service, `mifid2-trades?${period}&format=csv`)).toMatch(/^venue,[^\r\n]*\r\n$/);
    const nobody = await reportText(service, `user-activity?${DAY}&user_id=nobody`);
    expect(JSON.parse(nobody)).toMatchObject({ rows: [], rows_total: '0' });
  });

  it('reaches to the last day there is', async () => {
    const text = await reportText(service, 'mifid2-trades?from_date=1970-01-01&to_date=2199-12-31');
    const rows = expectedTrades(events, '1970-01-01T00:00:00Z', '2199-12-31T23:59:59.999999999Z');
    expect(JSON.parse(text)).toMatchObject({ rows });
  });

  it('finds a user whatever is in the name', async () => {
    const userId = `o'brien "ß" & co?=%, 株`;
    await service.http().put('/v1/ledgers/names').expect(201);
    await recordPlaced(service, [sampleEvent({ user_id: userId })], 'names');
    const { body } = await service
      .http()
      .get('/v1/ledgers/names/reports/user-activity')
      .query({ ...DAY_PARAMETERS, user_id: userId })
      .expect(200);
    expect(body).toMatchObject({ parameters: { user_id: userId }, rows_total: '1' });
  });

  it('are listed with their parameters and columns', async () => {
    const { body } = await service.http().get('/v1/ledgers/main/reports').expect(200);
    expect(body.reports.map(({ name }: { name: string }) => name)).toEqual([
      'mifid2-trades',
      'user-activity',
      'order-reconstruction',
      'replay',
      'open-orders',
      'aggregation-allocation',
      'activity',
      'drop-copy-reconciliation',
      'order-records',
      'transactions',
      'transaction-ageing',
      'lifecycle-exceptions',
      'completeness',
      'clock-sync',
      'vocabulary-findings',
      'access-log',
    ]);
    for (const report of body.reports) {
      expect(report).toMatchObject({
        title: expect.any(String),
        question: expect.stringMatching(/\?$/),
        formats: ['json', 'csv', 'ndjson', 'xlsx', 'html'],
      });
      // the others have suites of their own, which compare whole rows
      const named = cases.find((each) => each.report === report.name);
      const forms: { value?: string; columns: { name: string; holds?: string }[] }[] = report.columns_by?.forms ?? [
        report,
      ];
      for (const { columns } of forms) {
        const names = columns.map(({ name }) => name);
        if (named) expect(names).toEqual(Object.keys(named.rows()[0]!));
        else expect(new Set(names).size).toBe(columns.length);
        // what people may have shown in a zone: times, and neither days nor what has a regulation's form
        for (const { name, holds } of columns.filter(({ name }) => !/^f\d/.test(name))) {
          const isTime = /(?:^|_)(?:timestamp|time|at)$|^deadline$/.test(name);
          const isRange = report.name === 'completeness' && ['from', 'to'].includes(name);
          expect([report.name, name, holds]).toEqual([report.name, name, isTime || isRange ? 'time' : undefined]);
        }
      }
      expect(report.period).toBe(report.name === 'order-reconstruction' ? 'optional' : 'required');
      if (report.name === 'order-records') {
        expect(report.columns).toBeUndefined();
        expect(report.columns_by.parameter).toBe('regime');
        expect(forms.map(({ value }) => value)).toEqual([
          'rts24',
          'rts6-incoming',
          'rts6-outgoing',
          'annex4-orders',
          'annex4-transactions',
        ]);
      }
      const required = report.parameters.filter((parameter: { required: boolean }) => parameter.required);
      expect(required.map(({ name }: { name: string }) => name)).toEqual(
        {
          'user-activity': ['user_id'],
          activity: ['by'],
          'drop-copy-reconciliation': ['source', 'other_source'],
          'order-records': ['regime'],
        }[report.name as string] ?? [],
      );
    }
    await service.http().get('/v1/ledgers/nowhere/reports').expect(404);
    await service.http().get('/v1/ledgers/main/reports?x=1').expect(400);
  });

  it('are not to be had by unknown names', async () => {
    const problem = (slug: string) => ({ type: `/docs/problems/${slug}` });
    const { body } = await service.http().get(`/v1/ledgers/main/reports/no-such?${DAY}`).expect(404);
    expect(body).toMatchObject(problem('report-not-found'));
    const elsewhere = await service.http().get(`/v1/ledgers/nowhere/reports/mifid2-trades?${DAY}`).expect(404);
    expect(elsewhere.body).toMatchObject(problem('ledger-not-found'));
    await service.http().get(`/v1/ledgers/main/reports/constructor?${DAY}`).expect(404);
  });

  const refused: [why: string, path: string, ...names: string[]][] = [
    ['no period', 'mifid2-trades', 'from_date', 'to_date'],
    ['half a period', 'mifid2-trades?from_date=2026-06-02', 'to_date'],
    ['half a period', 'mifid2-trades?to=2026-06-02T00:00:00Z', 'from'],
    ['days and times', `mifid2-trades?${DAY}&from=2026-06-02T00:00:00Z`, 'from'],
    ['days and times', 'mifid2-trades?from_date=2026-06-02&to=2026-06-03T00:00:00Z', 'to'],
    ['no day', 'mifid2-trades?from_date=2026-02-30&to_date=2026-06-02', 'from_date'],
    ['no day', 'mifid2-trades?from_date=2026-06-02&to_date=2026-6-2', 'to_date'],
    ['a time for a day', 'mifid2-trades?from_date=2026-06-02T00:00:00Z&to_date=2026-06-02', 'from_date'],
    ['a day past the last', 'mifid2-trades?from_date=2026-06-02&to_date=2200-01-01', 'to_date'],
    ['days the wrong way round', 'mifid2-trades?from_date=2026-06-03&to_date=2026-06-02', 'to_date'],
    ['a day for a time', 'mifid2-trades?from=2026-06-02&to=2026-06-03T00:00:00Z', 'from'],
    ['a blank for a plus', 'mifid2-trades?from=2026-06-02T00:00:00+02:00&to=2026-06-03T00:00:00Z', 'from'],
    ['times the wrong way round', 'mifid2-trades?from=2026-06-03T00:00:00Z&to=2026-06-02T00:00:00Z', 'to'],
    ['no time between', 'mifid2-trades?from=2026-06-03T00:00:00Z&to=2026-06-03T02:00:00%2B02:00', 'to'],
    ['an as_of to come', `mifid2-trades?${DAY}&as_of=${MADE_DAY.length + 1}`, 'as_of'],
    ['no sequence', `mifid2-trades?${DAY}&as_of=-1`, 'as_of'],
    ['no sequence', `mifid2-trades?${DAY}&as_of=01`, 'as_of'],
    ['no sequence', `mifid2-trades?${DAY}&as_of=99999999999999999999`, 'as_of'],
    ['no sequence', `mifid2-trades?${DAY}&as_of=`, 'as_of'],
    ['an unknown parameter', `mifid2-trades?${DAY}&limit=1`, 'limit'],
    ["another report's parameter", `mifid2-trades?${DAY}&user_id=trader-1`, 'user_id'],
    ['a parameter twice', `mifid2-trades?${DAY}&from_date=2026-06-02`, 'from_date'],
    ['an unknown time zone', `mifid2-trades?${DAY}&format=html&display_time_zone=Europe/Nowhere`, 'display_time_zone'],
    ['an offset for a time zone', `mifid2-trades?${DAY}&format=html&display_time_zone=%2B02:00`, 'display_time_zone'],
    ['an empty time zone', `mifid2-trades?${DAY}&format=html&display_time_zone=`, 'display_time_zone'],
    ['a time zone in JSON', `mifid2-trades?${DAY}&display_time_zone=Europe/Berlin`, 'display_time_zone'],
    ['a time zone in CSV', `mifid2-trades?${DAY}&format=csv&display_time_zone=Europe/Berlin`, 'display_time_zone'],
    ['even UTC in lines', `mifid2-trades?${DAY}&format=ndjson&display_time_zone=UTC`, 'display_time_zone'],
    ['no regime', `order-records?${DAY}`, 'regime'],
    ['an unknown regime', `order-records?${DAY}&regime=rts22`, 'regime'],
    ['a regime that every object has', `order-records?${DAY}&regime=constructor`, 'regime'],
    ['no user', `user-activity?${DAY}`, 'user_id'],
    ['an empty user', `user-activity?${DAY}&user_id=`, 'user_id'],
    ['a user with a control character', `user-activity?${DAY}&user_id=a%0Ab`, 'user_id'],
    [
      'everything wrong',
      'user-activity?from_date=x&to_date=y&as_of=z&w=1',
      'w',
      'from_date',
      'to_date',
      'user_id',
      'as_of',
    ],
  ];
  for (const [why, path, ...names] of refused) {
    it(`refuses ${why}: ${path}`, async () => {
      const { status, body, headers } = await getReport(service, path);
      expect(status).toBe(400);
      expect(headers).not.toHaveProperty('content-disposition');
      const problem = JSON.parse(body) as {
        type: string;
        errors: { pointer: string; detail: string }[];
      };
      expect(problem.type).toBe('/docs/problems/invalid-parameter');
      expect(problem.errors.map(({ pointer }) => pointer)).toEqual(names.map((name) => `/query/${name}`));
      for (const [i, { detail }] of problem.errors.entries()) expect(detail).toMatch(new RegExp(`^${names[i]} `));
    });
  }

  it('come in the format that is asked for', async () => {
    const types = { json: 'application/json', csv: 'text/csv', ndjson: 'application/x-ndjson', html: 'text/html' };
    const answered: [accept: string | undefined, format: string | undefined, type: string | undefined][] = [
      [undefined, undefined, types.json],
      ['', undefined, types.json],
      ['*/*', undefined, types.json],
      ['text/csv', undefined, types.csv],
      ['text/*', undefined, types.csv],
      ['TEXT/CSV; charset=utf-8', undefined, types.csv],
      ['application/*', undefined, types.json],
      ['application/x-ndjson', undefined, types.ndjson],
      ['application/json;q=0.5, text/csv;q=0.6, application/x-ndjson;q=0.4', undefined, types.csv],
      ['*/*, text/csv', undefined, types.csv],
      ['text/html, application/xhtml+xml, */*;q=0.8', undefined, types.html],
      ['application/xhtml+xml, */*;q=0.8', undefined, types.json],
      ['application/json;q=0, */*', undefined, types.csv],
      ['text/html', undefined, types.html],
      ['image/png', undefined, undefined],
      ['text/csv;q=0', undefined, undefined],
      ['text/html', 'csv', types.csv],
      ['text/csv', 'ndjson', types.ndjson],
      ['*/*', 'xml', undefined],
      ['*/*', 'CSV', undefined],
    ];
    for (const [accept, format, type] of answered) {
      const path = `mifid2-trades?${DAY}${format === undefined ? '' : `&format=${format}`}`;
      const { status, headers, body } = await getReport(service, path, accept);
      expect([accept, format, status]).toEqual([accept, format, type === undefined ? 406 : 200]);
      if (type === undefined) expect(body).toContain('/docs/problems/not-acceptable');
      else expect(String(headers['content-type']).split(';')[0]).toBe(type);
    }
  });

  it('need the scope for reports, and no other will do', async () => {
    const auditor = await createKey(service, ['reports:read']);
    const reader = await createKey(service, ['events:read', 'proofs:read']);
    await service.http(auditor.key).get(`/v1/ledgers/main/reports/mifid2-trades?${DAY}`).expect(200);
    await service.http(reader.key).get(`/v1/ledgers/main/reports/mifid2-trades?${DAY}`).expect(403);
    await service.http(auditor.key).get(`/v1/ledgers/_service/reports/mifid2-trades?${DAY}`).expect(404);
  });

  it('are recorded with who asked, and not in what they read', async () => {
    const auditor = await createKey(service, ['reports:read']);
    const size = async (): Promise<unknown> => (await service.http().get('/v1/ledgers/main')).body.size;
    const before = await size();
    const asked = () =>
      service.http(auditor.key).get(`/v1/ledgers/main/reports/user-activity?${DAY}&user_id=ops-1&format=csv`);
    const first = await asked().expect(200);
    const second = await service.http().get(`/v1/ledgers/main/reports/user-activity?${DAY}&user_id=ops-1&format=csv`);
    expect(second.text).toBe(first.text); // who asked is not in it
    expect(await size()).toEqual(before);
    const runs = await serviceEvents(service.database, 'report');
    expect(runs.at(-4)).toMatchObject({
      entity_id: 'main',
      action: 'run',
      user_id: `key:${auditor.id}`,
      recorded_by: 'service',
      new_state: {
        report: 'user-activity',
        parameters: { ...DAY_PARAMETERS, user_id: 'ops-1' },
        as_of: String(MADE_DAY.length),
        format: 'csv',
      },
    });
    // what was refused was not read
    await service.http(auditor.key).get('/v1/ledgers/main/reports/mifid2-trades').expect(400);
    await service.http(auditor.key).get(`/v1/ledgers/main/reports/mifid2-trades?${DAY}&format=xml`).expect(406);
    await service.http(auditor.key).head(`/v1/ledgers/main/reports/mifid2-trades?${DAY}`).expect(200);
    expect((await serviceEvents(service.database, 'report')).length).toBe(runs.length);
  });

  it('can be run over the ledger in which runs are recorded', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const { body } = await service
      .http()
      .get(`/v1/ledgers/_service/reports/user-activity?from_date=2026-01-01&to_date=2199-12-31&user_id=service`)
      .expect(200);
    expect(body.parameters.to_date > today).toBe(true);
  });

  it('are in the API document with every format, parameter and problem', async () => {
    const { body } = await service.http(null).get('/openapi.json').expect(200);
    const run = body.paths['/v1/ledgers/{ledger}/reports/{report}'].get;
    expect(run.operationId).toBe('runReport');
    expect(Object.keys(run.responses['200'].content).sort()).toEqual([
      'application/json',
      'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
      'application/x-ndjson',
      'text/csv',
      'text/html',
    ]);
    expect(Object.keys(run.responses)).toEqual(
      expect.arrayContaining(['400', '401', '403', '404', '406', '500', '503']),
    );
    const names = run.parameters
      .filter((each: { in: string }) => each.in === 'query')
      .map((each: { name: string }) => each.name);
    // each name once, though several reports may have it
    const own = REPORTS.flatMap(({ parameters }) => parameters.map(({ name }) => name));
    const always = ['as_of', 'display_time_zone', 'format', 'from', 'from_date', 'to', 'to_date'];
    expect(names.sort()).toEqual([...new Set([...always, ...own])].sort());
    expect(body.paths['/v1/ledgers/{ledger}/reports'].get.operationId).toBe('listReports');
  });
});

describe('reports while events come in', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  it('give the same bytes for the same as_of, corrections that come later notwithstanding', async () => {
    const fill = (n: number, corrects?: number) => ({
      ...sampleEvent({ entity_id: `O-${n % 7}`, action: corrects === undefined ? 'fill' : 'void' }),
      event_id: madeId(n),
      ...(corrects === undefined ? {} : { corrects: madeId(corrects) }),
    });
    let next = 1;
    const send = async (): Promise<void> => {
      const events = Array.from({ length: 50 }, () => {
        const n = next++;
        return fill(n, n > 14 && n % 3 === 0 ? n - 14 : undefined);
      });
      await recordPlaced(service, events);
    };
    await send();
    let sending = true;
    const storm = (async () => {
      // the more there is the longer a report takes, and the more comes in meanwhile
      for (; sending; await pause(200)) await send();
    })();
    try {
      const paths = [
        `mifid2-trades?${DAY}`,
        `mifid2-trades?${DAY}&format=csv`,
        `user-activity?${DAY}&user_id=trader-1`,
      ];
      for (const path of paths) {
        const first = await getReport(service, path);
        const asOf = first.headers['truetrail-as-of'];
        await send();
        for (let i = 0; i < 3; i++) expect(await reportText(service, `${path}&as_of=${asOf}`)).toBe(first.body);
        expect(await reportText(service, path)).not.toBe(first.body);
      }
    } finally {
      sending = false;
      await storm;
    }
  });

  it('are not given out when their run cannot be recorded', async () => {
    const admin = (text: string) => query(service.database, text);
    await admin(`UPDATE ledgers SET state = 'closed' WHERE ledger = '_service'`);
    try {
      const { status, body, headers } = await getReport(service, `mifid2-trades?${DAY}`);
      expect(status).toBe(503);
      expect(body).toContain('/docs/problems/not-recorded-as-read');
      expect(headers).toHaveProperty('retry-after');
      expect(headers).not.toHaveProperty('truetrail-as-of');
    } finally {
      await admin(`UPDATE ledgers SET state = 'open' WHERE ledger = '_service'`);
    }
  });
});
