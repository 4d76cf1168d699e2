import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { putBytes } from '../src/archive/archive-store.js';
import { proofRetention, yearsAfter } from '../src/archive/lock-of-proofs.js';
import { nextPass, ProofLocks } from '../src/checkpoints/proof-locks.js';
import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { CONFIG, readConfig, type Config } from '../src/config/config.js';
import { POOL } from '../src/database/tokens.js';
import { anchorKey } from '../src/integrity/anchor.js';
import { parseCosignatureObject } from '../src/integrity/cosignature-object.js';
import { timestampKey } from '../src/integrity/timestamp-reply.js';
import { JobRunner } from '../src/jobs/job-runner.js';
import { SERVICE } from '../src/jobs/job.js';
import type { TestService } from './support/app.js';
import { Attestors } from './support/attested-service.js';
import { createTestDatabase } from './support/database.js';
import { query, serviceEvents } from './support/keys.js';
import { STORES, type TestStore } from './support/stores.js';
import { makeCertificate, makeReply, TIME_STAMPING } from './support/time-stamps.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, record, runJob, whenOver } from './support/verification.js';

interface Outcome {
  verdict: string;
  anchors: string;
  timestamps: number;
  cosignatures: number;
  objects: number;
  taken_up: number;
  unverifiable: number;
  findings_total: number;
  findings: { kind: string; subject: string; detail: string }[];
}

