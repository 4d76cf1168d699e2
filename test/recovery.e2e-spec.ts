import { cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import { recover, type RecoverOptions, type RecoveryReport } from '../src/cli/recover.js';
import type { RecoveredLedger } from '../src/checkpoints/recovery.js';
import { readConfig } from '../src/config/config.js';
import { verifyBundle } from '../src/integrity/evidence-verifier.js';
import { VerifierKey } from '../src/integrity/signed-note.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { checkTrail } from './support/check-trail.js';
import { truetrail } from './support/command-line.js';
import { asBytes, inMemory } from './support/evidence.js';
import { FaultProxy } from './support/fault-proxy.js';
import { createKey, query } from './support/keys.js';
import { RestorableDatabase } from './support/restorable-database.js';
import { folderStore, onFolders, S3_ENVIRONMENT, STORES, type TestStore } from './support/stores.js';
import { endRow, publishesItsRows, seen, tampering } from './support/tamper-matrix.js';
import { connected, record, runJob, runOnRequestAlone, verify } from './support/verification.js';

jest.setTimeout(180_000);

const BEHIND = '/docs/problems/ledger-behind-its-anchor';
const LEDGERS = ['_service', 'desk-1', 'desk-2', 'main'];
/** Longer than a replica waits before it looks at a closed ledger again. */
const PATIENCE_MS = 30_000;

let folder: string;
let test: TestStore;
let server: RestorableDatabase;
let service: TestService | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'truetrail-recovery-test-'));
  test = folderStore();
  server = await RestorableDatabase.start();
});
afterEach(async () => {
  await stopService();
  await server.close();
  test.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(url = test.url): Promise<TestService> {
  service = await startService({
    // the export of the minute would archive what a test means to lose
    env: { ARCHIVE_URL: url, SIGNING_KEY_FILE: join(folder, 'key.pem'), ARCHIVE_EXPORT_AGE: '24h' },
    database: server.database,
  });
  // the run of the minute would take up what a test means to find taken up by its own
  await runOnRequestAlone(service, 'archive-export');
  return service;
}

/** Its client alone, for statements that say nothing else of the service. */
function client(started: TestService): { http: () => ReturnType<TestService['http']> } {
  return { http: () => started.http() };
}

async function stopService(): Promise<void> {
  await service?.close();
  service = undefined;
}

function environment(): Record<string, string> {
  const { serviceUrl, ownerUrl } = server.database;
  return {
    DATABASE_URL: serviceUrl,
    DATABASE_OWNER_URL: ownerUrl,
    ARCHIVE_URL: test.url,
    DATA_DIR: folder,
    LOG_LEVEL: 'silent',
  };
}

function runRecovery(options: Partial<RecoverOptions> = {}, lines: string[] = []): Promise<RecoveryReport> {
  const config = readConfig(environment());
  return recover(config, { close: [], signedOnly: false, ...options }, (line) => lines.push(line));
}

const eventsOf = (ledgers: readonly string[]) =>
  query(server.database, 'SELECT * FROM audit_events WHERE ledger = ANY ($1) ORDER BY ledger, sequence', [ledgers]);
const keysOf = (ledgers: readonly string[]) =>
  query(server.database, 'SELECT * FROM event_keys WHERE ledger = ANY ($1) ORDER BY ledger, sequence', [ledgers]);

/** Two ledgers, signed, archived and backed up. */
async function first(): Promise<void> {
  const { http } = client(await start());
  await http().put('/v1/ledgers/desk-1').expect(201);
  await record(service!, 40);
  await record(service!, 5, 'desk-1');
  expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done' });
  expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
  await stopService();
  await server.backUp('backup');
}

interface Kept {
  content: Record<string, unknown>;
  receipt: { sequence: string };
}

const nested = (levels: number): object | string => (levels === 0 ? 'x' : { in: nested(levels - 1) });

/** More of them, and another ledger, after the backup; signed but for the last five of main. What desk-1's submitter keeps. */
async function second(): Promise<Kept[]> {
  const { http } = client(await start());
  await record(service!, 300, 'main', (i) => ({ metadata: { n: 1.5e21, i, text: '\u{1F600} "\\' } }));
  const contents = Array.from({ length: 3 }, (_, i) =>
    sampleEvent({
      raw: { media_type: 'text/plain', data: Buffer.from(`raw ${i}`).toString('base64') },
      metadata: nested(31), // with the event around it as deep as any may be
    }),
  );
  const { body } = await http().post('/v1/ledgers/desk-1/events/batch').send({ events: contents }).expect(201);
  await http().put('/v1/ledgers/desk-2').expect(201);
  await record(service!, 10, 'desk-2');
  await createKey(service!, ['events:read']);
  expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
  await record(service!, 5);
  return contents.map((content, i) => ({ content, receipt: body.receipts[i] }));
}

async function isRefused(path: string, body: object): Promise<string> {
  const { body: problem, headers } = await service!.http().post(path).send(body).expect(503);
  expect(problem.type).toBe(BEHIND);
  expect(headers['retry-after']).toBeDefined();
  return problem.detail as string;
}

/** Posts until the replica has looked again. */
async function untilOpen(ledger: string): Promise<Record<string, string>> {
  const event = sampleEvent();
  for (const began = Date.now(); ; await pause(250)) {
    const { status, body } = await service!.http().post(`/v1/ledgers/${ledger}/events`).send(event);
    if (status !== 503) {
      expect(status).toBe(201);
      return body;
    }
    if (Date.now() - began > PATIENCE_MS) throw new Error(`still closed: ${JSON.stringify(body)}`);
  }
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))('%s:', (_, make) => {
  describe('a database that was restored behind its anchors', () => {
    beforeEach(async () => {
      test.close();
      test = await make();
    });

    it('takes nothing where events are missing, and comes back bit for bit from the archive', async () => {
      await first();
      await second();
      expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
      await stopService();
      const before = { events: await eventsOf(LEDGERS), keys: await keysOf(LEDGERS) };
      tampering('restores an old backup', 'a superuser', 'of before the last round');
      await server.restore('backup', { newTimeline: true });

      const { http } = client(await start());
      expect(await isRefused('/v1/ledgers/main/events', sampleEvent())).toMatch(
        'ends at event 40, and 340 were signed: events 41 to 340 are missing',
      );
      seen('appends', [{ kind: 'refused', names: 'events 41–340' }]);
      const { findings } = await verify(service!);
      expect(findings).toMatchObject([{ kind: 'checkpoint', sequence: '41' }]);
      endRow();
      expect(await isRefused('/v1/ledgers/desk-1/events/batch', { events: [sampleEvent()] })).toMatch('events 6 to 8');
      expect(await isRefused('/v1/ledgers/desk-2/events', sampleEvent())).toMatch('events 1 to 10');
      const again = await http().put('/v1/ledgers/desk-2').expect(503);
      expect(again.body.type).toBe(BEHIND);
      await http()
        .post('/v1/api-keys')
        .send({ name: 'x', scopes: ['events:read'], ledgers: ['main'] })
        .expect(503);
      await http().get('/health/ready').expect(200);
      expect((await http().get('/v1/ledgers/main/events').expect(200)).body.events).toHaveLength(40);
      expect((await http().get('/metrics').expect(200)).text).toMatch('truetrail_ledgers_behind_anchor 4');
      // others go on
      await http().put('/v1/ledgers/other').expect(201);
      await record(service!, 7, 'other');
      const round = await runJob(service!, 'checkpoint');
      expect(round).toMatchObject({ status: 'done', outcome: { signed: 1 } });
      expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'failed' });

      const ended = await truetrail({ ...environment(), ...S3_ENVIRONMENT }, 'recover', '--json');
      expect(ended.code).toBe(0);
      const report = JSON.parse(ended.stdout) as { ledgers: Record<keyof RecoveredLedger, unknown>[] };
      expect(report.ledgers.find(({ ledger }) => ledger === 'main')).toMatchObject({
        unsigned: { from: '341', to: '345' },
      });
      expect(
        report.ledgers.filter(({ recovered }) => recovered).map(({ ledger, recovered }) => [ledger, recovered]),
      ).toEqual([
        ['_service', expect.anything()],
        ['desk-1', { from: '6', to: '8' }],
        ['desk-2', { from: '1', to: '10' }],
        ['main', { from: '41', to: '345' }],
      ]);
      expect(report.ledgers.every(({ missing, refusal }) => missing === null && refusal === null)).toBe(true);
      const recorded = await query(
        server.database,
        `SELECT event_id FROM audit_events WHERE ledger = '_service' AND event_type = 'recovery' ORDER BY sequence`,
      );
      expect(recorded).toHaveLength(4);
      const isNew = new Set(recorded.map(({ event_id: id }) => id));
      const old = (rows: Record<string, unknown>[]) => rows.filter(({ event_id: id }) => !isNew.has(id));
      expect(old(await eventsOf(LEDGERS))).toEqual(before.events);
      expect(old(await keysOf(LEDGERS))).toEqual(before.keys);

      const receipt = await untilOpen('main');
      expect(receipt.sequence).toBe('346');
      await createKey(service!, ['events:read']);
      for (const ledger of [...LEDGERS, 'other']) {
        expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
        expect(await verify(service!, {}, ledger)).toMatchObject({ verdict: 'valid' });
        await checkTrail(server.database.adminUrl, ledger);
      }
      expect(await runJob(service!, 'archive-export')).toMatchObject({
        status: 'done',
        outcome: { refused: [], adopted: 1 },
      });
      expect(await runJob(service!, 'archive-verification')).toMatchObject({ outcome: { verdict: 'valid' } });
      expect(await runJob(service!, 'schema-check')).toMatchObject({ outcome: { verdict: 'valid' } });
      // a second time there is nothing to do
      expect((await runRecovery()).ledgers.every(({ recovered }) => recovered === null)).toBe(true);
    });
  });
});

