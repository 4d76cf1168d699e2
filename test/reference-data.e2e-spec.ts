import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import { POOL } from '../src/database/tokens.js';
import { PageReads } from '../src/events/page-reads.js';
import { KINDS } from '../src/reference-data/kinds.js';
import { ReferenceTimelines } from '../src/reference-data/reference-timelines.js';
import { csvLine } from '../src/http/csv.js';
import { VOCABULARY_VERSION } from '../src/vocabulary/order-vocabulary.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { createKey, query, serviceEvents } from './support/keys.js';
import { connected, runJob } from './support/verification.js';

interface Recorded {
  sequence: string;
  entity_type: string;
  entity_id: string;
  action: string;
  user_id: string;
  new_state: Record<string, unknown>;
  metadata: Record<string, string>;
}

const recorded = (service: TestService): Promise<Recorded[]> =>
  query<Recorded>(
    service.database,
    `SELECT sequence, entity_type, entity_id, action, user_id, new_state, metadata FROM audit_events
       WHERE ledger = '_service' AND event_type = 'reference_data' ORDER BY sequence`,
  );

const XETR = { mic: 'XETR', name: 'XETRA', operating_mic: 'XETR', segment: 'OPRT', country: 'DE' };

describe('reference data', () => {
  let service: TestService;
  let write: string;
  let read: string;
  beforeAll(async () => {
    service = await startService({ env: { RECORD_READS_SECONDS: '3600' } }); // in time when the test says so
    write = (await createKey(service, ['reference:write'], ['*'])).key;
    read = (await createKey(service, ['reference:read'], ['*'])).key;
  });
  afterAll(() => service.close());

  const say = (kind: string, members: object) => service.http(write).post(`/v1/reference/${kind}`).send(members);
  const get = (path: string) => service.http(read).get(`/v1/reference/${path}`);
  const importFile = (kind: string, text: string, query = '') =>
    service.http(write).post(`/v1/reference/${kind}/imports${query}`).set('content-type', 'text/csv').send(text);

  it('is as it was said last, for each time, and as it was known at each time', async () => {
    const first = (await say('venue', { ...XETR, valid_from: '2005-06-27', reason: 'list of May' }).expect(201)).body;
    expect(first).toMatchObject({
      kind: 'venue',
      id: 'XETR',
      valid_from: '2005-06-27T00:00:00.000000Z',
      valid_to: null,
      attributes: { name: 'XETRA', operating_mic: 'XETR', segment: 'OPRT', country: 'DE' },
      reason: 'list of May',
      revision: '1',
    });
    // a name from a day on, and then a correction of what it was called for a year before
    const renamed = { ...XETR, name: 'Xetra', valid_from: '2024-01-01T08:00:00+02:00' };
    expect((await say('venue', renamed).expect(201)).body.revision).toBe('2');
    const corrected = { ...XETR, name: 'XETRA (old)', valid_from: '2022-01-01', valid_to: '2023-01-01' };
    expect((await say('venue', corrected).expect(201)).body.revision).toBe('3');

    const nameAt = async (query: string): Promise<string> =>
      (await get(`venue/entries/XETR?${query}`).expect(200)).body.attributes.name;
    expect(await nameAt('valid_at=2010-01-01')).toBe('XETRA');
    expect(await nameAt('valid_at=2022-06-01')).toBe('XETRA (old)');
    expect(await nameAt('valid_at=2022-06-01&as_of=2')).toBe('XETRA');
    expect(await nameAt('valid_at=2022-12-31T23:59:59.999999Z')).toBe('XETRA (old)');
    expect(await nameAt('valid_at=2023-01-01')).toBe('XETRA');
    expect(await nameAt('valid_at=2024-01-01T05:59:59.999999Z')).toBe('XETRA');
    expect(await nameAt('valid_at=2024-01-01T06:00:00Z')).toBe('Xetra');
    expect(await nameAt('')).toBe('Xetra');
    expect(await nameAt('as_of=1')).toBe('XETRA');
    await get('venue/entries/XETR?valid_at=2005-06-26').expect(404);
    await get('venue/entries/XETR?as_of=0').expect(404);

    const { body: history } = await get('venue/entries/XETR/history').expect(200);
    expect(history.changes.map((each: { revision: string }) => each.revision)).toEqual(['1', '2', '3']);
    // as known before a time: that of the second one is not before itself
    const { body: then } = await get(`venue/entries/XETR/history?as_of=${history.changes[1].recorded_at}`).expect(200);
    expect([then.as_of, then.changes.length]).toEqual(['1', 1]);
    // each is an event, by whom it was said
    expect(await recorded(service)).toEqual(
      history.changes.map((change: Record<string, unknown>) => ({
        sequence: change.sequence,
        entity_type: 'reference_venue',
        entity_id: 'XETR',
        action: 'set',
        user_id: change.recorded_by,
        new_state: { valid_from: change.valid_from, valid_to: change.valid_to, attributes: change.attributes },
        metadata: change.reason === null ? {} : { reason: change.reason },
      })),
    );
  });

  it('ends, and is not there any more', async () => {
    await say('venue', { ...XETR, mic: 'XFRA', operating_mic: 'XFRA', valid_from: '2005-06-27' }).expect(201);
    const ended = (await say('venue', { mic: 'XFRA', valid_from: '2025-03-01', change: 'end' }).expect(201)).body;
    expect(ended).toMatchObject({ id: 'XFRA', attributes: null, valid_to: null });
    expect((await recorded(service)).at(-1)).toMatchObject({ action: 'end', new_state: { attributes: null } });
    await get('venue/entries/XFRA?valid_at=2025-02-28').expect(200);
    await get('venue/entries/XFRA?valid_at=2025-03-01').expect(404);
    const listed = async (query: string): Promise<string[]> =>
      (await get(`venue?${query}`).expect(200)).body.entries.map(({ id }: { id: string }) => id);
    expect(await listed('valid_at=2025-02-28')).toEqual(['XETR', 'XFRA']);
    expect(await listed('valid_at=2025-03-01')).toEqual(['XETR']);
    expect(await listed('valid_at=2025-03-01&as_of=4')).toEqual(['XETR', 'XFRA']);
    expect(await listed('valid_at=2000-01-01')).toEqual([]);
  });

  it('is recorded once, however often it is said', async () => {
    const before = (await recorded(service)).length;
    const { body } = await say('venue', {
      ...XETR,
      name: 'XETRA (old)',
      valid_from: '2022-02-01',
      valid_to: '2022-03-01',
    }).expect(200);
    expect(body).toMatchObject({ revision: '3' });
    await say('venue', { mic: 'XFRA', valid_from: '2025-06-01', change: 'end' }).expect(200);
    expect((await recorded(service)).length).toBe(before);
  });

  it.each<[string, string, object, string[]]>([
    [
      'several mistakes at once',
      'venue',
      { mic: 'xetr', name: '', segment: 'X', country: 'UK', lei: '529900G3SW56SHYNPR96', valid_from: 'June' },
      ['/name text'],
    ],
    [
      'every column that breaks its rule',
      'venue',
      { mic: 'xetr', segment: 'X', country: 'UK', lei: '529900G3SW56SHYNPR96', valid_from: 'June' },
      [
        '/mic mic',
        '/name required',
        '/operating_mic required',
        '/segment code',
        '/country country',
        '/lei lei',
        '/valid_from time',
      ],
    ],
    ['a member that is no column', 'venue', { ...XETR, valid_from: '2026-01-01', city: 'x' }, ['/city unknown']],
    [
      'an end before its beginning',
      'venue',
      { ...XETR, valid_from: '2026-01-02', valid_to: '2026-01-02' },
      ['/valid_to range'],
    ],
    ['no beginning', 'venue', XETR, ['/valid_from required']],
    ['a day that the calendar lacks', 'venue', { ...XETR, valid_from: '2026-02-30' }, ['/valid_from time']],
    ['nanoseconds', 'venue', { ...XETR, valid_from: '2026-02-03T08:00:00.123456789Z' }, ['/valid_from time']],
    [
      'an end with more than its id',
      'venue',
      { ...XETR, valid_from: '2026-01-01', change: 'end' },
      ['/name end', '/operating_mic end', '/segment end', '/country end'],
    ],
    ['an end of nothing', 'venue', { mic: 'XXXX', valid_from: '2026-01-01', change: 'end' }, ['/mic known']],
    [
      'an operating MIC of another operator',
      'venue',
      { ...XETR, operating_mic: 'XFRA', valid_from: '2026-01-01' },
      ['/operating_mic operating-mic'],
    ],
    [
      'a venue that is in no list',
      'instrument',
      { isin: 'DE0007164600', name: 'SAP', venue: 'XLON', valid_from: '2026-01-01' },
      ['/venue known'],
    ],
    [
      'codes of an instrument',
      'instrument',
      { isin: 'DE0007164601', name: 'SAP', cfi: 'EBVUFR', currency: 'GBX', valid_from: '2026-01-01' },
      ['/isin isin', '/cfi cfi', '/currency currency'],
    ],
    [
      "a person's id that the nationality does not have",
      'trader',
      {
        ...{ trader_id: 'trader-1', person_id: 'IT19700101ANNA#MUSTE', person_id_scheme: 'CONCAT' },
        ...{ first_name: 'Anna', surname: 'Mustermann', valid_from: '2026-01-01' },
      },
      ['/person_id person-id'],
    ],
    [
      'a CONCAT of another name',
      'trader',
      {
        ...{ trader_id: 'trader-1', person_id: 'DE19700101ANNA#MUSTE', person_id_scheme: 'CONCAT' },
        ...{ first_name: 'Anna', surname: 'Muller', valid_from: '2026-01-01' },
      },
      ['/person_id concat-name'],
    ],
    ['a client without an id', 'client', { client_id: 'C-1', name: 'x', valid_from: '2026-01-01' }, ['/lei either']],
    [
      'an algorithm with an id of another shape',
      'algorithm',
      { algorithm_id: 'mm-7', version: '1', name: 'x', purpose: 'both', valid_from: '2026-01-01' },
      ['/algorithm_id algorithm-id'],
    ],
  ])('is refused, and nothing is recorded: %s', async (_, kind, members, mistakes) => {
    const before = (await recorded(service)).length;
    const { body } = await say(kind, members).expect(400);
    expect(body.type).toBe('/docs/problems/invalid-body');
    expect(body.errors.map(({ pointer, rule }: { pointer: string; rule: string }) => `${pointer} ${rule}`)).toEqual(
      mistakes,
    );
    expect((await recorded(service)).length).toBe(before);
  });

  it('has no id of an algorithm twice', async () => {
    const algorithm = { algorithm_id: 'MM7', version: '1', name: 'Market maker', purpose: 'both', owner: 'trader-1' };
    await say('algorithm', { ...algorithm, valid_from: '2026-01-01' }).expect(201);
    await say('algorithm', { ...algorithm, version: '2', approved_by: 'risk-2', valid_from: '2026-02-01' }).expect(201);
    const at = async (day: string) => (await get(`algorithm/entries/MM7?valid_at=${day}`).expect(200)).body.attributes;
    expect(await at('2026-01-31')).toMatchObject({ version: '1' });
    expect(await at('2026-02-01')).toMatchObject({ version: '2', approved_by: 'risk-2' });
    await say('algorithm', { algorithm_id: 'MM7', valid_from: '2026-05-01', change: 'end' }).expect(201);
    const { body } = await say('algorithm', { ...algorithm, name: 'Other', valid_from: '2026-06-01' }).expect(400);
    expect(body.errors).toMatchObject([{ pointer: '/algorithm_id', rule: 'unique-over-time' }]);
    // an end that was a mistake is taken back
    await say('algorithm', { ...algorithm, version: '3', valid_from: '2026-05-01' }).expect(201);
  });

  describe('by a file', () => {
    const FILE = [
      'client_id,name,lei,person_id,person_id_scheme,first_name,surname,valid_from,valid_to',
      'C-77,"Example Pension Fund, ""EPF""",5493001KJTIIGC8Y1R12,,,,,2020-01-01,',
      '=C-78,,,DE19700101ANNA#MUSTE,CONCAT,Anna,Mustermann,2021-01-01,2025-01-01',
      '=C-78,,,DE19700101ANNA#MULLE,CONCAT,Anna,Müller,2025-01-01,',
    ].join('\r\n');

    it('is taken as a whole, once, and given back as it was', async () => {
      const before = (await recorded(service)).length;
      const dry = (await importFile('client', FILE, '?dry_run=true').expect(200)).body;
      expect(dry).toMatchObject({ kind: 'client', dry_run: true, changes: '3', recorded: '3', unchanged: '0' });
      expect((await recorded(service)).length).toBe(before);
      const done = (await importFile('client', FILE).expect(201)).body;
      expect(done).toMatchObject({ dry_run: false, changes: '3', recorded: '3', unchanged: '0' });
      const events = (await recorded(service)).slice(before);
      expect(events.map(({ entity_id, metadata }) => [entity_id, metadata.line])).toEqual([
        ['C-77', '2'],
        ['=C-78', '3'],
        ['=C-78', '4'],
      ]);
      expect(new Set(events.map(({ metadata }) => metadata.file_sha256)).size).toBe(1);
      expect((await importFile('client', FILE).expect(200)).body).toMatchObject({ recorded: '0', unchanged: '3' });

      const { text, headers } = await get('client/export').expect(200);
      expect(headers['content-type']).toContain('text/csv');
      expect(text.split('\r\n').slice(0, 2)).toEqual([
        'client_id,name,lei,person_id,person_id_scheme,first_name,surname,country,nationality,birth_date,national_id,passport,no_national_id,no_passport,joint_holders,decision_maker,branch,valid_from,valid_to,change,reason',
        "'=C-78,,,DE19700101ANNA#MUSTE,CONCAT,Anna,Mustermann,,,,,,,,,,,2021-01-01T00:00:00.000000Z,2025-01-01T00:00:00.000000Z,set,",
      ]);
      expect((await importFile('client', text).expect(200)).body).toMatchObject({ changes: '3', recorded: '0' });
      const read = { entity_id: '_service', action: 'reference-data' };
      const parameters = { kind: 'client', as_of: done.as_of };
      expect(await serviceEvents(service.database, 'read')).toMatchObject([
        { ...read, new_state: { parameters, as_of: events.at(-1)!.sequence } },
      ]);
      // and so in the report on who read what
      const log = service.http().get('/v1/ledgers/_service/reports/access-log');
      const { body } = await log.query({ from_date: '2026-01-01', to_date: '2199-12-31', of_ledger: '_service' });
      expect(body.rows).toContainEqual(
        expect.objectContaining({
          what: 'reference-data',
          parameters: JSON.stringify({ as_of: done.as_of, kind: 'client' }),
        }),
      );
      expect((await get(`client/export?as_of=${Number(done.as_of) - 3}`).expect(200)).text.split('\r\n')).toHaveLength(
        2,
      );
    });

    it('is refused as a whole with every mistake, by line, column and rule', async () => {
      const before = (await recorded(service)).length;
      const text = [
        'mic,name,operating_mic,segment,country,valid_from,valid_to',
        'XLON,London,XLON,OPRT,GB,2005-06-27,',
        'xlon,London,XLON,OPRT,GB,2005-06-27,',
        'XPAR,"Paris',
        'two lines",XPAR,OPRT,FR,2005-06-27,',
        'XMIL,Milan,XMIL,OPRT,IT,2005-06-27',
        'XMAD,Madrid,XMAD,OPRT,EL,2005-06-27,2005-06-27',
        'XLON,London,XLON,OPRT,GB,2020-01-01,2021-01-01',
      ].join('\n');
      const { body } = await importFile('venue', text).expect(400);
      const found = body.errors.map(({ pointer, rule }: { pointer: string; rule: string }) => `${pointer} ${rule}`);
      expect(found).toEqual([
        '/lines/3/mic mic',
        '/lines/4/name text',
        '/lines/6 fields',
        '/lines/7/country country',
        '/lines/7/valid_to range',
        '/lines/8/valid_from overlap',
      ]);
      expect(body.errors[0].detail).toMatch(/^line 3: mic must be a MIC/);
      expect((await recorded(service)).length).toBe(before);
    });

    it.each<[string, string | Buffer, string[]]>([
      [
        'nothing',
        '\n',
        [
          '/lines/1/mic required',
          '/lines/1/name required',
          '/lines/1/operating_mic required',
          '/lines/1/segment required',
          '/lines/1/country required',
          '/lines/1/valid_from required',
        ],
      ],
      ['a line of commas', ','.repeat(4 * 1024 * 1024), ['/lines/1 csv']],
      [
        'a very long name',
        `mic,name,operating_mic,segment,country,valid_from,${'x'.repeat(9_999)}`,
        ['/lines/1 unknown'],
      ],
      [
        'a header of another kind',
        'mic,name,operating_mic,segment,country,valid_from,isin,mic\n',
        ['/lines/1 unknown', '/lines/1/mic once'],
      ],
      ['what is no CSV', 'mic\n"XETR', ['/lines/2 csv']],
      ['another encoding', Buffer.from('mic\nX\xfcTR', 'latin1'), [' encoding']],
    ])('is refused when it is %s', async (_, text, mistakes) => {
      const { body } = await importFile('venue', text as string).expect(400);
      expect(body.errors.map(({ pointer, rule }: { pointer: string; rule: string }) => `${pointer} ${rule}`)).toEqual(
        mistakes,
      );
      expect(JSON.stringify(body).length).toBeLessThan(5_000);
    });

    it('has its limits, and its type', async () => {
      const lines = (count: number) =>
        `mic,name,operating_mic,segment,country,valid_from\n${'XETR,x,XETR,OPRT,DE,2005-06-27\n'.repeat(count)}`;
      expect((await importFile('venue', lines(10_001)).expect(400)).body.errors).toMatchObject([{ rule: 'limit' }]);
      await importFile('venue', 'x'.repeat(4 * 1024 * 1024 + 1)).expect(413);
      const { body } = await service.http(write).post('/v1/reference/venue/imports').send({}).expect(415);
      expect(body.detail).toBe('This operation takes text/csv');
      await service.http(write).post('/v1/reference/venue').set('content-type', 'text/csv').send('mic').expect(415);
      await importFile('planet', 'x').expect(404);
    });

    const shared = resolve(import.meta.dirname, '..', process.env.TRUETRAIL_SHARED ?? '../shared');
    const MICS = join(shared, 'reference/refdata/iso10383-mic.csv');
    if (!existsSync(MICS)) console.warn('skipped: the list of all MICs (refdata of TRUETRAIL_SHARED is missing here)');
    (existsSync(MICS) ? it : it.skip)('may be the list of all MICs', async () => {
      const day = (text: string): string => text.replace(/^(....)(..)(..)$/, '$1-$2-$3');
      const [, ...lines] = readFileSync(MICS, 'utf8').trim().split('\n');
      const rows = lines.map((line) => {
        const [mic, operator, segment, category, country, lei, , from, to, ...name] = line.trim().split(',');
        return [
          mic!,
          name.join(',').replaceAll('"', ''),
          operator!,
          segment!,
          country!,
          category!,
          lei!,
          day(from!),
          day(to!),
        ];
      });
      const file = [
        ['mic', 'name', 'operating_mic', 'segment', 'country', 'category', 'lei', 'valid_from', 'valid_to'],
        ...rows,
      ];
      const { body } = await importFile('venue', file.map((row) => csvLine(row)).join(''));
      expect(body).toMatchObject({ kind: 'venue', changes: '2767' });
      // XFRA was ended in this test, and is there again; nothing is said twice
      expect(Number(body.recorded) + Number(body.unchanged)).toBe(2767);
      const seen: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: { entries: { id: string }[]; next_cursor: string | null } = (
          await get(`venue?valid_at=2025-05-26&as_of=${body.as_of}&limit=1000${cursor && `&cursor=${cursor}`}`).expect(
            200,
          )
        ).body;
        seen.push(...page.entries.map(({ id }) => id));
        cursor = page.next_cursor;
      }
      const valid = rows.filter((row) => row[7]! <= '2025-05-26' && (row[8] === '' || row[8]! > '2025-05-26'));
      expect(seen).toEqual(valid.map(([mic]) => mic).sort());
    });
  });

  it('tells its kinds and columns', async () => {
    const { body } = await service.http(read).get('/v1/reference').expect(200);
    expect(body.kinds.map(({ kind }: { kind: string }) => kind)).toEqual(KINDS.map(({ name }) => name));
    expect(body.kinds[0]).toMatchObject({
      id: 'lei',
      changes: '0',
      columns: [
        { name: 'lei', required: true },
        {},
        {},
        { name: 'investment_firm' },
        { name: 'submitting_entity' },
        {},
        {},
        {},
        {},
      ],
    });
  });

  it('has examples that it takes', async () => {
    for (const kind of KINDS) {
      const columns = [kind.id, ...kind.fields].filter(
        ({ name }) =>
          !(
            /client|representative/.test(kind.name) && /person|first_name|surname|nationality|joint_holders/.test(name)
          ),
      );
      const members = Object.fromEntries(columns.map(({ name, example }) => [name, example]));
      const { status, body } = await say(kind.name, { ...members, valid_from: '2015-01-01' });
      expect([kind.name, status, body.errors]).toEqual([kind.name, 201, undefined]);
    }
  });

  it('takes whom and what transaction reports name, and tells what is wrong with it', async () => {
    const right: [string, Record<string, string>][] = [
      [
        'client',
        { client_id: 'T-1', first_name: 'Anna', surname: 'Berg', nationality: 'SE US', birth_date: '1970-01-31' },
      ],
      ['client', { client_id: 'T-2', joint_holders: 'T-1 T-3' }],
      ['representative', { representative_id: 'T-R', name: 'Manager', lei: '5493001KJTIIGC8Y1R12' }],
      ['membership', { member_venue: '529900G3SW56SHYNPR95/XETR', reported_by: 'venue' }],
      ['instrument', { isin: 'US5949181045', name: 'Swap', paid_by_buyer: 'index:EURI@6MNTH US0378331005' }],
    ];
    for (const [kind, members] of right) await say(kind, { ...members, valid_from: '2015-01-01' }).expect(201);
    const wrong: [string, Record<string, string>, string, string][] = [
      ['client', { client_id: 'T-4', name: 'X', lei: '5493001KJTIIGC8Y1R12', joint_holders: 'T-1' }, '/lei', 'either'],
      ['client', { client_id: 'T-4', name: 'X', nationality: 'SE,US' }, '/nationality', 'countries'],
      ['client', { client_id: 'T-4', name: 'X', nationality: 'SE', birth_date: '1970-02-30' }, '/birth_date', 'day'],
      ['membership', { member_venue: 'XETR', reported_by: 'firm' }, '/member_venue', 'membership'],
      // the last digit of the LEI, a MIC of five, and what follows it
      ...['529900G3SW56SHYNPR96/XETR', '529900G3SW56SHYNPR95/XETRA', '529900G3SW56SHYNPR95/XETR/XETR'].map(
        (id): [string, Record<string, string>, string, string] => [
          ...(['membership', { member_venue: id, reported_by: 'firm' }, '/member_venue', 'membership'] as const),
        ],
      ),
      ['membership', { member_venue: '5493001KJTIIGC8Y1R12/XETR', reported_by: 'firm' }, '/member_venue', 'known'],
      ['membership', { member_venue: '529900G3SW56SHYNPR95/XNON', reported_by: 'firm' }, '/member_venue', 'known'],
      [
        'client',
        { client_id: 'T-4', name: 'X', lei: '5493001KJTIIGC8Y1R12', decision_maker: 'R-1 529900G3SW56SHYNPR96' },
        ...(['/decision_maker', 'lei'] as const),
      ],
      [
        'venue',
        {
          ...{ mic: 'XNEW', name: 'New', operating_mic: 'XNEW', segment: 'OPRT', country: 'DE' },
          category: 'regulated market',
        },
        ...(['/category', 'category'] as const),
      ],
      ['instrument', { isin: 'US5949181045', name: 'Swap', underlying: 'EURI' }, '/underlying', 'underlyings'],
      ['instrument', { isin: 'US5949181045', name: 'Option', strike_price: '1e3' }, '/strike_price', 'decimal'],
    ];
    for (const [kind, members, pointer, rule] of wrong) {
      const { body } = await say(kind, { ...members, valid_from: '2015-01-01' }).expect(400);
      expect(body.errors).toMatchObject([{ pointer, rule }]);
    }
  });

  it('is read ahead for what asks without waiting, as it stood and was known', async () => {
    const isin = 'GB0002634946';
    const as = (symbol: string, from: string) => say('instrument', { isin, name: 'BAE', symbol, valid_from: from });
    const { revision: first } = (await as('BA', '2015-01-01').expect(201)).body;
    const { revision: second } = (await as('BAES', '2020-01-01').expect(201)).body;
    const pool = service.app.get<Pool>(POOL);
    const read = async <T>(work: (client: PoolClient) => Promise<T>): Promise<T> => {
      const client = await pool.connect();
      return work(client).finally(() => client.release());
    };
    const timelines = new ReferenceTimelines(read, BigInt(second));
    const ask = (time: string) => {
      const at = timelines.at(time);
      return [
        at.find('instrument', isin)?.revision,
        at.findHaving('instrument', 'symbol', 'BA')[0]?.id,
        at.find('venue', 'none'),
      ];
    };
    expect(ask('2016-01-01T00:00:00Z')).toEqual([undefined, undefined, undefined]);
    expect(await timelines.readWanted()).toBe(true);
    expect(ask('2016-01-01T00:00:00.123456789Z')).toEqual([first, isin, undefined]);
    expect(ask('2020-01-01T00:00:00Z')).toEqual([second, undefined, undefined]);
    expect(ask('2014-01-01T00:00:00Z')).toEqual([undefined, undefined, undefined]);
    expect(await timelines.readWanted()).toBe(false);

    const before = new ReferenceTimelines(read, BigInt(first));
    before.at('2020-01-01T00:00:00Z').find('instrument', isin);
    await before.readWanted();
    expect(before.at('2020-01-01T00:00:00Z').find('instrument', isin)?.revision).toBe(first);
  });

  it('is found by LEI, ISIN and symbol, as it stood at a time and was known at a time', async () => {
    const lei = '5493001KJTIIGC8Y1R12';
    const found = async (path: string): Promise<string[]> =>
      (await get(path).expect(200)).body.entries.map(({ id }: { id: string }) => id);
    await say('client', { client_id: 'C-90', name: 'Fund', lei, valid_from: '2015-01-01' }).expect(201);
    const { revision } = (
      await say('instrument', { isin: 'US0378331005', name: 'Apple', symbol: 'AAPL', valid_from: '2015-01-01' })
    ).body;
    await say('client', { client_id: 'C-90', name: 'Fund', lei: '529900G3SW56SHYNPR95', valid_from: '2024-01-01' });
    await say('instrument', { isin: 'US0378331005', name: 'Apple', symbol: 'SAP', valid_from: '2024-01-01' });
    await say('instrument', { isin: 'DE0007164600', name: 'SAP', symbol: 'SAPG', valid_from: '2025-01-01' });

    expect(await found('legal-entity?lei=529900G3SW56SHYNPR95')).toEqual(['529900G3SW56SHYNPR95']);
    expect(await found(`legal-entity?lei=${lei}`)).toEqual([]);
    expect(await found(`client?lei=${lei}&valid_at=2023-01-01`)).toEqual(['C-77', 'C-90']);
    expect(await found(`client?lei=${lei}&valid_at=2023-01-01&limit=1`)).toEqual(['C-77']);
    expect(await found(`client?lei=${lei}&valid_at=2023-01-01&limit=1&cursor=C-77`)).toEqual(['C-90']);
    expect(await found(`client?lei=${lei}&valid_at=2024-01-01`)).toEqual(['C-77']);
    expect(await found(`client?lei=${lei}&valid_at=2024-01-01&as_of=${revision}`)).toEqual(['C-77', 'C-90']);
    expect(await found('client?lei=529900G3SW56SHYNPR95')).toEqual(['C-90']);
    expect(await found('instrument?isin=US0378331005')).toEqual(['US0378331005']);
    expect(await found('instrument?symbol=SAP&valid_at=2023-01-01')).toEqual(['DE0007164600']);
    expect(await found('instrument?symbol=SAP&valid_at=2024-06-01')).toEqual(['DE0007164600', 'US0378331005']);
    expect(await found('instrument?symbol=SAP&valid_at=2024-06-01&isin=US0378331005')).toEqual(['US0378331005']);
    expect(await found('instrument?symbol=SAP')).toEqual(['US0378331005']);
    expect(await found(`instrument?symbol=SAP&as_of=${revision}`)).toEqual(['DE0007164600']);
    expect(await found('instrument?symbol=sap')).toEqual([]);
    await say('client', { client_id: 'C-90', valid_from: '2025-06-01', change: 'end' }).expect(201);
    expect(await found('client?lei=529900G3SW56SHYNPR95')).toEqual([]);
  });

  it.each([
    ...['as_of=x', 'as_of=99999999', 'valid_at=x', 'limit=0', 'limit=1001', 'page=2', 'cursor=', 'cursor=%00'],
    ...['lei=529900G3SW56SHYNPR96', 'isin=DE0007164600', 'symbol=', 'symbol=a%0Ab', 'name=XETRA'],
  ])('refuses ?%s', async (query) => {
    const { body } = await get(`venue?${query}`).expect(400);
    expect(body.type).toBe('/docs/problems/invalid-parameter');
    expect(body.errors).toMatchObject([{ pointer: `/query/${query.split('=')[0]}` }]);
  });

  it('is for its own scopes, and for keys of all ledgers', async () => {
    await service.http(read).post('/v1/reference/venue').send(XETR).expect(403);
    await service.http(write).get('/v1/reference/venue').expect(403);
    const { key } = await createKey(service, ['reference:read'], ['main']);
    await service.http(key).get('/v1/reference/venue').expect(403);
    await get('planet').expect(404);
    for (const id of ['NONE', '%00', 'x'.repeat(256)]) {
      for (const path of [`venue/entries/${id}`, `venue/entries/${id}/history`]) {
        expect((await get(path).expect(404)).body.type).toBe('/docs/problems/reference-entry-not-found');
      }
    }
  });

  it('has its readers on record: lists, entries and histories, counted', async () => {
    const reader = await createKey(service, ['reference:read'], ['*']);
    const see = (path: string) => service.http(reader.key).get(`/v1/reference${path}`);
    await see('/venue?valid_at=2025-02-28&limit=1').expect(200);
    await see('/venue/entries/XETR').expect(200);
    await see('/venue/entries/XETR').expect(200);
    await see('/venue/entries/XETR/history?as_of=2').expect(200);
    await see('/venue/entries/NONE').expect(404); // nothing was read
    await see('').expect(200); // which kinds there are is no secret
    await service.app.get(PageReads).record();
    const log = service.http().get('/v1/ledgers/_service/reports/access-log');
    const ever = { from_date: '2026-01-01', to_date: '2199-12-31' };
    const { body } = await log.query({ ...ever, principal: `key:${reader.id}` }).expect(200);
    expect(body.rows).toMatchObject([{ ledger: '_service', what: 'reference-data', action: 'pages', reads: '4' }]);
    expect(JSON.parse(body.rows[0].parameters)).toEqual([
      { kind: 'venue', valid_at: '2025-02-28' },
      { kind: 'venue', id: 'XETR' },
      { kind: 'venue', id: 'XETR', as_of: '2' },
    ]);
  });

  it('keeps nothing else waiting while somebody changes it', async () => {
    await connected(service.database.serviceUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('truetrail.reference', 0))`); // a long import
      const asked = Array.from({ length: 15 }, (_, i) => [
        get('venue').then(({ status }) => status),
        say('venue', { ...XETR, name: `name ${i}`, valid_from: '2030-01-01' }).then(({ status }) => status),
      ]).flat();
      const waiting = async (): Promise<number> => {
        const found = await query(
          service.database,
          `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%take_reference_changes%'
             AND datname = current_database() AND pid <> pg_backend_pid()`,
        );
        return found.length;
      };
      while ((await waiting()) < 2) await pause(20);
      await service.http().get('/v1/ledgers/main').timeout(2_000).expect(200);
      expect(await waiting()).toBe(2); // one who reads, and one who changes
      await client.query('COMMIT');
      const statuses = await Promise.all(asked);
      expect(new Set(statuses)).toEqual(new Set([200, 201]));
    });
  });

  it('comes from the trail alone, and nobody changes it', async () => {
    await connected(service.database.serviceUrl, async (client) => {
      const refused = async (text: string): Promise<void> =>
        void (await expect(client.query(text)).rejects.toMatchObject({ code: '42501' }));
      await refused('INSERT INTO reference_changes SELECT * FROM reference_changes');
      await refused(`UPDATE reference_changes SET attributes = '{}'`);
      await refused('DELETE FROM reference_changes');
      await refused('UPDATE reference_progress SET taken_to = 0');
      await refused(
        `SELECT enter_reference_change('_service', 1, gen_random_uuid(), now(), 'reference_venue', 'X', 'x', '{}', '{}')`,
      );
    });
    await connected(service.database.ownerUrl, async (owner) => {
      await expect(owner.query(`UPDATE reference_changes SET attributes = '{}'`)).rejects.toMatchObject({
        code: 'TT100',
      });
      await expect(owner.query('TRUNCATE reference_changes')).rejects.toMatchObject({ code: 'TT100' });
    });
    // row by row what the events say
    const differing = await query(
      service.database,
      `SELECT e.sequence FROM audit_events AS e FULL JOIN reference_changes AS c ON c.ledger = e.ledger AND c.sequence = e.sequence
         WHERE (e.ledger = '_service' AND e.event_type = 'reference_data' OR e.sequence IS NULL)
           AND (c.entry_id, 'reference_' || c.kind, c.recorded_at, c.event_id, c.principal)
             IS DISTINCT FROM (e.entity_id, e.entity_type, e.recorded_at, e.event_id, e.user_id)`,
    );
    expect(differing).toEqual([]);
    expect((await runJob(service, 'schema-check')).outcome).toMatchObject({ verdict: 'valid' });
  });
});

describe('reports', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const say = (kind: string, members: object) =>
    service
      .http()
      .post(`/v1/reference/${kind}`)
      .send({ valid_from: '2020-01-01', ...members })
      .expect(201);
  const run = (report: string, query = '') =>
    service.http().get(`/v1/ledgers/main/reports/${report}?from_date=2026-06-01&to_date=2026-06-03${query}`);
  const manifest = async (report: string, run: string) =>
    (await service.http().get(`/v1/ledgers/main/reports/${report}/runs/${run}/manifest`).expect(200)).body;

  const person = (surname: string) => ({
    ...{ trader_id: 'trader-1', first_name: 'Anna', surname },
    ...{ person_id: `DE19700101ANNA#${surname.slice(0, 5).toUpperCase().padEnd(5, '#')}`, person_id_scheme: 'CONCAT' },
  });

  it('say beside what events say what was known of it, and come again byte for byte', async () => {
    const fill = (id: string, timestamp: string, venue: string) =>
      sampleEvent({
        ...{ timestamp, entity_id: id, action: 'fill' },
        new_state: { symbol: 'SAP', side: 'buy', quantity: '1', price: '2', exchange: venue, segment_mic: venue },
        metadata: { client_id: 'C-77', investment_decision_maker: 'trader-1', execution_decision_maker: 'MM7' },
      });
    const events = [fill('O-1', '2026-06-02T08:00:00Z', 'XETR'), fill('O-2', '2026-06-02T16:00:00Z', 'XBAD')];
    await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
    const untold = (await run('mifid2-trades').expect(200)).body;
    expect(untold.parameters).toEqual({ from_date: '2026-06-01', to_date: '2026-06-03' });
    expect(untold.rows[0]).toMatchObject({ venue: 'XETR', venue_name: null, unknown_in_reference_data: null });

    await say('venue', XETR);
    await say('client', { client_id: 'C-77', name: 'Example Fund', lei: '5493001KJTIIGC8Y1R12' });
    await say('trader', person('Mustermann'));
    await say('algorithm', { algorithm_id: 'MM7', version: '1', name: 'Market maker', purpose: 'both' });
    // from the afternoon on it is another version
    await say('algorithm', {
      ...{ algorithm_id: 'MM7', version: '2', name: 'Market maker', purpose: 'both' },
      valid_from: '2026-06-02T12:00:00Z',
    });
    const told = await run('mifid2-trades').expect(200);
    expect(told.body.parameters).toEqual({ from_date: '2026-06-01', to_date: '2026-06-03', reference_as_of: '5' });
    expect(told.body.rows).toMatchObject([
      {
        ...{ venue: 'XETR', venue_name: 'XETRA', client: 'C-77', client_name: 'Example Fund' },
        ...{ client_lei: '5493001KJTIIGC8Y1R12', investment_decision_maker: 'trader-1' },
        ...{ investment_decision_maker_name: 'Anna Mustermann', execution_decision_maker: 'MM7' },
        ...{ execution_decision_maker_name: 'Market maker, version 1', unknown_in_reference_data: null },
      },
      {
        ...{ venue: 'XBAD', venue_name: null, unknown_in_reference_data: 'venue' },
        execution_decision_maker_name: 'Market maker, version 2',
      },
    ]);
    expect(told.headers['truetrail-reference-as-of']).toBe('5');
    const { tables, parameters } = await manifest('mifid2-trades', told.headers['truetrail-report-run']!);
    const [last] = await query<{ sequence: string }>(
      service.database,
      `SELECT max(sequence) AS sequence FROM audit_events WHERE ledger = '_service' AND event_type = 'reference_data'`,
    );
    expect(tables).toContainEqual({ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) });
    expect(tables.slice(1)).toEqual([{ name: 'reference-data', version: `5 (event ${last!.sequence} of _service)` }]);
    expect(parameters.reference_as_of).toBe('5');
    // what is asked for as of the event is answered by what was known before it was recorded: nothing
    expect((await run('mifid2-trades', '&as_of=2').expect(200)).text).toBe(
      (await run('mifid2-trades', '&as_of=2&format=json').expect(200)).text,
    );
    expect((await run('mifid2-trades', '&as_of=2').expect(200)).body).toEqual(untold);

    await say('trader', { ...person('Beispiel') });
    await say('venue', { ...XETR, mic: 'XBAD', operating_mic: 'XBAD', name: 'Bad' });
    await say('client', { client_id: 'C-77', name: 'Another Fund', lei: '5493001KJTIIGC8Y1R12' });
    const now = (await run('mifid2-trades').expect(200)).body;
    expect(now.rows[1]).toMatchObject({
      ...{ venue_name: 'Bad', client_name: 'Another Fund', unknown_in_reference_data: null },
      investment_decision_maker_name: 'Anna Beispiel',
    });
    expect((await run('mifid2-trades', '&reference_as_of=5').expect(200)).text).toBe(told.text);
    expect((await run('mifid2-trades', '&as_of=2&reference_as_of=5').expect(200)).text).toBe(told.text);

    // a later event has seen all of them
    await service
      .http()
      .post('/v1/ledgers/main/events')
      .send(sampleEvent({ timestamp: '2026-06-09T08:00:00Z' }))
      .expect(201);
    const later = (await run('mifid2-trades', '&as_of=3').expect(200)).body;
    expect([later.parameters.reference_as_of, later.rows]).toEqual(['8', now.rows]);
  });

  it('of a user have the name, of orders the numbers of fields that are not known', async () => {
    const activity = (await run('user-activity', '&user_id=trader-1&reference_as_of=5').expect(200)).body;
    expect(activity.rows).toMatchObject([
      { user_name: 'Anna Mustermann', unknown_in_reference_data: null },
      { user_name: 'Anna Mustermann', unknown_in_reference_data: 'exchange' },
    ]);
    const { rows } = (await run('order-records', '&regime=rts24&reference_as_of=5').expect(200)).body;
    const venue = Object.keys(rows[0]).find((name) => name.endsWith('_segment_mic'))!;
    expect(rows[1]).toMatchObject({ [venue]: 'XBAD', unknown_in_reference_data: venue.slice(1, venue.indexOf('_')) });
    expect(rows[0]).toMatchObject({ [venue]: 'XETR', unknown_in_reference_data: null });
    // who it was, and by which id the regulation knows him
    expect(rows[1]).toMatchObject({
      ...{ f3_client: 'C-77', f3_client_name: 'Example Fund', f3_client_id: '5493001KJTIIGC8Y1R12' },
      ...{ f4_investment_decision: 'trader-1', f4_investment_decision_name: 'Anna Mustermann' },
      ...{ f4_investment_decision_id: 'DE19700101ANNA#MUSTE', f5_execution_within_firm_id: null },
      f5_execution_within_firm_name: 'Market maker, version 2',
    });
    expect(rows[0]).toMatchObject({ f5_execution_within_firm_name: 'Market maker, version 1' });
    expect(rows[0].invalid.split(' ')).toEqual(expect.arrayContaining(['3', '4']));
    const orders = (await run('order-records', '&regime=annex4-transactions&reference_as_of=5').expect(200)).body;
    expect(orders.rows[1]).toMatchObject({
      ...{ f11b_buyer: 'C-77', f11b_buyer_name: 'Example Fund', f11b_buyer_id: '5493001KJTIIGC8Y1R12' },
      ...{ f3_investment_trader_name: 'Anna Mustermann', f3_investment_trader_id: 'DE19700101ANNA#MUSTE' },
      // the market maker is not said to be an algorithm, and no trader is called so
      ...{ f13_execution_trader: 'MM7', f13_execution_trader_name: null },
      unknown_in_reference_data: '9 13',
    });
  });

  it.each(['x', '-1', '99'])('refuse the revision %s', async (revision) => {
    const { body } = await run('mifid2-trades', `&reference_as_of=${revision}`).expect(400);
    expect(body.errors).toMatchObject([{ pointer: '/query/reference_as_of' }]);
  });
});
