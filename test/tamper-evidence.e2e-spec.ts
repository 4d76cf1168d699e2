import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { jest } from '@jest/globals';
import pg from 'pg';
import { pino, type Logger } from 'pino';
import { uuidv7 } from '../src/database/uuidv7.js';
import { EvidenceVerification } from '../src/evidence/evidence-verification.job.js';
import { Evidence } from '../src/evidence/evidence.js';
import { anchorKey } from '../src/integrity/anchor.js';
import { signText, formatNote, parseNote, verifierKey } from '../src/integrity/signed-note.js';
import { Problem } from '../src/http/problem.js';
import { LOGGER } from '../src/operation/logger.js';
import { startService, TEST_KEY, TEST_ORIGIN, type TestService } from './support/app.js';
import { COLUMN_CHANGES, eventOfEveryColumn } from './support/column-changes.js';
import { verifyEvidence, type ShownEvidenceVerification } from './support/evidence-verification.js';
import { query, serviceEvents, type ServiceEventRow } from './support/keys.js';
import { rewriting } from './support/rewriting.js';
import { folderStore, type TestStore } from './support/stores.js';
import { publishesItsRows, tampering, type Way } from './support/tamper-matrix.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { record, runJob, tamper, whenOver, type JobRun } from './support/verification.js';

/*
 * What level 4 finds: bundles of samples of a ledger, made from the tampered trail and verified by public keys alone. Each
 * test does it for real, and reads the verdict over HTTP.
 */

/** All of them signed. */
const EVENTS = 8;
const CHANGED = 4;
const THE_EVENT = `WHERE ledger = $ledger AND sequence = ${CHANGED}`;

let store: TestStore;
let folder: string;
let service: TestService;
let ledgers = 0;
const alarms: string[] = [];

beforeAll(async () => {
  store = folderStore();
  folder = mkdtempSync(join(tmpdir(), 'truetrail-level-4-'));
  const logger = pino(
    { level: 'warn' },
    {
      write: (line: string) => {
        const { alarm } = JSON.parse(line) as { alarm?: string };
        if (alarm !== undefined) alarms.push(alarm);
      },
    },
  );
  const env = {
    ...{ ARCHIVE_URL: store.url, ARCHIVE_EXPORT_AGE: '24h', SIGNING_KEY_FILE: join(folder, 'key.pem') },
    ...{ EVIDENCE_VERIFICATION_SCHEDULE: 'off', EVIDENCE_VERIFICATION_EVENTS: '20' },
  };
  service = await startService({ env, logger });
});
afterAll(async () => {
  await service.close();
  store.close();
  rmSync(folder, { recursive: true });
});

/** A new ledger of EVENTS events that use every column, signed. */
async function newLedger(): Promise<string> {
  const ledger = `bundled-${(ledgers += 1)}`;
  await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
  await record(service, EVENTS / 2, ledger, eventOfEveryColumn);
  await record(service, EVENTS / 2, ledger, eventOfEveryColumn);
  expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
  return ledger;
}

const bySuperuser = (way: Way, done: string, more: { blind?: string } = {}): void =>
  tampering(way, 'a superuser', done, more);

/** `kind@sequence` of each finding, in order. */
const places = ({ findings }: ShownEvidenceVerification): string[] =>
  findings.map(({ kind, sequence }) => `${kind}@${sequence}`);

async function afterTampering(ledger: string, ...statements: string[]): Promise<ShownEvidenceVerification> {
  await tamper(service.database.adminUrl, ...statements.map((sql) => sql.replaceAll('$ledger', `'${ledger}'`)));
  return verifyEvidence(service, ledger);
}

