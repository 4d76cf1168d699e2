import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import { sampleEvent, startService, TEST_KEY, TEST_ORIGIN, type TestService } from './support/app.js';
import { checkTrail } from './support/check-trail.js';
import { truetrail, type Ended } from './support/command-line.js';
import { asBytes } from './support/evidence.js';
import { createKey, query } from './support/keys.js';
import { RestorableDatabase } from './support/restorable-database.js';
import { onFolders, S3_ENVIRONMENT, STORES, type TestStore } from './support/stores.js';
import { record, runJob, runOnRequestAlone, verify } from './support/verification.js';

jest.setTimeout(180_000);

const BEHIND = '/docs/problems/ledger-behind-its-anchor';
const ORDER = 'O-of-old';

let folder: string;
let test: TestStore;
let server: RestorableDatabase;
let service: TestService | undefined;

afterEach(async () => {
  await stopService();
  await server.close();
  test.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  service = await startService({
    env: { ARCHIVE_URL: test.url, SIGNING_KEY_FILE: join(folder, 'key.pem'), ARCHIVE_EXPORT_AGE: '24h' },
    database: server.database,
  });
  await runOnRequestAlone(service, 'archive-export');
}

async function stopService(): Promise<void> {
  await service?.close();
  service = undefined;
}

const http = (): ReturnType<TestService['http']> => service!.http();

function run(...args: string[]): Promise<Ended> {
  const { serviceUrl, ownerUrl } = server.database;
  return truetrail(
    {
      ...{ DATABASE_URL: serviceUrl, DATABASE_OWNER_URL: ownerUrl, ARCHIVE_URL: test.url, DATA_DIR: folder },
      ...{ SIGNING_KEY_FILE: join(folder, 'key.pem'), LOG_LEVEL: 'silent', ...S3_ENVIRONMENT },
    },
    ...args,
  );
}

/** The verifier as an auditor runs it, in a process that knows nothing of the service. */
async function verifier(...args: string[]): Promise<{ code: number; outcome: Record<string, unknown> }> {
  const main = join(process.env.TRUETRAIL_BUILD!, 'src/verify/truetrail-verify.js');
  const child = spawn(process.execPath, [main, ...args, '--json'], { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, outcome: JSON.parse(output) as Record<string, unknown> };
}

const keyOf = async (ledger: string): Promise<string> =>
  (await http().get(`/v1/ledgers/${ledger}/keys`).expect(200)).text.trimEnd();

async function verifiedBundle(ledger: string, question: object): Promise<Record<string, unknown>> {
  const { body } = await http()
    .post(`/v1/ledgers/${ledger}/evidence`)
    .send(question)
    .buffer(true)
    .parse(asBytes)
    .expect(200);
  const file = join(folder, 'bundle.zip');
  writeFileSync(file, body as Buffer);
  const { code, outcome } = await verifier(file, '--key', await keyOf(ledger));
  expect([code, outcome]).toEqual([0, expect.objectContaining({ verdict: 'valid', findings: [] })]);
  return outcome;
}

const signed = async (): Promise<Record<string, unknown>> => {
  const { status, outcome } = await runJob(service!, 'checkpoint');
  expect(status).toBe('done');
  return outcome as unknown as Record<string, unknown>;
};

const sizeOf = async (ledger: string): Promise<number> =>
  Number((await http().get(`/v1/ledgers/${ledger}`).expect(200)).body.size);

/** Posts until the replica has looked again at what the ledger lacks, which it does every five seconds at most. */
async function postedOnceLookedAt(ledger: string) {
  for (const until = performance.now() + 30_000; ;) {
    const answer = await http().post(`/v1/ledgers/${ledger}/events`).send(sampleEvent());
    if (answer.status !== 503 || performance.now() > until) return answer;
    expect(answer.body.type).toBe(BEHIND);
    await pause(200);
  }
}

/** Records one event after the other until it is told to stop; how many were taken. */
function keepRecording(ledger: string): () => Promise<number> {
  let isOver = false;
  const done = (async () => {
    let taken = 0;
    for (; !isOver; taken++) await http().post(`/v1/ledgers/${ledger}/events`).send(sampleEvent()).expect(201);
    return taken;
  })();
  return () => {
    isOver = true;
    return done;
  };
}

/** What `_service` and its successors say that was closed. */
const closesOnRecord = () =>
  query<{ ledger: string; of: string; state: Record<string, unknown> }>(
    server.database,
    `SELECT ledger, entity_id AS of, new_state AS state FROM audit_events
       WHERE event_type = 'recovery' AND action = 'close' ORDER BY entity_id, ledger`,
  );

/**
 * 40 events of main signed, and seven more that are not; a base backup while the service goes on recording there; then
 * what no backup has: of main and of the service's own ledger, signed, and five of main that nothing was signed of. Nothing
 * was ever archived but anchors. Returns how many were signed of main.
 */
async function lose(): Promise<number> {
  await start();
  await http().put('/v1/ledgers/desk-1').expect(201);
  await record(service!, 5, 'desk-1');
  await record(service!, 38);
  for (const action of ['create', 'modify']) {
    await http()
      .post('/v1/ledgers/main/events')
      .send(sampleEvent({ entity_id: ORDER, action }))
      .expect(201);
  }
  await signed();
  await record(service!, 7);
  const stop = keepRecording('main');
  await server.backUp('backup');
  await stop();
  await http()
    .post('/v1/ledgers/main/events')
    .send(sampleEvent({ entity_id: ORDER, action: 'fill' }))
    .expect(201);
  await record(service!, 60);
  await createKey(service!, ['events:read']);
  expect(await signed()).toMatchObject({ refused: [] });
  const size = await sizeOf('main');
  await record(service!, 5);
  await stopService();
  return size;
}

/** Restores the backup, closes what lacks events, and goes on in their successors: four events of main-2 are signed. */
async function goOnInSuccessors(): Promise<void> {
  await lose();
  await server.restore('backup');
  expect((await run('recover', '--close', 'main', '--close', '_service')).code).toBe(0);
  await start();
  await record(service!, 3, 'main-2');
  await signed();
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))('%s:', (_, make) => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-recovery-test-'));
    test = await make();
    server = await RestorableDatabase.start();
  });

  it('a base backup behind the anchors, and nothing archived: ledgers end where they are whole, and successors go on', async () => {
    const lost = await lose();
    for await (const { key } of test.store.list('early/')) throw new Error(`${key} is archived`);
    await server.restore('backup');
    await start();
    const size = await sizeOf('main');
    expect(size).toBeGreaterThanOrEqual(47);
    expect(size).toBeLessThan(lost - 60);

    const missing = `events ${size + 1} to ${lost} are missing`;
    const refused = await http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(503);
    expect(refused.body).toMatchObject({ type: BEHIND, detail: expect.stringContaining(missing) });
    await record(service!, 2, 'desk-1'); // which lacks nothing
    const round = await signed();
    expect(round).toMatchObject({ signed: 1 });
    expect((round.refused as { ledger: string }[]).map(({ ledger }) => ledger)).toEqual(['_service', 'main']);
    expect((await http().get('/v1/ledgers/main/checkpoint').expect(200)).text).toContain(`/main\n${lost}\n`);

    const short = await run('recover');
    expect([short.code, short.stdout, short.stderr]).toEqual([
      1,
      expect.stringContaining(
        `main: nothing was brought back; events ${size + 1} to ${lost} were signed and are missing`,
      ),
      expect.stringMatching(/Not recovered: _service, main/),
    ]);
    const lacks = await lackOf('_service');
    const closed = await run('recover', '--close', 'main', '--close', '_service', '--json');
    expect(closed.code).toBe(0);
    const report = JSON.parse(closed.stdout) as { closed: Record<string, unknown>[] };
    expect(report.closed).toMatchObject([
      {
        ...{ ledger: 'main', size: String(size), provable: String(size), successor: 'main-2' },
        missing: { from: String(size + 1), to: String(lost) },
      },
      { ledger: '_service', missing: lacks, successor: '_service-2' },
    ]);
    expect(await closesOnRecord()).toMatchObject([
      { ledger: '_service-2', of: '_service', state: { successor: '_service-2' } },
      {
        ...{ ledger: '_service-2', of: 'main' },
        state: {
          ...{ size: String(size), provable_size: String(size), successor: 'main-2' },
          missing: { from_sequence: String(size + 1), to_sequence: String(lost) },
        },
      },
    ]);

    // the old one: read, searched and proven as far as it was signed and is there
    const ended = await postedOnceLookedAt('main');
    expect([ended.status, ended.body.type]).toEqual([409, '/docs/problems/ledger-closed']);
    const history = await http().get(`/v1/ledgers/main/orders/${ORDER}/history`).expect(200);
    expect(history.body.events.map(({ action }: { action: string }) => action)).toEqual(['create', 'modify']);
    expect((await http().get(`/v1/ledgers/main/events?from_sequence=${size}`).expect(200)).body.events).toHaveLength(1);
    const { findings, verdict } = await verify(service!);
    expect({ verdict, findings }).toMatchObject({
      verdict: 'invalid',
      findings: [{ kind: 'checkpoint', sequence: String(size + 1), detail: expect.stringContaining(String(lost)) }],
    });
    expect(await verify(service!, { to_sequence: String(size - 1) })).toMatchObject({ verdict: 'valid', findings: [] });
    const [unproven] = (await http().get('/v1/ledgers/main/events?from_sequence=41&limit=1').expect(200)).body.events;
    const noProof = await http().get(`/v1/ledgers/main/events/${unproven.event_id}/proof`).expect(410);
    expect(noProof.body).toMatchObject({
      type: '/docs/problems/events-lost',
      detail: expect.stringMatching(new RegExp(`${lost} events of main were signed.* 40`)),
    });
    for (const question of [{ to_sequence: '40' }, { order_id: ORDER }]) await verifiedBundle('main', question);
    const named = await run('verify');
    expect([named.code, named.stdout]).toEqual([1, expect.stringMatching(new RegExp(`main: .*${lost}`, 's'))]);
    expect((await run('verify', 'main-2', '_service-2', 'desk-1')).code).toBe(0);

    // the successor: recorded, signed, anchored, proven
    await record(service!, 9, 'main-2');
    await http()
      .post('/v1/ledgers/main-2/events')
      .send(sampleEvent({ entity_id: ORDER, action: 'fill' }))
      .expect(201);
    await createKey(service!, ['events:read']);
    expect(await signed()).toMatchObject({ refused: [] });
    expect(await sizeOf('main-2')).toBe(11);
    for (const ledger of ['main-2', '_service-2', 'desk-1']) {
      expect(await verify(service!, {}, ledger)).toMatchObject({ verdict: 'valid', findings: [] });
      await checkTrail(server.database.adminUrl, ledger);
    }
    expect(await verifiedBundle('main-2', { from_sequence: '1' })).toMatchObject({ bundle: { events: '11' } });
    expect((await http().get('/v1/ledgers/main-2/consistency?from=1').expect(200)).body).toMatchObject({ to: '11' });
    const monitored = await verifier(
      ...['ledger', `${service!.url}/v1/ledgers/main-2`, '--key', await keyOf('main-2'), '--tiles'],
      ...['--state', join(folder, 'seen.json'), '--token-file', tokenFile()],
    );
    expect(monitored).toMatchObject({ code: 0 });
    expect(await runJob(service!, 'anchor-verification')).toMatchObject({ outcome: { verdict: 'valid' } });

    // what is left is archived, and an auditor’s walk of the archive says how far the old one is there
    expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done', outcome: { refused: [] } });
    expect(await runJob(service!, 'archive-verification')).toMatchObject({ outcome: { verdict: 'valid' } });
    const copy = test.owner ? join(folder, 'copy') : fileURLToPath(test.url);
    if (test.owner) expect((await run('archive', 'copy', copy)).code).toBe(0);
    expect(await verifier('archive', copy, '--key', await keyOf('main'))).toMatchObject({
      code: 2,
      outcome: {
        ...{ verdict: 'undecided', findings: [] },
        unchecked: ['_service', 'main'].map((ledger) => expect.stringMatching(`/${ledger}: the events from .* to `)),
        ledgers: expect.arrayContaining([
          expect.objectContaining({ origin: `${TEST_ORIGIN}/main`, size: String(lost), verified_to: '40' }),
          expect.objectContaining({ origin: `${TEST_ORIGIN}/main-2`, size: '11', verified_to: '11' }),
        ]),
      },
    });
    for (const ledger of ['main', 'main-2']) {
      const bundle = join(folder, 'bundle.zip');
      await verifiedBundle(ledger, { to_sequence: '11' });
      expect(await verifier(bundle, '--key', await keyOf(ledger), '--anchors', copy)).toMatchObject({ code: 0 });
    }
  });
});

