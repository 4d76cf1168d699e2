import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checkpoints } from '../src/checkpoints/checkpoints.js';
import { anchorKey } from '../src/integrity/anchor.js';
import { verifyTimestampReply } from '../src/integrity/timestamp-reply.js';
import { readRoots } from '../src/witnesses/timestamp-authority.js';
import { startService, type TestService } from './support/app.js';
import { STORES, type TestStore } from './support/stores.js';
import { answerTo, makeCertificate, TIME_STAMPING } from './support/time-stamps.js';
import { HAS_TIME_STAMPS, OpensslAuthority, TestAuthority, verifyByOpenssl } from './support/tsa.js';
import { connected, record, runJob } from './support/verification.js';

const root = makeCertificate({ name: 'Root', ca: {} });
const purposes = { identifiers: [TIME_STAMPING], critical: true };
const signer = makeCertificate({ name: 'TSA', issuer: root, purposes });

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'time stamps kept in %s',
  (_, make) => {
    let store: TestStore;
    let folder: string;
    let good: TestAuthority;
    let bad: TestAuthority;
    let isBad: boolean;
    let service: TestService;
    beforeEach(async () => {
      store = await make();
      folder = mkdtempSync(join(tmpdir(), 'truetrail-timestamps-'));
      isBad = false;
      good = await TestAuthority.start((question) => answerTo(question, signer));
      bad = await TestAuthority.start((question) => (isBad ? Buffer.from('no') : answerTo(question, signer)));
    });
    afterEach(async () => {
      await service.close();
      await good.close();
      await bad.close();
      store.close();
      rmSync(folder, { recursive: true });
    });

    async function start(urls: string[], pem: string, interval = '1h'): Promise<void> {
      const rootsFile = join(folder, 'roots.pem');
      writeFileSync(rootsFile, pem);
      service = await startService({
        env: {
          ARCHIVE_URL: store.url,
          SIGNING_KEY_FILE: join(folder, 'signing-key.pem'),
          CHECKPOINT_SCHEDULE: 'off',
          TIMESTAMP_AUTHORITIES: urls.join(' '),
          TIMESTAMP_CA_FILE: rootsFile,
          TIMESTAMP_INTERVAL: interval,
        },
      });
    }

    interface Row {
      anchor: string;
      authority_url: string;
      authority: string;
      reply: Buffer;
      object_key: string;
      version_id: string;
    }
    const rows = (): Promise<Row[]> =>
      connected(service.database.adminUrl, async (client) => {
        const { rows } = await client.query<Row>('SELECT * FROM timestamps ORDER BY anchor, authority_url');
        return rows;
      });
    const stored = async (key: string): Promise<Buffer> => {
      for await (const version of store.store.list(key)) return store.store.readRange(version, 0, version.bytes);
      throw new Error(`there is no ${key}`);
    };
    async function metric(name: string, authority: string): Promise<number | undefined> {
      const { text } = await service.http().get('/metrics').expect(200);
      const line = text.split('\n').find((each) => each.startsWith(`${name}{authority="${authority}"`));
      return line === undefined ? undefined : Number(line.split(' ').at(-1));
    }

    it('are over the last anchor, under a lock, and date what was signed until then', async () => {
      await start([good.url, bad.url], root.certificate.toString());
      await runJob(service, 'timestamping'); // nothing is signed yet
      expect(await rows()).toEqual([]);
      await record(service, 5);
      await runJob(service, 'checkpoint');
      await runJob(service, 'timestamping'); // which the round has asked for as well
      const kept = await rows();
      expect(kept.map(({ anchor, authority_url: url }) => [anchor, url])).toEqual(
        [good.url, bad.url].sort().map((url) => ['1', url]),
      );
      const imprint = hash('sha256', await stored(anchorKey(1n)), 'buffer');
      for (const { object_key: key, version_id: versionId, reply } of kept) {
        expect((await stored(key)).equals(reply)).toBe(true);
        expect(verifyTimestampReply(reply, imprint, [root.certificate]).authority).toBe('CN=TSA');
        const { isCompliance, retainUntil } = await store.store.describe({ key, versionId });
        expect([isCompliance, retainUntil! > new Date(Date.now() + 6 * 365 * 86_400_000)]).toEqual([true, true]);
      }
      expect(await metric('truetrail_timestamp_age_seconds', good.url)).toBeLessThan(20);
      expect(await metric('truetrail_unstamped_age_seconds', good.url)).toBe(0);

      await record(service, 5);
      await runJob(service, 'checkpoint');
      await runJob(service, 'timestamping');
      expect(await rows()).toHaveLength(2); // one an hour is enough
      expect(await metric('truetrail_unstamped_age_seconds', good.url)).toBeGreaterThan(0);
      expect([good.questions.length, bad.questions.length]).toEqual([1, 1]);

      const checkpoints = service.app.get(Checkpoints);
      const found = await checkpoints.timestampsFrom(1n);
      expect(found.map(({ anchor }) => anchor)).toEqual([1n, 1n]);
      expect(await checkpoints.timestampsFrom(2n)).toEqual([]);

      const { outcome } = await runJob(service, 'archive-verification');
      expect(outcome.findings).toEqual([]); // they are no strangers in the store
    });

    it('of one authority do not wait for another, and each is asked until it has stamped', async () => {
      await start([good.url, bad.url], root.certificate.toString(), '1s');
      isBad = true;
      await record(service, 5);
      expect((await runJob(service, 'checkpoint')).status).toBe('done');
      await runJob(service, 'timestamping');
      const run = await runJob(service, 'timestamping');
      expect(run).toMatchObject({ status: 'done', outcome: { anchor: '1', stamped: 0, failed: 1 } });
      expect((await rows()).map(({ authority_url: url }) => url)).toEqual([good.url]);
      expect(await metric('truetrail_unstamped_age_seconds', bad.url)).toBeGreaterThan(0);
      expect(await metric('truetrail_timestamp_age_seconds', bad.url)).toBeUndefined();
      expect(await metric('truetrail_timestamp_failures_total', bad.url)).toBeDefined();
      isBad = false;
      await runJob(service, 'timestamping');
      expect(await rows()).toHaveLength(2);
      await runJob(service, 'timestamping'); // the anchor is the same: there is nothing to stamp
      expect(await rows()).toHaveLength(2);
    });

    it('stand in bundles of what was signed before, with the anchors that lead to them, and are verified offline', async () => {
      await start([bad.url], root.certificate.toString());
      isBad = true;
      for (let i = 0; i < 2; i++) {
        await record(service, 5);
        await runJob(service, 'checkpoint');
      }
      await runJob(service, 'timestamping'); // in vain
      isBad = false;
      await runJob(service, 'timestamping');
      expect((await rows()).map(({ anchor }) => anchor)).toEqual(['2']);
      const { body } = await service
        .http()
        .post('/v1/ledgers/main/evidence')
        .send({ from_sequence: '2', to_sequence: '4', as_of: '5' })
        .buffer(true)
        .parse((response, done) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => done(null, Buffer.concat(chunks)));
        })
        .expect(200);
      const bundle = join(folder, 'bundle.zip');
      writeFileSync(bundle, body as Buffer);
      const [key] = (await service.http().get('/v1/ledgers/main/keys').expect(200)).text.split('\n');
      const verified = (roots: string) => {
        const program = join(process.env.TRUETRAIL_BUILD!, 'src/verify/truetrail-verify.js');
        const args = [program, bundle, '--key', key!, '--timestamp-roots', roots, '--json'];
        const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        return { status, report: JSON.parse(stdout) as Record<string, unknown> };
      };
      expect(verified(join(folder, 'roots.pem'))).toMatchObject({
        status: 0,
        report: { verdict: 'valid', timestamps: [{ anchor: '2', time: expect.stringMatching(/^20/) }] },
      });
      const others = join(folder, 'others.pem');
      writeFileSync(others, makeCertificate({ name: 'Other', ca: {} }).certificate.toString());
      expect(verified(others)).toMatchObject({ status: 1, report: { verdict: 'invalid' } });
    });

    it('are of the anchor that is catalogued and of no other', async () => {
      await start([good.url], root.certificate.toString());
      await record(service, 5);
      await runJob(service, 'checkpoint');
      await runJob(service, 'timestamping');
      const [row] = await rows();
      await connected(service.database.serviceUrl, async (client) => {
        await client.query('SET ROLE truetrail_service');
        const keep = `SELECT keep_timestamp(1, sha256('x'), $1, 'u', 'a', now(), 'l', $2, 'v')`;
        await expect(client.query(keep, [row!.reply, row!.object_key])).rejects.toMatchObject({ code: 'TT042' });
        await expect(client.query('DELETE FROM timestamps')).rejects.toMatchObject({ code: '42501' });
      });
    });

    it('need roots that can be read', async () => {
      await start([good.url], root.certificate.toString());
      const env = { ARCHIVE_URL: store.url, TIMESTAMP_AUTHORITIES: good.url, TIMESTAMP_CA_FILE: join(folder, 'none') };
      await expect(startService({ env })).rejects.toThrow('The file of TIMESTAMP_CA_FILE cannot be used: ENOENT');
      writeFileSync(join(folder, 'none'), 'no certificate');
      await expect(startService({ env })).rejects.toThrow('there is no certificate in it');
    });

    (HAS_TIME_STAMPS ? it : it.skip)('are what openssl takes for time stamps, too', async () => {
      const authority = await OpensslAuthority.start();
      try {
        await start([`${authority.url}/tsa1`, `${authority.url}/tsa2`], authority.rootPem);
        await record(service, 5);
        await runJob(service, 'checkpoint');
        await runJob(service, 'timestamping');
        const kept = await rows();
        expect(kept.map(({ authority: name }) => name).sort()).toEqual([
          'CN=Test TSA 1, O=Test',
          'CN=Test TSA 2, O=Test',
        ]);
        const imprint = hash('sha256', await stored(anchorKey(1n)), 'buffer');
        for (const { object_key: key } of kept) {
          const reply = await stored(key);
          verifyTimestampReply(reply, imprint, readRoots(authority.rootPem));
          const file = join(folder, 'reply.tsr');
          writeFileSync(file, reply);
          expect(verifyByOpenssl(file, imprint, authority.rootFile)).toContain('Verification: OK');
        }
      } finally {
        await authority.close();
      }
    });
  },
);