describe('a bundle of what was not touched', () => {
  it('is valid: of all there is, or of a range', async () => {
    const ledger = await newLedger();
    expect(await verifyEvidence(service, ledger)).toMatchObject({
      ...{ verdict: 'valid', events: EVENTS, findings: [], findings_total: 0, unread: [] },
      bundles: [
        { of: 'recent', from_sequence: '1', to_sequence: String(EVENTS), verdict: 'valid', checkpoint_size: '8' },
      ],
    });
    expect(await verifyEvidence(service, ledger, { from_sequence: '3', to_sequence: '5' })).toMatchObject({
      ...{ verdict: 'valid', events: 3, bundles: [{ of: 'asked', from_sequence: '3', to_sequence: '5' }] },
    });
  });

  it('is of the last events, some from anywhere, and none that was never signed', async () => {
    const ledger = await newLedger();
    await record(service, 60, ledger);
    await runJob(service, 'checkpoint');
    await record(service, 3, ledger);
    const { verdict, bundles, events } = await verifyEvidence(service, ledger);
    expect([verdict, events, bundles.map(({ of }) => of)]).toEqual(['valid', 40, ['recent', 'random']]);
    expect(bundles[0]).toMatchObject({ from_sequence: '49', to_sequence: '68' });
  });

  it('is none of a ledger without events, and undecided where nothing is signed yet', async () => {
    const ledger = `bundled-${(ledgers += 1)}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    expect(await verifyEvidence(service, ledger)).toMatchObject({
      verdict: 'undecided',
      bundles: [],
      events: 0,
      unread: [],
    });
    const path = `/v1/ledgers/${ledger}/evidence/verifications`;
    for (const [events, to_sequence] of [
      [0, '1000'],
      [2, '3'],
    ] as const) {
      if (events > 0) await record(service, events, ledger);
      const { body } = await service.http().post(path).send({ from_sequence: '1', to_sequence }).expect(400);
      const detail = `to_sequence must be no more than the ledger's size, ${events}`;
      expect([body.type, body.errors]).toEqual([
        '/docs/problems/invalid-body',
        [{ pointer: '/to_sequence', rule: 'range', detail }],
      ]);
    }
    expect(await verifyEvidence(service, ledger, { from_sequence: '2', to_sequence: '2' })).toMatchObject({
      ...{ verdict: 'undecided', bundles: [], unread: [{ from_sequence: '2', to_sequence: '2' }] },
    });
    expect(await verifyEvidence(service, ledger)).toMatchObject({
      ...{ verdict: 'undecided', bundles: [], unread: [{ from_sequence: '1', to_sequence: '2' }] },
    });
  });

  it.each([
    [{ from_sequence: '0', to_sequence: '2' }, 400, 'from_sequence'],
    [{ from_sequence: '1' }, 400, 'to_sequence'],
    [{ from_sequence: '5', to_sequence: '4' }, 400, 'to_sequence'],
    [{ from_sequence: '1', to_sequence: '10001' }, 400, 'to_sequence'],
    [{ from_sequence: '99999', to_sequence: '99999' }, 400, 'to_sequence'],
    [{ events: 5 }, 400, 'events'],
  ])('is asked for in words that are understood: %j', async (range, status, member) => {
    const ledger = await newLedger();
    const path = `/v1/ledgers/${ledger}/evidence/verifications`;
    const { body } = await service.http().post(path).send(range).expect(status);
    expect(body.errors[0].pointer).toBe(`/${member}`);
  });

  it('is made for whoever has the scope, and on record', async () => {
    const ledger = await newLedger();
    await service.http(null).post(`/v1/ledgers/${ledger}/evidence/verifications`).expect(401);
    const { id } = await verifyEvidence(service, ledger);
    const recorded = (await serviceEvents(service.database, 'evidence_verification')).at(-1);
    expect(recorded).toMatchObject({
      ...{ entity_id: ledger, action: 'done', new_state: { verification: id, verdict: 'valid', findings_total: 0 } },
    });
  });
});