const HOUR_MS = 3_600_000;
const retainUntil = (): Date => new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000);

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'time stamps and cosignatures kept in %s',
  (_, make) => {
    let store: TestStore;
    let attestors: Attestors;
    let service: TestService;
    beforeEach(async () => {
      store = await make();
      attestors = await Attestors.start();
      service = await attestors.startService(store, { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS });
      await round(5);
      await round(3);
    });
    afterEach(async () => {
      await service.close();
      await attestors.close();
      store.close();
    });

    /** Events, signed, cosigned and stamped. */
    async function round(events: number): Promise<void> {
      await record(service, events);
      await runJob(service, 'checkpoint');
      await runJob(service, 'witnessing');
      await runJob(service, 'timestamping');
    }
    const verify = async (): Promise<Outcome> =>
      (await runJob(service, 'attestation-verification')).outcome as unknown as Outcome;
    const keys = async (prefix: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.store.list(prefix)) found.push(key);
      return found;
    };
    const count = async (table: string): Promise<number> =>
      (await query<{ count: string }>(service.database, `SELECT count(*) FROM ${table}`)).map(({ count: n }) => +n)[0]!;
    async function metric(name: string): Promise<number | undefined> {
      const { text } = await service.http().get('/metrics').expect(200);
      const line = text.split('\n').find((each) => each.startsWith(`${name} `));
      return line === undefined ? undefined : Number(line.slice(name.length + 1));
    }
    /** As whoever holds the database: with the triggers off. */
    const tamper = (statement: string, table: string): Promise<unknown> =>
      query(
        service.database,
        `ALTER TABLE ${table} DISABLE TRIGGER ALL; ${statement}; ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_row`,
      );

    it('are all verified again when asked for, and cosignatures are in the store once they are written there', async () => {
      const cosignatures = await count('cosignatures');
      const timestamps = await count('timestamps');
      expect([cosignatures > 0, timestamps > 0]).toEqual([true, true]);
      expect(await metric('truetrail_unstored_cosignatures')).toBe(cosignatures);
      const stored = await runJob(service, 'cosignature-storing');
      expect(stored.outcome).toEqual({ objects: 1, cosignatures });
      expect(await metric('truetrail_unstored_cosignatures')).toBe(0);
      const [key, ...more] = await keys('cosignatures/');
      expect(more).toEqual([]);
      for await (const version of store.store.list(key!)) {
        const held = parseCosignatureObject(await store.store.readRange(version, 0, version.bytes));
        expect(held).toHaveLength(cosignatures);
        const { isCompliance, retainUntil: until } = await store.store.describe(version);
        expect([isCompliance, until! > new Date(Date.now() + 6 * 365 * 86_400_000)]).toEqual([true, true]);
      }
      expect((await runJob(service, 'cosignature-storing')).outcome).toEqual({ objects: 0, cosignatures: 0 });
      expect(await verify()).toMatchObject({
        verdict: 'valid',
        timestamps,
        cosignatures,
        objects: 1,
        taken_up: 0,
        unverifiable: 0,
        findings: [],
      });
      expect(await metric('truetrail_attestation_findings')).toBe(0);
      const { outcome } = await runJob(service, 'archive-verification');
      expect(outcome.findings).toEqual([]); // they are no strangers in the store
    });

    it('are found out when somebody has changed them in the database, and that is recorded', async () => {
      await runJob(service, 'cosignature-storing');
      await tamper(`UPDATE timestamps SET stamped_at = stamped_at - interval '1 day' WHERE anchor = 1`, 'timestamps');
      await tamper(
        `UPDATE cosignatures SET line = replace(line, ' ', '  ') WHERE ledger = 'main' AND anchor = 1`,
        'cosignatures',
      );
      await tamper(
        `UPDATE cosignatures SET cosigned_at = cosigned_at - interval '1 day' WHERE ledger = 'main' AND anchor = 2`,
        'cosignatures',
      );
      const { verdict, findings } = await verify();
      expect(verdict).toBe('invalid');
      expect(findings.map(({ kind, subject }) => `${kind} ${subject.split(',').slice(0, 2).join()}`).sort()).toEqual([
        'attestation-invalid main, anchor 1',
        expect.stringMatching(/^catalogue cosignatures\//),
        'catalogue main, anchor 2',
        expect.stringMatching(/^catalogue timestamps\/000000000001-/),
      ]);
      expect(await metric('truetrail_attestation_findings')).toBe(4);
      const recorded = await serviceEvents(service.database, 'attestation_verification');
      expect(recorded).toHaveLength(1);
      expect(recorded[0]!.new_state).toMatchObject({ verdict: 'invalid', findings_total: 4 });
    });

    it('are found out when their objects are gone or hidden, and strangers are named', async () => {
      const root = makeCertificate({ name: 'Root', ca: {} });
      const signer = makeCertificate({
        name: 'Others',
        issuer: root,
        purposes: { identifiers: [TIME_STAMPING], critical: true },
      });
      const forged = makeReply({ imprint: Buffer.alloc(32), signer });
      const object = { contentType: 'application/octet-stream', metadata: {}, retainUntil: retainUntil() };
      await putBytes(store.store, forged, { key: timestampKey(1n, forged), ...object });
      await putBytes(store.store, Buffer.from('{}'), {
        key: 'cosignatures/000000000001-0123456789abcdef.json',
        ...object,
      });
      await putBytes(store.store, forged, { key: timestampKey(99n, forged), ...object });
      const [real] = (await keys('timestamps/')).filter((key) => key.startsWith('timestamps/000000000002'));
      if (store.owner) {
        const { client, bucket } = store.owner;
        await client.send(new PutObjectCommand({ Bucket: bucket, Key: `trail/${real}`, Body: 'another' }));
      } else rmSync(join(new URL(store.store.location).pathname, real!), { force: true });
      const { findings } = await verify();
      expect(findings.map(({ kind, subject }) => `${kind} ${subject}`).sort()).toEqual(
        [
          'attestation-unknown cosignatures/000000000001-0123456789abcdef.json',
          `attestation-unknown ${timestampKey(1n, forged)}`,
          `attestation-unknown ${timestampKey(99n, forged)}`,
          `${store.owner ? 'attestation-hidden' : 'attestation-missing'} ${real}`,
        ].sort(),
      );
      expect(await count('timestamps')).toBe(2); // what is forged is not taken up
    });

    it('are taken up from the store where the database lacks them', async () => {
      await runJob(service, 'cosignature-storing');
      const before = [await count('cosignatures'), await count('timestamps'), await count('cosignature_objects')];
      await tamper('DELETE FROM timestamps', 'timestamps');
      await tamper('DELETE FROM cosignature_objects', 'cosignature_objects');
      await query(service.database, 'DELETE FROM waiting_cosignatures');
      await tamper('DELETE FROM witnessed_checkpoints', 'witnessed_checkpoints');
      await tamper('DELETE FROM cosignatures', 'cosignatures');
      expect(await verify()).toMatchObject({ verdict: 'valid', taken_up: before[0]! + before[1]! });
      expect([await count('cosignatures'), await count('timestamps'), await count('cosignature_objects')]).toEqual(
        before,
      );
      expect(await count('waiting_cosignatures')).toBe(0);
      expect(await verify()).toMatchObject({ verdict: 'valid', taken_up: 0 });
    });

    it('have their locks moved on, with those of anchors, when a longer policy comes and while there is a hold', async () => {
      await runJob(service, 'cosignature-storing');
      const all = (await Promise.all(['anchors/', 'timestamps/', 'cosignatures/'].map(keys))).flat();
      const lockOf = async (key: string): Promise<number> => {
        const [version] = await store.store.versionsOf(key);
        return (await store.store.describe(version!)).retainUntil!.getTime();
      };
      const locks = () => Promise.all(all.map(lockOf));
      const inYears = (years: number): number => yearsAfter(new Date(), years).getTime();
      /** as its schedule does, so many hours from now */
      const run = async (hours: number): Promise<Record<string, unknown>> => {
        await connected(service.database.adminUrl, (admin) =>
          moveTrailClock(admin, new Date(Date.now() + hours * HOUR_MS)),
        );
        const { id } = await service.app.get(JobRunner).request('proof-locking', SERVICE);
        const { status, outcome } = await whenOver<{ status: string; outcome: Record<string, unknown> }>(
          service,
          `/v1/jobs/proof-locking/runs/${id}`,
        );
        expect(status).toBe('done');
        return outcome;
      };
      const untouched = { extended: 0, short_total: 0 };

      const before = await locks();
      expect(await run(1)).toMatchObject({ years: 7, looked_at: all.length, complete: true, ...untouched });
      expect(await run(1)).toMatchObject({ looked_at: 0, complete: true, ...untouched });
      expect(await locks()).toEqual(before);

      const policy = { record_class: 'users', event_type: 'login', valid_from: '2150-01-01', years: 12, reason: 'Law' };
      await service.http().post('/v1/retention-policies').send(policy).expect(201);
      // a first step of a pass that is killed then
      const pool = service.app.get<Pool>(POOL);
      const wanted = await proofRetention(pool, service.app.get<Config>(CONFIG));
      expect(wanted).toMatchObject({ years: 12, is_new: true, is_held: false });
      const pass = nextPass({ years: 7, held_until: null, through: '2', complete: true }, wanted);
      const request = {
        anchors: 1,
        requestedBy: SERVICE,
        signal: AbortSignal.timeout(60_000),
        log: pino({ level: 'silent' }),
      };
      const step = await service.app.get(ProofLocks).step(pass, wanted, request);
      expect(step).toMatchObject({ through: '1', complete: false, is_more: true, looked_at: 2, extended: 2 });
      // what was written as the policy came is looked at again an hour later
      const extended = all.length - step.extended;
      expect(await run(1)).toMatchObject({ years: 12, looked_at: all.length, extended, complete: false });
      const longer = await locks();
      for (const lock of longer) expect(Math.abs(lock - inYears(12))).toBeLessThan(300_000);
      expect(await run(3)).toMatchObject({ years: 12, looked_at: all.length, complete: true, ...untouched });
      expect(await run(3)).toMatchObject({ looked_at: 0, complete: true, ...untouched });
      const recorded = (await serviceEvents(service.database, 'retention')).filter(
        ({ new_state: state }) => 'held_until' in state,
      );
      expect(recorded).toMatchObject([
        { action: 'extend', entity_id: '1-1', new_state: { years: 12, objects: 2, first: anchorKey(1n) } },
        { action: 'extend', entity_id: '1-2', new_state: { years: 12, objects: extended, first: anchorKey(2n) } },
      ]);

      const hold = { ledgers: ['desk-1'], reason: 'Inquiry' };
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      await service.http().post('/v1/legal-holds').send(hold).expect(201);
      expect(await run(3)).toMatchObject({ looked_at: all.length, complete: true, ...untouched });
      expect(await locks()).toEqual(longer);
      // eleven years later they would end within a year
      const years = 11 * 365.25 * 24;
      expect(await run(years)).toMatchObject({ looked_at: all.length, extended: all.length, complete: true });
      for (const lock of await locks()) expect(Math.abs(lock - inYears(13))).toBeLessThan(2 * 24 * HOUR_MS);
      expect(await run(years)).toMatchObject({ looked_at: 0, complete: true, ...untouched });
      expect(await verify()).toMatchObject({ verdict: 'valid', findings: [] });

      if (store.owner) return; // nothing goes missing there
      rmSync(join(new URL(store.store.location).pathname, all[0]!), { force: true });
      const { outcome } = await runJob(service, 'proof-locking');
      expect(outcome).toMatchObject({
        looked_at: all.length,
        extended: 0,
        short_total: 1,
        short: [{ object_key: all[0] }],
      });
    });

    it('come back by a rebuild, with the anchors that they are of', async () => {
      for (let more = 0; more < 3; more++) {
        await record(service, 1);
        await runJob(service, 'checkpoint');
      }
      await runJob(service, 'witnessing');
      await runJob(service, 'timestamping');
      await runJob(service, 'cosignature-storing');
      await runJob(service, 'archive-export');
      const held = async (database: TestService['database']) => ({
        anchors: await query(database, 'SELECT number, sha256, version_id FROM anchors ORDER BY number'),
        checkpoints: await query(
          database,
          'SELECT ledger, anchor, size, note FROM checkpoints ORDER BY anchor, ledger',
        ),
        timestamps: await query(
          database,
          'SELECT anchor, sha256, authority_url, authority, stamped_at::text, reply, object_key, version_id FROM timestamps ORDER BY anchor, sha256',
        ),
        cosignatures: await query(
          database,
          'SELECT ledger, anchor, witness_key, line, cosigned_at::text FROM cosignatures ORDER BY anchor, ledger',
        ),
        objects: await query(database, 'SELECT object_key, sha256, cosignatures, version_id FROM cosignature_objects'),
      });
      const copy = await createTestDatabase();
      const folder = mkdtempSync(join(tmpdir(), 'truetrail-rebuilt-'));
      try {
        const config = readConfig({
          ...attestors.environment(store),
          DATABASE_URL: copy.serviceUrl,
          DATABASE_OWNER_URL: copy.ownerUrl,
          DATA_DIR: folder,
          LOG_LEVEL: 'silent',
        });
        const said: string[] = [];
        await rebuildFromArchive(config, (message) => said.push(message));
        const wanted = await held(service.database);
        expect(await held(copy)).toEqual(wanted);
        const { anchors, timestamps, cosignatures } = wanted;
        expect([anchors.length, timestamps.length > 1, cosignatures.length > 2]).toEqual([5, true, true]);
        expect(said.at(-1)).toBe(
          `5 anchors, ${timestamps.length} time stamps and ${cosignatures.length} cosignatures are in the database`,
        );
      } finally {
        await copy.drop();
        rmSync(folder, { recursive: true, force: true });
      }
    });
  },
);