onFolders('ledgers that are closed after a restore', () => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-recovery-test-'));
    test = await STORES[0]!();
    server = await RestorableDatabase.start();
  });

  it('are on record once, whichever are closed first, and however often', async () => {
    await lose();
    await server.restore('backup');
    const first = await run('recover', '--close', 'main');
    expect([first.code, first.stderr]).toEqual([
      1,
      expect.stringMatching(/main-2 succeeds it[^]*Not recovered: _service/),
    ]);
    expect(await closesOnRecord()).toEqual([]);
    expect((await run('recover', '--close', '_service')).code).toBe(0);
    const both = [
      { ledger: '_service-2', of: '_service', state: { successor: '_service-2' } },
      { ledger: '_service-2', of: 'main', state: { successor: 'main-2' } },
    ];
    expect(await closesOnRecord()).toMatchObject(both);
    expect((await run('recover', '--close', 'main', '--close', '_service')).code).toBe(0);
    const recorded = await closesOnRecord();
    expect(recorded).toHaveLength(2);
    expect(recorded).toMatchObject(both);
  });

  it('have successors that are closed the same way after another restore', async () => {
    await goOnInSuccessors();
    await server.backUp('later');
    await record(service!, 4, 'main-2');
    await createKey(service!, ['events:read']);
    await signed();
    await stopService();
    await server.restore('later');

    const first = await run('recover', '--close', 'main-2');
    expect([first.code, first.stderr]).toEqual([
      1,
      expect.stringMatching(/main-3 succeeds it[^]*_service-2 is not what was signed[^]*Not recovered: _service-2/),
    ]);
    const second = await run('recover', '--close', '_service-2');
    expect([second.code, second.stderr]).toEqual([0, expect.stringContaining('_service-3 succeeds it')]);
    expect((await closesOnRecord()).filter(({ ledger }) => ledger === '_service-3')).toMatchObject([
      { of: '_service-2', state: { successor: '_service-3' } },
      { of: 'main-2', state: { size: '4', successor: 'main-3', missing: { from_sequence: '5', to_sequence: '8' } } },
    ]);
    await start();
    await record(service!, 2, 'main-3');
    await createKey(service!, ['events:read']);
    expect(await signed()).toMatchObject({ refused: [] });
    for (const ledger of ['main-3', '_service-3']) {
      expect(await verify(service!, {}, ledger)).toMatchObject({ verdict: 'valid', findings: [] });
    }
    await verifiedBundle('main-3', { from_sequence: '1', to_sequence: '3' });
  });

  it('have other successors where the same backup is restored again, and what was signed of the first ones is lost', async () => {
    await goOnInSuccessors();
    await stopService();
    await server.restore('backup');

    const first = await run('recover', '--close', 'main', '--close', '_service');
    expect([first.code, first.stderr]).toEqual([
      1,
      expect.stringMatching(/main-3 succeeds it[^]*_service-3 succeeds it[^]*Not recovered: _service-2, main-2$/m),
    ]);
    expect(await closesOnRecord()).toMatchObject([
      { ledger: '_service-3', of: '_service', state: { successor: '_service-3' } },
      { ledger: '_service-3', of: 'main', state: { successor: 'main-3' } },
    ]);
    await start();
    const { body } = await http().post('/v1/ledgers/main-2/events').send(sampleEvent()).expect(503);
    expect(body).toMatchObject({ type: BEHIND, detail: expect.stringContaining('events 1 to 4 are missing') });
    await record(service!, 2, 'main-3');
    const { refused } = (await signed()) as { refused: { ledger: string }[] };
    expect(refused.map(({ ledger }) => ledger)).toEqual(['_service-2', 'main-2']);
    for (const ledger of ['main-3', '_service-3']) {
      expect(await verify(service!, {}, ledger)).toMatchObject({ verdict: 'valid', findings: [] });
    }
    await stopService();
    const second = await run('recover', '--close', 'main-2', '--close', '_service-2');
    expect([second.code, second.stderr]).toEqual([0, expect.stringContaining('main-2 is closed at 0; ')]);
    expect((await run('recover')).code).toBe(0);
  });
});

function tokenFile(): string {
  const file = join(folder, 'token');
  writeFileSync(file, TEST_KEY);
  return file;
}

async function lackOf(ledger: string): Promise<{ from: string; to: string }> {
  const { text } = await http().get(`/v1/ledgers/${ledger}/checkpoint`).expect(200);
  return { from: String((await sizeOf(ledger)) + 1), to: text.split('\n')[1]! };
}