describe('a changed column', () => {
  /** Of what its column's change shows in a bundle; where nothing is said, in its content alone. */
  const FINDS: Record<string, string[]> = {
    ledger: ['missing@4'],
    sequence: ['missing@4'],
    // the event after it names it as it was
    recorded_at: ['link@4', 'link@5'],
    event_id: ['link@4', 'content@4', 'link@5'],
    recorded_by: ['link@4', 'link@5'],
    content_hash: ['link@4', 'content@4', 'link@5'],
    previous_event_hash: ['link@4', 'link@4', 'link@5'],
    event_hash: ['link@4'],
  };

  it.each(Object.entries(COLUMN_CHANGES))('is named by the verifier: %s', async (column, to) => {
    const ledger = await newLedger();
    bySuperuser('changes a column of a row', column);
    const found = await afterTampering(ledger, `UPDATE audit_events SET "${column}" = ${to} ${THE_EVENT}`);
    expect(found).toMatchObject({ verdict: 'invalid', unread: [] });
    expect(places(found).sort()).toEqual([...(FINDS[column] ?? ['content@4'])].sort());
  });

  it('is told apart from others that are damaged, also where a value keeps the bundle from being made', async () => {
    const ledger = await newLedger();
    bySuperuser('changes a number past its 17th digit', 'and another event');
    const found = await afterTampering(
      ledger,
      `UPDATE audit_events SET new_state = jsonb_set(new_state, '{exact}', '9007199254740993') ${THE_EVENT}`,
      `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = $ledger AND sequence = 7`,
    );
    expect(places(found)).toEqual(['content@4', 'content@7']);
    expect(found.findings[0]!.detail).toContain('new_state');
  });
});

describe('single records', () => {
  it.each([
    ['deletes events', 'one in the middle', [`DELETE FROM audit_events ${THE_EVENT}`], ['missing@4']],
    [
      'swaps two events',
      'their contents, with salt and hash',
      [
        `UPDATE audit_events AS a SET (user_id, salt, content_hash, event_id) =
           (SELECT b.user_id, b.salt, b.content_hash, b.event_id FROM audit_events AS b
              WHERE b.ledger = a.ledger AND b.sequence = 9 - a.sequence)
           WHERE ledger = $ledger AND sequence IN (4, 5)`,
      ],
      ['link@4', 'content@4', 'link@5', 'content@5', 'link@6'],
    ],
  ] as const)('of whoever %s are named: %s', async (way, done, statements, finds) => {
    const ledger = await newLedger();
    bySuperuser(way, done);
    const found = await afterTampering(ledger, ...statements);
    expect(found.verdict).toBe('invalid');
    expect([...new Set(places(found))].sort()).toEqual([...finds].sort());
  });
});

