import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { putBytes } from '../src/archive/archive-store.js';
import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { readConfig } from '../src/config/config.js';
import { parseCosignatureObject } from '../src/integrity/cosignature-object.js';
import { timestampKey } from '../src/integrity/timestamp-reply.js';
import type { TestService } from './support/app.js';
import { Attestors } from './support/attested-service.js';
import { createTestDatabase } from './support/database.js';
import { query, serviceEvents } from './support/keys.js';
import { STORES, type TestStore } from './support/stores.js';
import { makeCertificate, makeReply, TIME_STAMPING } from './support/time-stamps.js';
import { record, runJob } from './support/verification.js';

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
      service = await attestors.startService(store);
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
