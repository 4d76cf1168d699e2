import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { anchorKey } from '../src/integrity/anchor.js';
import { signText, formatNote, parseNote, verifierKey } from '../src/integrity/signed-note.js';
import { sampleEvent, startService, TEST_ORIGIN, type TestService } from './support/app.js';
import { COLUMN_CHANGES, eventOfEveryColumn } from './support/column-changes.js';
import { verifyEvidence, type ShownEvidenceVerification } from './support/evidence-verification.js';
import { query, serviceEvents } from './support/keys.js';
import { recordInThePast } from './support/months.js';
import { rewriting } from './support/rewriting.js';
import { folderStore, type TestStore } from './support/stores.js';
import { publishesItsRows, tampering, type Way } from './support/tamper-matrix.js';
import { record, runJob, tamper } from './support/verification.js';

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
    expect(await verifyEvidence(service, ledger)).toMatchObject({ verdict: 'valid', bundles: [], events: 0 });
    await record(service, 2, ledger);
    expect(await verifyEvidence(service, ledger)).toMatchObject({
      ...{ verdict: 'undecided', bundles: [], unread: [{ from_sequence: '1', to_sequence: '2' }] },
    });
  });

  it.each([
    [{ from_sequence: '0', to_sequence: '2' }, 400, 'from_sequence'],
    [{ from_sequence: '1' }, 400, 'to_sequence'],
    [{ from_sequence: '5', to_sequence: '4' }, 400, 'to_sequence'],
    [{ from_sequence: '1', to_sequence: '10001' }, 400, 'to_sequence'],
    [{ from_sequence: '99999', to_sequence: '99999' }, 400, 'from_sequence'],
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
    recorded_at: ['link@4'],
    event_id: ['link@4', 'content@4'],
    recorded_by: ['link@4'],
    content_hash: ['link@4', 'content@4'],
    previous_event_hash: ['link@4', 'link@4'],
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
      ['link@4', 'content@4', 'link@5', 'content@5'],
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
    expect(found.findings[0]!.detail).toContain('8 events were signed');
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
    const keys = await query(service.database, 'SELECT * FROM signing_keys');
    const found = await afterTampering(
      ledger,
      `INSERT INTO signing_keys (${Object.keys(keys[0] as object).join(', ')})
         SELECT ${Object.keys(keys[0] as object)
           .map((name) => (name === 'public_key' ? `'\\x${publicKey.toString('hex')}'` : name))
           .join(', ')} FROM signing_keys LIMIT 1`,
      `UPDATE checkpoints SET note = '${forged.replaceAll("'", "''")}' WHERE ledger = $ledger AND size = 8`,
    );
    expect(places(found)).toEqual(['anchor@null']);
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
  let ledger: string;
  beforeAll(async () => {
    ledger = `bundled-${(ledgers += 1)}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    const old = new Date(Date.UTC(new Date().getUTCFullYear() - 2, new Date().getUTCMonth(), 15)).toISOString();
    await recordInThePast(service.database, ledger, [
      { at: old, events: Array.from({ length: SIZE }, () => sampleEvent({ timestamp: old })) },
    ]);
    await runJob(service, 'archive-export');
    for (let i = 0; i < 2; i++) await runJob(service, 'partition-maintenance');
    await record(service, 30, ledger);
    await runJob(service, 'checkpoint');
  }, 120_000);

  it('is in bundles that verify', async () => {
    const [{ archived_to: archivedTo } = { archived_to: '0' }] = await query<{ archived_to: string }>(
      service.database,
      'SELECT archived_to::text FROM ledger_heads WHERE ledger = $1',
      [ledger],
    );
    expect(archivedTo).toBe(String(SIZE));
    const { verdict, bundles, events, findings } = await verifyEvidence(service, ledger);
    expect([verdict, findings, bundles.map(({ of }) => of)]).toEqual(['valid', [], ['recent', 'random', 'archived']]);
    expect(events).toBe(60);
    expect(BigInt(bundles[2]!.to_sequence)).toBeLessThanOrEqual(BigInt(SIZE));
    const across = await verifyEvidence(service, ledger, { from_sequence: '1', to_sequence: String(SIZE + 30) });
    expect(across).toMatchObject({ verdict: 'valid', events: SIZE + 30 });
  });

  it('is found damaged in its object', async () => {
    const root = new URL(store.store.location).pathname;
    const copy = join(folder, 'copy');
    cpSync(root, copy, { recursive: true });
    try {
      for (const name of readdirSync(join(root, 'month')).filter((each) => each.endsWith('.parquet'))) {
        const path = join(root, 'month', name);
        chmodSync(path, 0o600);
        const bytes = readFileSync(path);
        for (let at = 200; at < bytes.length / 2; at += 50) bytes[at]! ^= 0x55;
        writeFileSync(path, bytes);
      }
      tampering('replaces an object', 'the folder’s owner', 'of a month that was dropped, changed in place');
      const found = await verifyEvidence(service, ledger, { from_sequence: '1', to_sequence: '10' });
      expect(found).toMatchObject({ verdict: 'invalid' });
      expect(found.findings.length).toBeGreaterThan(0);
    } finally {
      for (const name of readdirSync(join(root, 'month'))) chmodSync(join(root, 'month', name), 0o600);
      cpSync(join(copy, 'month'), join(root, 'month'), { recursive: true });
      rmSync(copy, { recursive: true, force: true });
    }
  });

  it('has a bundle only with the anchor that holds its checkpoint', async () => {
    const [{ anchor } = { anchor: '0' }] = await query<{ anchor: string }>(
      service.database,
      'SELECT max(anchor)::text AS anchor FROM checkpoints WHERE ledger = $1',
      [ledger],
    );
    const path = join(new URL(store.store.location).pathname, anchorKey(BigInt(anchor)));
    const before = readFileSync(path);
    try {
      chmodSync(path, 0o600);
      writeFileSync(path, Buffer.from(before.toString().replace('"size_before":"', '"size_before":"1')));
      tampering('replaces an object', 'the folder’s owner', 'the anchor of the last checkpoint');
      expect((await verifyEvidence(service, ledger)).verdict).toBe('invalid');
    } finally {
      writeFileSync(path, before);
    }
  });
});

describe('the daily job', () => {
  it('verifies samples of every ledger; what it finds is a metric, an alarm and a record, until it is known', async () => {
    const metric = async (name: string): Promise<string | undefined> =>
      new RegExp(`^${name}(?:\\{[^}]*job="evidence-verification"[^}]*\\})? (\\S+)$`, 'm').exec(
        (await service.http().get('/metrics').expect(200)).text,
      )?.[1];
    alarms.length = 0;
    const { id, outcome } = await runJob(service, 'evidence-verification');
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
  });

  it('is caught up on, and verifies by the keys that auditors were given', async () => {
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