describe('history that agrees with itself', () => {
  it('has no bundle of what was cut off', async () => {
    const ledger = await newLedger();
    bySuperuser('cuts the tail', 'with keys and head: 6 of 8 events are left, all signed');
    const found = await afterTampering(
      ledger,
      `DELETE FROM audit_events WHERE ledger = $ledger AND sequence > 6`,
      `DELETE FROM event_keys WHERE ledger = $ledger AND sequence > 6`,
      `UPDATE ledger_heads SET size = 6, event_hash =
         (SELECT event_hash FROM audit_events AS e WHERE e.ledger = $ledger AND sequence = 6) WHERE ledger = $ledger`,
    );
    expect(places(found)).toEqual(['missing@null']);
    expect(found.findings[0]!.detail).toMatch(/^8 events .*were signed/);
  });

  it('does not lead to the root that was signed, when it was rewritten with right hashes', async () => {
    const ledger = await newLedger();
    bySuperuser('rewrites all from an event on, with right hashes', `from event ${CHANGED} of 8 on, all signed`);
    const found = await afterTampering(ledger, ...(await rewriting(service.database, ledger, BigInt(CHANGED))));
    expect(places(found)).toEqual(['proof@null']);
    expect(found.findings[0]!.detail).toContain('events 1 to 8: ');
  });

  it('is not signed by a key that an auditor has, whatever the database says of keys', async () => {
    const ledger = await newLedger();
    const { privateKey } = generateKeyPairSync('ed25519');
    const origin = `${TEST_ORIGIN}/${ledger}`;
    const [signed] = await query<{ note: string; anchor: string }>(
      service.database,
      `SELECT note, anchor::text FROM checkpoints WHERE ledger = $1 AND size = 8`,
      [ledger],
    );
    const { text } = parseNote(signed!.note);
    const forged = formatNote({ text, signatures: [signText(text, origin, privateKey)] });
    bySuperuser('edits what was signed', 'signs the last checkpoint with another key, and makes it one of the service');
    const { publicKey } = verifierKey(origin, privateKey);
    const found = await afterTampering(
      ledger,
      `INSERT INTO signing_keys (number, public_key, from_anchor)
         SELECT 2, '\\x${publicKey.toString('hex')}', from_anchor FROM signing_keys`,
      `UPDATE checkpoints SET note = '${forged}' WHERE ledger = $ledger AND size = 8`,
    );
    expect(places(found)).toEqual(['anchor@null']);
    await tamper(service.database.adminUrl, 'DELETE FROM signing_keys WHERE number = 2');
  });

  it('does not lead to the root where hashes of the tree were changed', async () => {
    const ledger = `bundled-${(ledgers += 1)}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    for (let i = 0; i < 6; i++) await record(service, 100, ledger);
    await runJob(service, 'checkpoint');
    bySuperuser('edits what was signed', 'a hash of the tree that is kept');
    await tamper(
      service.database.adminUrl,
      `UPDATE tree_tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE ledger = '${ledger}' AND level = 1`,
    );
    const found = await verifyEvidence(service, ledger);
    expect(found.verdict).toBe('invalid');
    expect(new Set(places(found))).toEqual(new Set(['proof@null']));
  });
});

describe('a month that PostgreSQL has dropped', () => {
  const SIZE = 90;
  let archive: TestStore;
  let other: TestService;
  let env: Record<string, string>;
  const settings = { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS };
  let admin: pg.Client;
  beforeAll(async () => {
    archive = folderStore();
    env = {
      ...{ ARCHIVE_URL: archive.url, ARCHIVE_EXPORT_AGE: '24h', SIGNING_KEY_FILE: join(folder, 'other.pem') },
      ...{ EVIDENCE_VERIFICATION_SCHEDULE: 'off', EVIDENCE_VERIFICATION_EVENTS: '20' },
    };
    other = await startService({ env, settings });
    admin = new pg.Client({ connectionString: other.database.adminUrl });
    await admin.connect();
    const now = new Date();
    await moveTrailClock(admin, new Date(Date.UTC(now.getUTCFullYear() - 2, now.getUTCMonth(), 15, 12)));
    await runJob(other, 'partition-maintenance');
    await record(other, SIZE);
    await moveTrailClock(admin, now);
    for (const job of ['partition-maintenance', 'archive-export', 'retention']) await runJob(other, job);
    await record(other, 30);
    await runJob(other, 'checkpoint');
  });
  afterAll(async () => {
    await admin.end();
    await other.close();
    archive.close();
  });

  /** The path of an object, which its owner may write to. */
  const writable = (...path: string[]): string => {
    const object = join(new URL(archive.store.location).pathname, ...path);
    chmodSync(object, 0o600);
    return object;
  };

  it('is in bundles that verify', async () => {
    const { body: ledger } = await other.http().get('/v1/ledgers/main').expect(200);
    expect(ledger.archived_to).toBe(String(SIZE));
    const { verdict, bundles, events, findings } = await verifyEvidence(other, 'main');
    expect([verdict, findings, bundles.map(({ of }) => of)]).toEqual(['valid', [], ['recent', 'random', 'archived']]);
    expect(events).toBe(60);
    expect(BigInt(bundles[2]!.to_sequence)).toBeLessThanOrEqual(BigInt(SIZE));
    const across = await verifyEvidence(other, 'main', { from_sequence: '1', to_sequence: String(SIZE + 30) });
    expect(across).toMatchObject({ verdict: 'valid', events: SIZE + 30 });
  });

  it('is found damaged in its object', async () => {
    const month = readdirSync(join(new URL(archive.store.location).pathname, 'month'));
    const objects = month.filter((name) => name.endsWith('.parquet')).map((name) => writable('month', name));
    expect(objects).not.toEqual([]);
    const before = objects.map((object) => readFileSync(object));
    const replica = await startService({ env, settings, database: other.database }); // what was read is kept in memory
    try {
      tampering('replaces an object', 'the folder’s owner', 'of a month that was dropped, changed in place');
      for (const [i, object] of objects.entries()) {
        const bytes = Buffer.from(before[i]!);
        for (let at = 200; at < bytes.length / 2; at += 50) bytes[at]! ^= 0x55;
        writeFileSync(object, bytes);
      }
      const found = await verifyEvidence(replica, 'main', { from_sequence: '1', to_sequence: '10' });
      expect([found.verdict, ...places(found)]).toEqual(['invalid', 'archive@null']);
    } finally {
      await replica.close();
      for (const [i, object] of objects.entries()) writeFileSync(object, before[i]!);
    }
  });

  it('has a bundle only with the anchor that holds its checkpoint', async () => {
    const [{ anchor } = { anchor: '0' }] = await query<{ anchor: string }>(
      other.database,
      `SELECT min(anchor)::text AS anchor FROM checkpoints WHERE ledger = 'main' AND size = ${SIZE + 30}`,
    );
    const object = writable(anchorKey(BigInt(anchor)));
    const before = readFileSync(object);
    try {
      tampering('replaces an object', 'the folder’s owner', 'the anchor of the last checkpoint');
      writeFileSync(object, Buffer.from(before.toString().replace('truetrail/main', 'truetrail/mean')));
      const found = await verifyEvidence(other, 'main');
      expect([found.verdict, ...new Set(places(found))]).toEqual(['invalid', 'anchor@null']);
    } finally {
      writeFileSync(object, before);
    }
  });
});

describe('what was found before something else ended a verification', () => {
  const quiet = folderStore();
  const told: { alarm: string; findings: { kind: string; sequence: string }[] }[] = [];
  let own: TestService;
  beforeAll(async () => {
    const env = {
      ...{ ARCHIVE_URL: quiet.url, SIGNING_KEY_FILE: join(folder, 'own.pem') },
      ...{ EVIDENCE_VERIFICATION_SCHEDULE: 'off', EVIDENCE_VERIFICATION_EVENTS: '10' },
    };
    const logger = pino({ level: 'error' }, { write: (line: string) => void told.push(JSON.parse(line)) });
    own = await startService({ env, logger });
    await record(own, 40);
    await runJob(own, 'checkpoint');
    const change = `UPDATE audit_events SET user_id = 'nobody' WHERE ledger = 'main' AND sequence = 38`;
    await tamper(own.database.adminUrl, change);
  });
  afterAll(async () => {
    await own.close();
    quiet.close();
  });
  beforeEach(() => void (told.length = 0));
  afterEach(() => void jest.restoreAllMocks());

  /** Ends it as its second sample of `main` is about to be read. */
  function atSecondSample(end: () => Promise<void>): void {
    const evidence = own.app.get(Evidence);
    const prepare = evidence.prepare.bind(evidence);
    let samples = 0;
    jest.spyOn(evidence, 'prepare').mockImplementation(async (ledger, asked) => {
      if (ledger === 'main' && (samples += 1) === 2) await end();
      return prepare(ledger, asked);
    });
  }

  const lastRecord = async (): Promise<ServiceEventRow> =>
    (await serviceEvents(own.database, 'evidence_verification')).at(-1)!;
  const WHAT_WAS_FOUND = { verdict: 'invalid', findings_total: 1, findings: [{ kind: 'content', sequence: '38' }] };

  it.each([
    ['its process stops', true],
    ['the database refuses', false],
  ])('is an alarm and a record of the daily job, when %s', async (_, stops) => {
    const stopping = new AbortController();
    const end = new Error(stops ? 'the service is stopping' : 'terminating connection');
    atSecondSample(() => {
      if (stops) stopping.abort(end);
      return Promise.reject(end);
    });
    const runId = uuidv7();
    let soFar: unknown;
    const context = {
      ...{ signal: stopping.signal, log: own.app.get<Logger>(LOGGER), runId, requestedBy: 'service' },
      keepIfFailed: (keep: () => unknown) => (soFar = keep),
    };
    await expect(own.app.get(EvidenceVerification).run(context)).rejects.toBe(end);
    expect((soFar as () => unknown)()).toMatchObject({ ...WHAT_WAS_FOUND, stopped_by: end.message });
    expect(told.map(({ alarm }) => alarm)).toEqual(['evidence-invalid']);
    expect(told[0]!.findings).toMatchObject(WHAT_WAS_FOUND.findings);
    const { entity_id, action, new_state } = await lastRecord();
    expect([entity_id, action]).toEqual([runId, 'stopped']);
    expect(new_state).toMatchObject({ ...WHAT_WAS_FOUND, stopped_by: end.message });
    const { text } = await own.http().get('/metrics').expect(200);
    expect(text).toMatch(/^truetrail_verification_findings_total\{[^}]*ledger="main"[^}]*\} [12]$/m);
  });

  it('counts among those that nobody has acknowledged, until somebody has, and a good run before it does not hide it', async () => {
    const JOB = 'evidence-verification';
    const open = async (): Promise<string | undefined> => {
      const { text } = await own.http().get('/metrics').expect(200);
      return new RegExp(`^truetrail_job_unacknowledged_findings\\{job="${JOB}"\\} (.*)$`, 'm').exec(text)?.[1];
    };
    const found = { verdict: 'valid', findings: [], findings_total: 0 };
    await tamper(
      own.database.adminUrl,
      `INSERT INTO job_runs (id, job, status, requested_by, created_at, started_at, finished_at, outcome)
         VALUES ('${uuidv7()}', '${JOB}', 'done', 'service', now(), now(), now(), '${JSON.stringify(found)}')`,
    );
    const before = await open();
    atSecondSample(() => Promise.reject(new Error('terminating connection')));
    const failed = await runJob(own, JOB);
    jest.restoreAllMocks();
    expect(failed.outcome).toMatchObject({ ...WHAT_WAS_FOUND, error: 'terminating connection' });
    expect([before, await open()]).toEqual(['0', '1']);
    const path = `/v1/jobs/${JOB}/runs/${failed.id}/acknowledgements`;
    await own.http().post(path).send({ reason: 'a drill' }).expect(201);
    expect(await open()).toBe('0');
  });

  it('keeps others waiting: one at a time, and none that there is no room to read', async () => {
    const path = '/v1/ledgers/main/evidence/verifications';
    const refused = async (): Promise<void> => {
      const { body, headers } = await own.http().post(path).expect(503);
      expect(body.type).toBe('/docs/problems/reads-overloaded');
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    };
    let others = 0;
    atSecondSample(async () => {
      for (; others < 3; others++) await refused();
    });
    await own.http().post(path).expect(200);
    expect(others).toBe(3);
    jest.restoreAllMocks();
    atSecondSample(() => Promise.reject(new Problem('reads-overloaded', 'This replica has 4 long reads under way')));
    await refused();
    expect(await lastRecord()).toMatchObject({ action: 'stopped', new_state: WHAT_WAS_FOUND });
    jest.restoreAllMocks();
    await own.http().post(path).expect(200);
  });

  it('is on record also when whoever asked has left', async () => {
    const before = (await serviceEvents(own.database, 'evidence_verification')).length;
    const leaving = new AbortController();
    atSecondSample(async () => {
      leaving.abort();
      await pause(1_000); // until the server has seen it
    });
    const asked = fetch(`${own.url}/v1/ledgers/main/evidence/verifications`, {
      ...{ method: 'POST', headers: { authorization: `Bearer ${TEST_KEY}` }, signal: leaving.signal },
    });
    await expect(asked).rejects.toThrow('aborted');
    while ((await serviceEvents(own.database, 'evidence_verification')).length === before) await pause(50);
    const { entity_id, action, new_state } = await lastRecord();
    expect([entity_id, action]).toEqual(['main', 'stopped']);
    expect(new_state).toMatchObject({ ...WHAT_WAS_FOUND, stopped_by: 'the client has gone away' });
    expect(told.map(({ alarm }) => alarm)).toContain('evidence-invalid');
  });
});

describe('the daily job', () => {
  it('verifies samples of every ledger: what it finds is a metric, an alarm and a record, until it is known', async () => {
    const metric = async (name: string): Promise<string | undefined> =>
      new RegExp(`^${name}(?:\\{[^}]*job="evidence-verification"[^}]*\\})? (\\S+)$`, 'm').exec(
        (await service.http().get('/metrics').expect(200)).text,
      )?.[1];
    alarms.length = 0;
    const { headers } = await service.http().post('/v1/jobs/evidence-verification/runs').expect(202);
    const { id, outcome } = await whenOver<JobRun>(service, headers.location!, 400_000);
    const run = outcome as unknown as { verdict: string; ledgers: number; bundles: number; findings_total: number };
    expect(run).toMatchObject({ verdict: 'invalid' });
    expect(run.findings_total).toBeGreaterThan(25);
    expect(run.bundles).toBeGreaterThan(run.ledgers / 2);
    expect(alarms).toContain('evidence-invalid');
    expect(await metric('truetrail_evidence_findings')).toBe(String(run.findings_total));
    expect(await metric('truetrail_job_unacknowledged_findings')).toBe(String(run.findings_total));
    const recorded = (await serviceEvents(service.database, 'evidence_verification')).at(-1);
    expect(recorded).toMatchObject({
      ...{ entity_id: id, new_state: { verdict: 'invalid', findings_total: run.findings_total } },
    });
    const path = `/v1/jobs/evidence-verification/runs/${id}/acknowledgements`;
    await service.http().post(path).send({ reason: 'All of it was done by the tests' }).expect(201);
    expect(await metric('truetrail_job_unacknowledged_findings')).toBe('0');
  }, 420_000);

  it('verifies by the keys that auditors were given', async () => {
    const other = generateKeyPairSync('ed25519').privateKey;
    const keysFile = join(folder, 'keys.txt');
    writeFileSync(keysFile, `${verifierKey(`${TEST_ORIGIN}/main`, other).toString()}\n`);
    const quiet = folderStore();
    const replica = await startService({
      env: {
        ...{ ARCHIVE_URL: quiet.url, SIGNING_KEY_FILE: join(folder, 'another.pem'), EVIDENCE_KEYS_FILE: keysFile },
        EVIDENCE_VERIFICATION_SCHEDULE: 'off',
      },
    });
    try {
      await record(replica, 3);
      await runJob(replica, 'checkpoint');
      const found = await verifyEvidence(replica, 'main');
      expect([...new Set(places(found))].sort()).toEqual(['anchor@null', 'key@null']);
      const [key] = (await replica.http().get('/v1/ledgers/_service/keys').expect(200)).text.trim().split('\n');
      writeFileSync(keysFile, `${key}\n`);
      expect(await verifyEvidence(replica, 'main')).toMatchObject({ verdict: 'valid', events: 3 });
    } finally {
      await replica.close();
      quiet.close();
    }
  });
});

publishesItsRows('tamper-evidence.e2e-spec.ts');