onFolders('a database that was restored behind its anchors', () => {
  it('leaves what no checkpoint proves when it is told so, what is of the future, and ledgers of others', async () => {
    await first();
    await second();
    expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
    await stopService();
    await server.restore('backup', { newTimeline: true });
    const lines: string[] = [];
    const { ledgers } = await runRecovery({ signedOnly: true }, lines);
    expect(ledgers.find(({ ledger }) => ledger === 'main')).toMatchObject({
      ...{ recovered: { from: 41n, to: 340n }, unsigned: null, missing: null },
    });
    expect(lines.join('\n')).toMatch(/main: what .* holds from event 341 on is not taken: no checkpoint was signed/);
    // as if these events had been made up
    const now = jest.spyOn(Date, 'now').mockReturnValue(Date.parse('2001-01-01T00:00:00Z'));
    try {
      const future = await runRecovery({}, lines);
      expect(future.ledgers.find(({ ledger }) => ledger === 'main')).toMatchObject({ recovered: null });
    } finally {
      now.mockRestore();
    }
    expect(lines.join('\n')).toMatch(/main: what .* holds from event 341 on is not taken: it says .* in the future/);
    const rest = await runRecovery();
    expect(rest.ledgers.find(({ ledger }) => ledger === 'main')).toMatchObject({
      ...{ recovered: { from: 341n, to: 345n }, unsigned: { from: 341n, to: 345n } },
    });
    const recorded = await query<{ state: Record<string, unknown> }>(
      server.database,
      `SELECT new_state AS state FROM audit_events
         WHERE ledger = '_service' AND event_type = 'recovery' AND entity_id = 'main' ORDER BY sequence DESC LIMIT 1`,
    );
    expect(recorded[0]!.state).toMatchObject({ unsigned: { from_sequence: '341', to_sequence: '345' } });
  });

  describe('legal holds', () => {
    const REASON = 'Inquiry 2026/117';
    const holdsOf = () => query(server.database, 'SELECT * FROM legal_holds ORDER BY id');
    const actsOf = () =>
      query<{ hold: string; ordinal: number }>(server.database, 'SELECT * FROM legal_hold_acts ORDER BY hold, ordinal');
    let ann: string;
    let bob: string;

    const ask = async (who: string, members: object = {}): Promise<string> => {
      const hold = { ledgers: ['main'], reason: REASON, ...members };
      return (await service!.http(who).post('/v1/legal-holds').send(hold).expect(201)).body.id as string;
    };
    const act = (who: string, hold: string, what: string) =>
      service!.http(who).post(`/v1/legal-holds/${hold}/${what}`).send({ reason: REASON }).expect(201);
    const person = async () => (await createKey(service!, ['holds:request', 'holds:approve'], ['*'])).key;
    const keeping = async (): Promise<string[]> =>
      (await query<{ id: string }>(server.database, 'SELECT month_holds(NULL, NULL, NULL) AS id')).map(({ id }) => id);

    async function keyed(): Promise<void> {
      await start();
      [ann, bob] = [await person(), await person()];
      await record(service!, 5);
    }

    async function backedUp(): Promise<void> {
      expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done' });
      expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
      await stopService();
      await server.backUp('backup');
      await start();
    }

    it('come back as the acts on record left them, but for an end that nothing signed proves', async () => {
      await keyed();
      const [agreed, released, rejected, kept] = [await ask(ann), await ask(ann), await ask(ann), await ask(ann)];
      await act(bob, released, 'approvals');
      await act(bob, kept, 'approvals');
      await backedUp();
      await act(bob, agreed, 'approvals');
      await act(ann, released, 'releases');
      await act(bob, released, 'approvals');
      await act(bob, rejected, 'rejections');
      await act(ann, kept, 'releases');
      // of somebody whose key the backup has not
      const later = await ask(await person(), { user_id: 'trader-1', recorded_from: '2026-01-01T00:00:00.123456Z' });
      await act(bob, later, 'approvals');
      const gone = await ask(ann);
      await act(bob, gone, 'rejections');
      expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done' });
      await act(bob, kept, 'approvals');
      await act(ann, agreed, 'releases');
      const unsigned = await ask(ann, { entity_type: 'order', entity_id: 'O-1' });
      expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
      await stopService();
      const before = { holds: await holdsOf(), acts: await actsOf() };
      await server.restore('backup', { newTimeline: true });
      expect((await keeping()).sort()).toEqual([agreed, released, rejected, kept].sort());

      const lines: string[] = [];
      const { ledgers } = await runRecovery({}, lines);
      const own = ledgers.find(({ ledger }) => ledger === '_service')!;
      expect(own).toMatchObject({ missing: null, refusal: null });
      const states = Object.fromEntries(own.holds.map(({ id, state }) => [id, state]));
      expect(states).toEqual({
        ...{ [agreed]: 'active', [released]: 'released', [rejected]: 'rejected', [kept]: 'release-requested' },
        ...{ [later]: 'active', [gone]: 'rejected', [unsigned]: 'requested' },
      });
      expect(lines.filter((line) => line.includes('is left out'))).toEqual([
        expect.stringMatching(
          new RegExp(`^legal hold ${kept}: event [0-9]+ of _service \\(approve_release\\) is left out`),
        ),
        expect.stringMatching(new RegExp(`^legal hold ${agreed}: event [0-9]+ of _service \\(request_release\\) is`)),
      ]);
      expect((await keeping()).sort()).toEqual([agreed, kept, later, unsigned].sort());
      const others = <T extends { id?: string; hold?: string }>(rows: T[]) =>
        rows.filter(({ id, hold }) => ![kept, agreed].includes((id ?? hold)!));
      expect(others(await holdsOf())).toEqual(others(before.holds));
      expect(others(await actsOf())).toEqual(others(before.acts));
      // what leads to the end alone was left out
      expect((await actsOf()).filter(({ hold }) => [kept, agreed].includes(hold))).toEqual(
        before.acts.filter(({ hold, ordinal }) => (hold === kept && ordinal < 4) || (hold === agreed && ordinal < 3)),
      );
      const [recorded] = await query<{ holds: string[] }>(
        server.database,
        `SELECT new_state -> 'legal_holds' AS holds FROM audit_events
           WHERE ledger = '_service' AND event_type = 'recovery' AND entity_id = '_service'`,
      );
      expect([...recorded!.holds].sort()).toEqual(Object.keys(states).sort());
      // a second time there is nothing to do
      expect((await runRecovery()).ledgers.flatMap(({ holds }) => holds)).toEqual([]);

      await start();
      expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
      expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
      expect(await runJob(service!, 'legal-holds')).toMatchObject({ status: 'done' });
      const carol = await person();
      await act(carol, kept, 'approvals');
      expect(await keeping()).not.toContain(kept);
    });

    it('come back all at once with their ledger, or not at all', async () => {
      await keyed();
      await backedUp();
      const later = await ask(ann);
      expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done' });
      expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
      await stopService();
      await server.restore('backup', { newTimeline: true });
      await query(server.database, 'ALTER TABLE legal_hold_acts ADD CONSTRAINT in_the_way CHECK (false)');
      await expect(runRecovery()).rejects.toThrow('in_the_way');
      const requests = () =>
        query(server.database, `SELECT sequence FROM audit_events WHERE event_type = 'legal_hold'`);
      expect([await requests(), await keeping()]).toEqual([[], []]);
      await query(server.database, 'ALTER TABLE legal_hold_acts DROP CONSTRAINT in_the_way');
      await runRecovery();
      expect([(await requests()).length, await keeping()]).toEqual([1, [later]]);
    });

    it('are named as lost where the acts cannot be seen, and what the store holds stays held', async () => {
      await keyed();
      await backedUp();
      const lost = await ask(ann);
      expect(await runJob(service!, 'legal-holds')).toMatchObject({ status: 'done' });
      const held = await query<{ key: string; version: string }>(
        server.database,
        `SELECT object_key AS key, version_id AS version FROM archive_object_holds JOIN archive_objects USING (number)`,
      );
      expect(held.length).toBeGreaterThan(0);
      expect(await runJob(service!, 'checkpoint')).toMatchObject({ status: 'done' });
      await stopService();
      await server.restore('backup', { newTimeline: true });

      const lines: string[] = [];
      const { ledgers, closed } = await runRecovery({ close: ['_service'] }, lines);
      const { missing } = ledgers.find(({ ledger }) => ledger === '_service')!;
      expect(missing).not.toBeNull();
      const told = lines.filter((line) => line.includes('legal hold'));
      expect(told).toEqual([
        expect.stringContaining(
          `_service: acts on legal holds in events ${missing!.from} to ${missing!.to} cannot be seen: a hold that was asked for there is NOT in force`,
        ),
        ...held.map(({ key }) => expect.stringContaining(`${key} is under a legal hold in the store, which no hold`)),
      ]);
      expect(closed).toHaveLength(1);
      expect(await keeping()).toEqual([]);

      await start();
      expect(await runJob(service!, 'legal-holds')).toMatchObject({ status: 'done', outcome: { freed: 0 } });
      for (const { key, version } of held) {
        expect([key, (await test.store.describe({ key, versionId: version })).legalHold]).toEqual([key, true]);
      }
      expect(await keeping()).not.toContain(lost);
    });
  });

  it('is not written to by the command line either; and is told where something was recorded in it', async () => {
    await first();
    const other = join(folder, 'other-history');
    cpSync(fileURLToPath(test.url), other, { recursive: true });
    await second();
    await stopService();
    await server.restore('backup', { newTimeline: true });
    // by who does not know the anchors
    await start(`file:${other}`);
    await record(service!, 400);
    await stopService();
    const size = (await eventsOf(['_service'])).length;
    const key = ['keys', 'create', '--name', 'oncall', '--scopes', 'events:read', '--ledgers', '*'];
    const refused = await truetrail(environment(), ...key);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/The ledger (ends at event|is not what was signed)/);
    expect(await eventsOf(['_service'])).toHaveLength(size);
    const { ledgers } = await runRecovery();
    expect(ledgers.find(({ ledger }) => ledger === 'main')).toMatchObject({
      ...{ missing: null, differs: true, refusal: expect.stringContaining('it is not what was signed') },
    });
    const told = await truetrail(environment(), 'recover');
    expect([told.code, told.stderr]).toEqual([1, expect.stringMatching(/Not recovered: .*main/)]);
    expect(told.stdout).toMatch(/^main: nothing was brought back; it is not what was signed: /m);
  });

  it('takes the events of another object where one leads to what was not signed', async () => {
    await first();
    const other = join(folder, 'other-history');
    cpSync(fileURLToPath(test.url), other, { recursive: true });
    await start();
    await record(service!, 3, 'desk-1');
    expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
    await record(service!, 60);
    for (const job of ['checkpoint', 'archive-export']) {
      expect(await runJob(service!, job)).toMatchObject({ status: 'done' });
    }
    const before = await eventsOf(['desk-1', 'main']);
    await stopService();
    // from the same backup on, and written by the same service: it has all that is right but the root
    await server.restore('backup', { newTimeline: true });
    await start(`file:${other}`);
    await record(service!, 60);
    expect(await runJob(service!, 'archive-export')).toMatchObject({ status: 'done' });
    await stopService();
    const isNew = (name: string): boolean => !existsSync(join(fileURLToPath(test.url), 'early', name));
    const made = readdirSync(join(other, 'early')).filter(isNew);
    expect(made.some((name) => name.endsWith('.parquet'))).toBe(true);
    for (const name of made) cpSync(join(other, 'early', name), join(fileURLToPath(test.url), 'early', name));

    await server.restore('backup', { newTimeline: true });
    const lines: string[] = [];
    const { ledgers } = await runRecovery({}, lines);
    expect(ledgers.find(({ ledger }) => ledger === 'main')).toMatchObject({
      ...{ recovered: { from: 41n, to: 100n }, missing: null, refusal: null },
    });
    expect(lines.join('\n')).toMatch(
      /main: early\/\S+ is not taken from event 41 on, which another object holds as well: with it the first 100 events are not/,
    );
    expect(await eventsOf(['desk-1', 'main'])).toEqual(before);
  });

  it('is noticed by a replica that was running while files were put in the place of its server’s', async () => {
    const portOf = (url: string): number => Number(new URL(url).port);
    const proxy = await FaultProxy.start(portOf(server.database.serviceUrl));
    const through = (url: string): string => Object.assign(new URL(url), { port: String(proxy.port) }).href;
    const { serviceUrl, ownerUrl, ...rest } = server.database;
    try {
      service = await startService({
        env: { ARCHIVE_URL: test.url, SIGNING_KEY_FILE: join(folder, 'key.pem'), ARCHIVE_EXPORT_AGE: '24h' },
        database: { ...rest, serviceUrl: through(serviceUrl), ownerUrl: through(ownerUrl) },
      });
      await record(service, 40);
      await server.backUp('running'); // with the replica connected
      await record(service, 20);
      expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
      proxy.cut();
      await server.restore('running');
      proxy.retarget(portOf(server.database.serviceUrl));
      for (const began = Date.now(); ; await pause(250)) {
        const { status, body } = await service.http().post('/v1/ledgers/main/events').send(sampleEvent());
        expect(status).toBe(503);
        if (body.type === BEHIND) {
          expect(body.detail).toMatch('ends at event 40, and 60 were signed');
          break;
        }
        expect(Date.now() - began).toBeLessThan(PATIENCE_MS);
      }
    } finally {
      await stopService();
      await proxy.close();
    }
  });

  it('takes receipts that are proven, and closes what nobody has any more, for a successor', async () => {
    await first();
    const kept = await second();
    await stopService();
    await server.restore('backup');
    const { http } = client(await start());
    await isRefused('/v1/ledgers/main/events', sampleEvent());

    const nothing = await runRecovery();
    expect(nothing.ledgers.find(({ ledger }) => ledger === 'main')).toMatchObject({
      recovered: null,
      missing: { from: 41n, to: 340n },
    });
    const receipts = join(folder, 'receipts.ndjson');
    const write = (lines: readonly Kept[]): void =>
      writeFileSync(receipts, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    write(kept.map((line, i) => (i === 1 ? { ...line, content: { ...line.content, user_id: 'mallory' } } : line)));
    const forged = await runRecovery({ receipts });
    expect(forged.ledgers.find(({ ledger }) => ledger === 'desk-1')).toMatchObject({
      recovered: null,
      refusal: expect.stringContaining('event 7'),
    });
    write(kept.slice(0, 2)); // no root proves these
    expect((await runRecovery({ receipts })).ledgers.every(({ recovered }) => recovered === null)).toBe(true);
    write([...kept].reverse());
    await expect(runRecovery({ close: ['other'] })).rejects.toThrow('there is no ledger other');
    const { ledgers, closed } = await runRecovery({ receipts, close: ['main', '_service'] });
    expect(ledgers.find(({ ledger }) => ledger === 'desk-1')).toMatchObject({ recovered: { from: 6n, to: 8n } });
    expect(closed).toMatchObject([
      { ledger: 'main', size: 40n, provable: 40n, missing: { from: 41n, to: 340n }, successor: 'main-2' },
      { ledger: '_service', successor: '_service-2' },
    ]);
    // killed or called again, it opens no other
    expect((await runRecovery({ close: ['main'] })).closed).toMatchObject([{ successor: 'main-2' }]);
    await expect(runRecovery({ close: ['desk-1'] })).rejects.toThrow('lacks nothing');

    expect((await untilOpen('desk-1')).sequence).toBe('9');
    const refused = await http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(409);
    expect(refused.body.type).toBe('/docs/problems/ledger-closed');
    expect((await http().get('/v1/ledgers/main').expect(200)).body).toMatchObject({ state: 'closed', size: '40' });
    const { body } = await http().get('/v1/ledgers/main-2/events').expect(200);
    expect(body.events).toMatchObject([
      {
        event_type: 'ledger',
        entity_type: 'ledger',
        entity_id: 'main',
        action: 'succeed',
        recorded_by: 'service',
        new_state: { provable_size: '40', missing: { from_sequence: '41', to_sequence: '340' } },
      },
    ]);
    expect(body.events[0].new_state.checkpoint).toMatch(/\/main\n340\n/);
    expect(body.events[0].new_state.origin).toMatch(/\/main$/);
    // what was signed before the backup is proven by the checkpoint over it, and not by the last one, whose events are lost
    const [oldest] = (await http().get('/v1/ledgers/main/events?limit=1').expect(200)).body.events;
    const proof = await http().get(`/v1/ledgers/main/events/${oldest.event_id}/proof`).expect(200);
    expect(proof.body).toMatchObject({ checkpoint: expect.stringMatching(/\/main\n40\n/) });
    expect((await http().get('/v1/ledgers/main/consistency?from=7').expect(200)).body).toMatchObject({ to: '40' });
    expect((await http().get('/v1/ledgers/main/checkpoint').expect(200)).text).toMatch(/\/main\n340\n/);
    await http().get('/v1/ledgers/main/tile/0/000.p/40').expect(200);
    for (const question of [{ event_ids: [oldest.event_id] }, { to_sequence: '40' }, { order_id: oldest.entity_id }]) {
      const bundle = await http()
        .post('/v1/ledgers/main/evidence')
        .send(question)
        .buffer(true)
        .parse(asBytes)
        .expect(200);
      const keys = [VerifierKey.parse((await http().get('/v1/ledgers/main/keys').expect(200)).text.trimEnd())];
      expect(verifyBundle(inMemory(bundle.body as Buffer), { keys })).toMatchObject({ verdict: 'valid', findings: [] });
    }
    for (const path of ['consistency?from=7&to=340', 'tile/0/001.p/84', 'tile/entries/000']) {
      const { body: problem } = await http().get(`/v1/ledgers/main/${path}`).expect(410);
      expect(problem).toMatchObject({
        type: '/docs/problems/events-lost',
        detail: expect.stringContaining(
          '340 events of main were signed, and not all of them are there any more: proofs',
        ),
      });
    }
    // what it lacks is found by each verification, and is no alarm
    expect(await verify(service!, {}, 'main')).toMatchObject({ verdict: 'invalid' });
    const { text } = await http().get('/metrics').expect(200);
    expect(text).toContain('truetrail_closed_ledger_changed{ledger="main"} 0');
    expect(text).not.toContain('truetrail_verification_valid{ledger="main"}');
    const again = (await runRecovery({})).ledgers.filter(({ isOpen }) => !isOpen);
    expect(again.map(({ ledger }) => ledger)).toEqual(['_service', 'main']);
    await record(service!, 3, 'main-2');
    await createKey(service!, ['events:read']);
    const [own] = await query<{ events: string }>(
      server.database,
      `SELECT count(*) AS events FROM audit_events WHERE ledger = '_service-2' AND event_type = 'api_key'`,
    );
    expect(own).toEqual({ events: '1' });
    // what is to be kept of a closed ledger is to be kept of its successor
    const policy = { record_class: 'main', valid_from: '2020-01-01', ledger: 'main', years: 12, reason: 'Inquiry' };
    await http().post('/v1/retention-policies').send(policy).expect(201);
    await http()
      .post('/v1/legal-holds')
      .send({ ledgers: ['main'], reason: 'Inquiry' })
      .expect(201);
    const retained = await query<{ ledger: string; years: number; holds: string }>(
      server.database,
      `SELECT l.ledger, (SELECT years FROM retention_of_contents(ARRAY[l.ledger], ARRAY['order'], ARRAY['x'], ARRAY[now()])),
              (SELECT count(*) FROM month_holds(now() - interval '1 day', now(), ARRAY[l.ledger])) AS holds
         FROM unnest(ARRAY['desk-1', 'main', 'main-2']) AS l (ledger)`,
    );
    expect(retained).toEqual([
      { ledger: 'desk-1', years: 7, holds: '0' },
      { ledger: 'main', years: 12, holds: '1' },
      { ledger: 'main-2', years: 12, holds: '1' },
    ]);
    const round = await runJob(service!, 'checkpoint');
    expect(round.outcome).toMatchObject({ refused: [{ ledger: 'desk-2' }] });
    expect(await verify(service!, {}, 'main-2')).toMatchObject({ verdict: 'valid' });
    expect(await verify(service!, {}, 'desk-1')).toMatchObject({ verdict: 'valid' });
    for (const ledger of ['main', 'main-2', '_service', '_service-2', 'desk-1']) {
      await checkTrail(server.database.adminUrl, ledger);
    }

    // the same again is no news; a tail that is cut off further is
    const changed = async (): Promise<string | undefined> => {
      await verify(service!, {}, 'main');
      return /truetrail_closed_ledger_changed\{ledger="main"\} (\S+)/.exec((await http().get('/metrics')).text)?.[1];
    };
    expect(await changed()).toBe('0');
    await connected(server.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ leaf: string }>(
        `SELECT DISTINCT tableoid::regclass::text AS leaf FROM audit_events WHERE ledger = 'main'`,
      );
      await admin.query('SET session_replication_role = replica');
      for (const { leaf } of rows) await admin.query(`ALTER TABLE ${leaf} DISABLE TRIGGER ALL`);
      await admin.query('ALTER TABLE audit_events DISABLE TRIGGER ALL; ALTER TABLE ledger_heads DISABLE TRIGGER ALL');
      await admin.query(`DELETE FROM audit_events WHERE ledger = 'main' AND sequence > 35`);
      await admin.query(
        `UPDATE ledger_heads AS h SET size = 35, event_hash = e.event_hash
           FROM audit_events AS e WHERE h.ledger = 'main' AND e.ledger = 'main' AND e.sequence = 35`,
      );
    });
    expect(await changed()).toBe('1');

    // one who has looked ends the alarm; what then looks whole again is another change
    const { id } = await verify(service!, {}, 'main');
    await http().post(`/v1/ledgers/main/verifications/${id}/acknowledgements`).send({ reason: 'Case 17' }).expect(201);
    expect(await changed()).toBe('0');
    await query(
      server.database,
      `INSERT INTO verifications (id, ledger, from_sequence, to_sequence, to_head, status, verdict, next_sequence, checked,
                                  requested_by, created_at, started_at, progress_at, finished_at)
         SELECT gen_random_uuid(), ledger, 1, 40, true, status, 'valid', 41, 40,
                requested_by, created_at + interval '1 hour', started_at, progress_at, finished_at + interval '1 hour'
           FROM verifications WHERE id = $1`,
      [id],
    );
    const { text: whole } = await http().get('/metrics').expect(200);
    expect(whole).toContain('truetrail_closed_ledger_changed{ledger="main"} 1');
  });
});

onFolders('a store that cannot be asked', () => {
  it('holds up appends only on a server that is another than before', async () => {
    await first();
    const path = test.url.slice('file:'.length);
    renameSync(path, `${path}.away`);
    let { http } = client(await start());
    await http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
    await stopService();

    await server.restore('backup', { newTimeline: true });
    ({ http } = client(await start()));
    const waits = await http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(503);
    expect(waits.body.type).toBe('/docs/problems/anchors-unavailable');
    expect(waits.headers['retry-after']).toBeDefined();
    await http().get('/health/ready').expect(200);
    rmSync(path, { recursive: true, force: true });
    renameSync(`${path}.away`, path);
    await http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
  });
});

publishesItsRows('recovery.e2e-spec.ts', ['S3:', 'a folder:']);
