import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { copyArchive } from '../src/archive/archive-copy.js';
import { StoreUnavailable } from '../src/archive/object-store.js';
import { anchorKey } from '../src/integrity/anchor.js';
import { VerifierKey } from '../src/integrity/signed-note.js';
import { verifyArchiveFolder, type ArchiveOutcome } from '../src/verify/archive-folder.js';
import { startService, type TestService } from './support/app.js';
import { truetrail } from './support/command-line.js';
import { S3_ENVIRONMENT, STORES, storeWith, type TestStore } from './support/stores.js';
import { record, runJob } from './support/verification.js';

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'a copy of an archive in %s',
  (_, make) => {
    let test: TestStore;
    let folder: string;
    let service: TestService;
    let key: VerifierKey;
    beforeAll(async () => {
      test = await make();
      folder = mkdtempSync(join(tmpdir(), 'truetrail-copies-'));
      service = await startService({
        env: { ARCHIVE_URL: test.url, ARCHIVE_EXPORT_AGE: '24h', SIGNING_KEY_FILE: join(folder, 'key.pem') },
      });
      for (let i = 0; i < 2; i++) {
        await record(service, 20);
        await runJob(service, 'checkpoint');
      }
      await runJob(service, 'archive-export');
      key = VerifierKey.parse((await service.http().get('/v1/ledgers/main/keys').expect(200)).text.trim());
    });
    afterAll(async () => {
      await service.close();
      test.close();
      rmSync(folder, { recursive: true });
    });

    const verified = (copy: string): Promise<ArchiveOutcome> => verifyArchiveFolder(copy, [key]);
    const found = ({ findings }: ArchiveOutcome): string[] => findings.map(({ kind, detail }) => `${kind}: ${detail}`);

    it('is made by a command, which lists and reads alone, and verifies as the store itself does', async () => {
      const copy = join(folder, 'by-command');
      const { code, stdout } = await truetrail(S3_ENVIRONMENT, 'archive', 'copy', test.url, copy);
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+ objects, \d+ bytes; 0 other/)]);
      const outcome = await verified(copy);
      expect(found(outcome)).toEqual([]);
      expect(outcome.copied_from).toBe(test.store.location);
      expect(outcome.ledgers.find(({ origin }) => origin.endsWith('/main'))).toMatchObject({ verified_to: '40' });
      expect(await truetrail({}, 'archive', 'copy')).toMatchObject({ code: 2 });
      writeFileSync(join(folder, 'something'), '');
      const refused = await truetrail(S3_ENVIRONMENT, 'archive', 'copy', test.url, folder);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('holds something else')]);
    });

    it('goes on where it was broken off, and writes to the store at no time', async () => {
      const copy = join(folder, 'broken-off');
      let reads = 0;
      const broken = storeWith(test.store, (target, name) => {
        if (['put', 'remove', 'extendRetention', 'setLegalHold'].includes(String(name))) throw new Error('it writes');
        if (name === 'read' && ++reads === 3) {
          return () => {
            throw new StoreUnavailable('gone');
          };
        }
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      });
      await expect(copyArchive(broken, copy)).rejects.toThrow('gone');
      const again = reads;
      const { objects } = await copyArchive(broken, copy);
      expect(reads - again).toBe(objects - 2);
      expect(found(await verified(copy))).toEqual([]);
    });

    it('takes a file for the store’s only where it has copied it from there itself', async () => {
      const copy = join(folder, 'forged');
      let reads = 0;
      const broken = storeWith(test.store, (target, name) => {
        if (name === 'location') return location;
        if (name === 'read' && ++reads === lastRead) throw new StoreUnavailable('gone');
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      });
      let { location } = test.store;
      let lastRead = 4;
      await expect(copyArchive(broken, copy)).rejects.toThrow('gone');
      location = 's3://another/';
      await expect(copyArchive(broken, copy)).rejects.toThrow(`beginning of a copy of ${test.store.location}, not of`);
      location = test.store.location;
      // of three files one is changed; and one is there that was not copied, as long as the store's
      const forge = (key: string, bytes: number): void => writeFileSync(join(copy, key), Buffer.alloc(bytes, 'x'));
      const copied = [];
      for await (const { key, bytes } of test.store.list('')) copied.push({ key, bytes });
      for (const { key, bytes } of [copied[0]!, copied[3]!]) forge(key, bytes);
      // broken off once more, earlier than the first time
      [reads, lastRead] = [0, 1];
      await expect(copyArchive(broken, copy)).rejects.toThrow('gone');
      [reads, lastRead] = [0, 0];
      const { objects } = await copyArchive(broken, copy);
      expect(reads).toBe(objects - 2);
      expect(found(await verified(copy))).toEqual([]);
      await expect(copyArchive(test.store, copy)).rejects.toThrow('holds a copy that is finished');
    });

    it('is of the oldest version also where a delete marker is listed before it', async () => {
      const copy = join(folder, 'marker-first');
      const marked = storeWith(test.store, (target, name) => {
        if (name === 'list') {
          return async function* (prefix: string) {
            for await (const version of target.list(prefix)) {
              if (version.key === anchorKey(2n))
                yield { ...version, versionId: 'marker', isDeleteMarker: true, bytes: 0 };
              yield version;
            }
          };
        }
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      });
      await copyArchive(marked, copy);
      expect(found(await verified(copy))).toEqual([
        `hidden: ${anchorKey(2n)}: 1 delete marker came over it in the store, and hide it`,
      ]);
    });

    it('is held against what it was when it was made', async () => {
      const copy = join(folder, 'changed');
      await copyArchive(test.store, copy);
      writeFileSync(join(copy, 'store.json'), `${readFileSync(join(copy, 'store.json'), 'utf8')}\n`);
      rmSync(join(copy, anchorKey(1n)));
      writeFileSync(join(copy, 'added'), '');
      expect(found(await verified(copy))).toEqual(
        expect.arrayContaining([
          'file: store.json is not the file that was copied',
          `missing: ${anchorKey(1n)} was copied, and is not there`,
          'file: added is not in listing.ndjson',
          'file: added is no file of an archive',
        ]),
      );
    });

    it('copies what an archive has, whatever somebody else puts beside it', async () => {
      const copy = join(folder, 'names');
      const { store } = test;
      const names = ['anchors', 'listing.ndjson', 'listing.ndjson.part', `${anchorKey(1n)}.part`, '../outside'];
      const others = storeWith(store, (target, name) => {
        if (name === 'list') {
          return async function* (prefix: string) {
            const first = (await store.versionsOf('store.json'))[0]!;
            for (const key of names) yield { ...first, key };
            yield* store.list(prefix);
          };
        }
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      });
      const { others: notCopied } = await copyArchive(others, copy);
      expect(notCopied).toBe(names.length);
      const outcome = await verified(copy);
      expect(found(outcome).sort()).toEqual(
        names.map((name) => `hidden: ${name}: 1 version in the store, and no object of an archive under it`).sort(),
      );
      expect(outcome.copied_from).toBe(store.location);
    });

    it('is of the oldest version of each key, and tells of what stands over it', async () => {
      if (!test.owner) return; // a folder has no versions
      const { client, bucket: Bucket } = test.owner;
      const put = (name: string): Promise<unknown> =>
        client.send(new PutObjectCommand({ Bucket, Key: `trail/${name}`, Body: 'another history' }));
      await put(anchorKey(1n));
      await client.send(new DeleteObjectCommand({ Bucket, Key: `trail/${anchorKey(2n)}` }));
      await put('anchors/other');
      await put('Elsewhere');
      // names of the copy's own files and folders, which are no objects of an archive
      for (const name of ['anchors', 'listing.ndjson', 'listing.ndjson.part', `${anchorKey(3n)}.part`]) await put(name);
      await client.send(new DeleteObjectCommand({ Bucket, Key: 'trail/never' }));
      const copy = join(folder, 'oldest');
      await copyArchive(test.store, copy);
      const outcome = await verified(copy);
      const expected = [
        'hidden: Elsewhere: 1 version in the store, and no object of an archive under it',
        'hidden: anchors/000000000003.part: 1 version in the store, and no object of an archive under it',
        `hidden: ${anchorKey(1n)}: 1 version came over it in the store, and hide it`,
        `hidden: ${anchorKey(2n)}: 1 delete marker came over it in the store, and hide it`,
        ...['anchors', 'anchors/other', 'listing.ndjson', 'listing.ndjson.part'].map(
          (name) => `hidden: ${name}: 1 version in the store, and no object of an archive under it`,
        ),
        'hidden: never: 1 delete marker in the store, and no object of an archive under it',
      ];
      expect(found(outcome).sort()).toEqual(expected.sort());
      expect(outcome.ledgers.find(({ origin }) => origin.endsWith('/main'))).toMatchObject({ verified_to: '40' });
    });
  },
);
