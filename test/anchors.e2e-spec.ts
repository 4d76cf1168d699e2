import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Response } from 'supertest';
import { anchorHash, anchorKey, parseAnchor } from '../src/integrity/anchor.js';
import { parseCheckpoint } from '../src/integrity/checkpoint.js';
import { cosignersOf, parsePolicy } from '../src/integrity/witness-policy.js';
import { parseNote } from '../src/integrity/signed-note.js';
import { verifyTimestampReply } from '../src/integrity/timestamp-reply.js';
import { readRoots } from '../src/witnesses/timestamp-authority.js';
import { startService, type TestService } from './support/app.js';
import { Attestors } from './support/attested-service.js';
import { createKey } from './support/keys.js';
import { STORES, type TestStore } from './support/stores.js';
import { record, runJob } from './support/verification.js';

interface ShownAnchor {
  n: string;
  sha256: string;
  previous: string | null;
  checkpoints: number;
  timestamps: number;
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'anchors in %s, over HTTP',
  (_, make) => {
    let store: TestStore;
    let attestors: Attestors;
    let service: TestService;
    beforeAll(async () => {
      store = await make();
      attestors = await Attestors.start();
      service = await attestors.startService(store);
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      await record(service, 3);
      await runJob(service, 'checkpoint'); // of all three ledgers
      await runJob(service, 'witnessing');
      await runJob(service, 'timestamping');
      for (let round = 2; round <= 4; round++) {
        await record(service, 2); // desk-1 does not move
        await runJob(service, 'checkpoint');
      }
      await runJob(service, 'witnessing');
    });
    afterAll(async () => {
      await service.close();
      await attestors.close();
      store.close();
    });

    const list = async (query = '', key?: string): Promise<{ anchors: ShownAnchor[]; next_cursor: string | null }> =>
      (await service.http(key).get(`/v1/anchors${query}`).expect(200)).body as never;
    const bytesOf = (response: Response): Buffer => response.body as Buffer;
    const read = (path: string, key?: string) =>
      service
        .http(key)
        .get(path)
        .buffer(true)
        .parse((response, done) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => done(null, Buffer.concat(chunks)));
        });

    it('are listed from the last one on, page by page, each named by the next', async () => {
      const { anchors, next_cursor: end } = await list();
      expect(anchors.map(({ n }) => n)).toEqual(['4', '3', '2', '1']);
      expect(end).toBeNull();
      expect(anchors.map(({ previous }) => previous)).toEqual([...anchors.slice(1).map(({ sha256 }) => sha256), null]);
      expect(anchors.at(-1)).toMatchObject({ checkpoints: 3, timestamps: 1 });
      const pages: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: Awaited<ReturnType<typeof list>> = await list(
          `?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`,
        );
        pages.push(...page.anchors.map(({ n }) => n));
        cursor = page.next_cursor;
      }
      expect(pages).toEqual(['4', '3', '2', '1']);
    });

    it('are given byte for byte as they are stored, with their lock', async () => {
      for (const { n, sha256, checkpoints } of (await list()).anchors) {
        const answer = await read(`/v1/anchors/${n}/content`).expect(200);
        const bytes = bytesOf(answer);
        expect(answer.headers.etag).toBe(`"${sha256}"`);
        expect(anchorHash(bytes).toString('hex')).toBe(sha256);
        const anchor = parseAnchor(bytes);
        expect([String(anchor.number), anchor.checkpoints.length]).toEqual([n, checkpoints]);
        for await (const version of store.store.list(anchorKey(BigInt(n)))) {
          expect((await store.store.readRange(version, 0, version.bytes)).equals(bytes)).toBe(true);
          const { body } = await service.http().get(`/v1/anchors/${n}`).expect(200);
          const { retainUntil } = await store.store.describe(version);
          expect(body).toMatchObject({
            object_key: version.key,
            version_id: version.versionId,
            bytes: String(version.bytes),
            locked_until: retainUntil!.toISOString(),
            is_compliance: true,
            successions: [],
          });
        }
      }
    });

    it('show their checkpoints with what witnesses have said of them', async () => {
      const policy = parsePolicy(readFileSync(attestors.policyFile, 'utf8'));
      const { body } = await service.http().get('/v1/anchors/1/checkpoints').expect(200);
      interface Shown {
        ledger: string;
        size: string;
        note: string;
        cosignatures: { witness_key: string; line: string; cosigned_at: string }[];
      }
      const shown = body.checkpoints as Shown[];
      expect(shown.map(({ ledger }) => ledger)).toEqual(['_service', 'desk-1', 'main']);
      const content = parseAnchor(bytesOf(await read('/v1/anchors/1/content').expect(200)));
      for (const { size, note, cosignatures } of shown) {
        expect(content.checkpoints.map((each) => each.note)).toContain(note);
        expect(String(parseCheckpoint(parseNote(note).text).size)).toBe(size);
        expect(cosignatures.map((each) => each.witness_key)).toEqual([attestors.witness.key.toString()]);
        const cosigned = parseNote(note + cosignatures.map(({ line }) => line).join(''));
        expect([...cosignersOf(policy, cosigned)].map(({ name }) => name)).toEqual(['north']);
        expect(Date.now() - Date.parse(cosignatures[0]!.cosigned_at)).toBeLessThan(300_000);
      }
      const first = (await service.http().get('/v1/anchors/1/checkpoints?limit=2').expect(200)).body;
      expect([first.checkpoints.length, first.next_cursor]).toEqual([2, 'desk-1']);
      const rest = (await service.http().get('/v1/anchors/1/checkpoints?limit=2&cursor=desk-1').expect(200)).body;
      expect([rest.checkpoints, rest.next_cursor]).toEqual([shown.slice(2), null]);
    });

    it('lead to the time stamps that date them, which verify offline', async () => {
      const roots = readRoots(readFileSync(attestors.rootsFile, 'utf8'));
      const { anchors } = await list();
      const stamped = anchors.filter(({ timestamps }) => timestamps > 0).map(({ n }) => n);
      expect(stamped.length).toBeGreaterThan(0);
      for (const { n } of anchors) {
        const { body } = await service.http().get(`/v1/anchors/${n}/timestamps`).expect(200);
        const shown = body.timestamps as { anchor: string; sha256: string; authority: string; stamped_at: string }[];
        // the first that is over it, or over a later one
        const covering = stamped.map(Number).filter((each) => each >= Number(n));
        expect(shown.map(({ anchor }) => anchor)).toEqual(covering.length === 0 ? [] : [String(Math.min(...covering))]);
        for (const { anchor, sha256, authority, stamped_at: stampedAt } of shown) {
          const reply = await read(`/v1/anchors/${anchor}/timestamps/${sha256}`).expect(200);
          expect(reply.headers['content-type']).toBe('application/timestamp-reply');
          expect(hash('sha256', bytesOf(reply))).toBe(sha256);
          const imprint = Buffer.from(anchors.find((each) => each.n === anchor)!.sha256, 'hex');
          const verified = verifyTimestampReply(bytesOf(reply), imprint, roots);
          expect([verified.authority, verified.genTime]).toEqual([authority, stampedAt]);
        }
        expect(body.timestamps.every((each: { is_compliance: boolean }) => each.is_compliance)).toBe(true);
      }
    });

    it('are shown to credentials for some ledgers as far as they are of these', async () => {
      const { key } = await createKey(service, ['proofs:read'], ['desk-1']);
      const before = (await list()).anchors.length;
      const { anchors } = await list('', key);
      expect(anchors.map(({ n, checkpoints }) => [n, checkpoints])).toEqual([['1', 1]]);
      const { body } = await service.http(key).get('/v1/anchors/1/checkpoints').expect(200);
      expect((body.checkpoints as { ledger: string }[]).map(({ ledger }) => ledger)).toEqual(['desk-1']);
      await service.http(key).get('/v1/anchors/1').expect(200);
      await service.http(key).get('/v1/anchors/1/timestamps').expect(200);
      for (const path of ['/v1/anchors/2', '/v1/anchors/2/checkpoints', '/v1/anchors/2/timestamps', '/v1/anchors/99']) {
        const answer = await service.http(key).get(path).expect(404);
        expect(answer.body.type).toBe('/docs/problems/anchor-not-found');
      }
      await service.http(key).get('/v1/anchors/1/content').expect(403);
      const both = (await createKey(service, ['proofs:read'], ['desk-1', 'main'])).key;
      const ofBoth = (await list('?limit=3', both)).anchors;
      expect(ofBoth.map(({ n, checkpoints }) => [n, checkpoints])).toEqual([
        ['4', 1],
        ['3', 1],
        ['2', 1],
      ]);
      expect((await list('', both)).anchors).toHaveLength(before);
      const none = (await createKey(service, ['proofs:read'], ['nowhere'])).key;
      expect(await list('', none)).toEqual({ anchors: [], next_cursor: null });
    });

    it('are locked for as long as the longest policy keeps records, from when it is there', async () => {
      const lockOf = async (n: string): Promise<number> => {
        const { body } = await service.http().get(`/v1/anchors/${n}`).expect(200);
        expect(body.is_compliance).toBe(true);
        return Date.parse(body.locked_until as string);
      };
      const inYears = (years: number): number => new Date().setUTCFullYear(new Date().getUTCFullYear() + years);
      const { key } = await createKey(service, ['operations:run'], ['*']);
      await service
        .http(key)
        .post('/v1/retention-policies')
        .send({ record_class: 'orders', valid_from: '2090-01-01', years: 12, reason: 'Letter of 12 May' })
        .expect(201);
      await record(service, 1);
      await runJob(service, 'checkpoint');
      const { n } = (await list()).anchors[0]!;
      expect(await lockOf('1')).toBeLessThanOrEqual(inYears(7));
      expect(await lockOf(n)).toBeGreaterThan(inYears(12) - 3_600_000);
      expect(await lockOf(n)).toBeLessThanOrEqual(inYears(12));
    });

    it('refuse what is no number, digest or cursor', async () => {
      for (const path of [
        '/v1/anchors/0',
        '/v1/anchors/01',
        '/v1/anchors/x/content',
        '/v1/anchors/1/timestamps/ABC',
        '/v1/anchors?cursor=0',
        '/v1/anchors?limit=1001',
        '/v1/anchors?from=1',
        '/v1/anchors/1/checkpoints?cursor=%00',
      ]) {
        const { body } = await service.http().get(path).expect(400);
        expect([path, body.type]).toEqual([path, '/docs/problems/invalid-parameter']);
        expect(body.errors).toHaveLength(1);
      }
      const { body } = await service
        .http()
        .get(`/v1/anchors/1/timestamps/${'0'.repeat(64)}`)
        .expect(404);
      expect(body.type).toBe('/docs/problems/timestamp-not-found');
    });

    it('say so when there is no archive to ask', async () => {
      const other = await startService({ database: service.database, env: { ARCHIVE_URL: 'off' } });
      try {
        expect((await other.http().get('/v1/anchors').expect(200)).body.anchors).not.toEqual([]);
        for (const path of ['/v1/anchors/1', '/v1/anchors/1/content']) {
          const { body } = await other.http().get(path).expect(503);
          expect(body.type).toBe('/docs/problems/archive-unavailable');
        }
      } finally {
        await other.close();
      }
    });
  },
);
