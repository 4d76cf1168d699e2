import { existsSync, chmodSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3ServiceException,
} from '@aws-sdk/client-s3';
import { jest } from '@jest/globals';
import { anchorKey } from '../src/integrity/anchor.js';
import { VerifierKey } from '../src/integrity/signed-note.js';
import { watchLedger } from '../src/verify/ledger-monitor.js';
import { sampleEvent, startService, takeTurn, TEST_KEY, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { rewriting } from './support/rewriting.js';
import { folderStore, HAS_S3, STORES, type TestStore } from './support/stores.js';
import {
  endRow,
  publishesItsRows,
  refused,
  seen,
  tampering,
  type Actor,
  type Found,
  type Way,
} from './support/tamper-matrix.js';
import { connected, record, runJob, tamper, verify } from './support/verification.js';

/*
 * What whoever holds the object store can do to it, what a superuser can do to the database's word on it, and what the
 * store says of a database that was rewritten. Every object is tampered with in its own way; then each job that verifies
 * looks at all of them, once, and every test reads what was said of its own.
 */

/** Of each of the two ledgers that are changed as a whole, half of them in each of two archive objects and anchors. */
const EVENTS = 8;
const [CUT, REWRITTEN] = ['cut', 'rewritten'];
const DAY_MS = 86_400_000;

/** The jobs that look at a store, as the matrix calls them. */
const LOOKS = { 'archive-verification': 'archive', 'anchor-verification': 'anchors' } as const;
type Job = keyof typeof LOOKS;

jest.setTimeout(300_000);

/** What one round of signing and of export has written: each way of tampering has an object that none but it touches. */
interface Victim {
  archived: StoredObject;
  anchored: StoredObject;
}

interface StoredObject {
  number: string;
  object_key: string;
  version_id: string;
}

interface StoreFinding {
  kind: string;
  object_key: string;
  ledger?: string;
  detail: string;
}

interface Tampering {
  way: Way;
  done: string;
  job: Job;
  /** the object that it is done to, or that is then there */
  key: (victim: Victim) => string;
  /** gives how the store refused it, if it did */
  act: (victim: Victim) => Promise<number | undefined> | void;
  finds: string[];
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'an object store, %s,',
  (name, make) => {
    const isBucket = name === 'S3';
    const owner: Actor = isBucket ? 'the bucket’s owner' : 'the folder’s owner';
    let test: TestStore;
    let keys: string;
    let service: TestService;

    const inBucket = (key: string) => ({ Bucket: test.owner!.bucket, Key: `trail/${key}` });
    const inFolder = (key: string): string => join(test.url.slice('file:'.length), key);
    const overwrite = (file: string, bytes: Buffer | string): void => {
      chmodSync(file, 0o600);
      writeFileSync(file, bytes);
    };
    const put = async (key: string, Body: Buffer | string): Promise<void> => {
      if (test.owner) await test.owner.client.send(new PutObjectCommand({ ...inBucket(key), Body }));
      else writeFileSync(inFolder(key), Body);
    };
    /** The HTTP status with which S3 refused; undefined when it did not. */
    const refusalOf = (work: Promise<unknown>): Promise<number | undefined> =>
      work.then(
        () => undefined,
        (error: S3ServiceException) => error.$metadata.httpStatusCode,
      );

    const OBJECTS = [
      {
        what: 'an archive object',
        of: ({ archived }: Victim) => archived,
        job: 'archive-verification',
        kind: 'object',
      },
      { what: 'an anchor', of: ({ anchored }: Victim) => anchored, job: 'anchor-verification', kind: 'anchor' },
    ] as const;

    const IN_BUCKET = OBJECTS.flatMap(({ what, of, job, kind }): Tampering[] => {
      const key = (victim: Victim): string => of(victim).object_key;
      const at = (victim: Victim) => ({ ...inBucket(key(victim)), VersionId: of(victim).version_id });
      return [
        {
          ...{ way: 'hides an object behind a newer version', done: `${what}, behind other bytes`, job, key },
          act: async (victim) => void (await put(key(victim), 'other bytes')),
          finds: kind === 'object' ? ['object-hidden', 'object-unknown'] : ['anchor-hidden'],
        },
        {
          ...{ way: 'hides an object behind a delete marker', done: what, job, key },
          act: async (victim) => void (await test.owner!.client.send(new DeleteObjectCommand(inBucket(key(victim))))),
          finds: [`${kind}-hidden`],
        },
        {
          ...{ way: 'removes an object', done: `${what}, by its version`, job, key },
          act: (victim) =>
            refusalOf(
              test.owner!.client.send(new DeleteObjectCommand({ ...at(victim), BypassGovernanceRetention: true })),
            ),
          finds: [],
        },
        ...(['COMPLIANCE', 'GOVERNANCE'] as const).map((Mode): Tampering => ({
          ...{ way: 'shortens retention', done: `${what}, to tomorrow in ${Mode} mode`, job, key },
          act: (victim) => {
            const Retention = { Mode, RetainUntilDate: new Date(Date.now() + DAY_MS) };
            const shorter = { ...at(victim), BypassGovernanceRetention: true, Retention };
            return refusalOf(test.owner!.client.send(new PutObjectRetentionCommand(shorter)));
          },
          finds: [],
        })),
      ];
    });

    const IN_FOLDER = OBJECTS.flatMap(({ what, of, job, kind }): Tampering[] => {
      const key = (victim: Victim): string => of(victim).object_key;
      return [
        {
          ...{ way: 'replaces an object', done: `a byte of ${what}`, job, key },
          act: (victim) => {
            const bytes = readFileSync(inFolder(key(victim)));
            bytes[kind === 'object' ? bytes.length >> 1 : bytes.indexOf('truetrail-anchor')]! ^= 1;
            overwrite(inFolder(key(victim)), bytes);
          },
          finds: [kind === 'object' ? 'object-changed' : 'anchor-invalid'],
        },
        {
          ...{ way: 'removes an object', done: what, job, key },
          act: (victim) => unlinkSync(inFolder(key(victim))),
          finds: [`${kind}-missing`],
        },
        {
          ...{ way: 'shortens retention', done: `${what}, to yesterday`, job, key },
          act: (victim) => {
            const file = `${inFolder(key(victim))}.lock.json`;
            const text = readFileSync(file, 'utf8');
            const yesterday = new Date(Date.now() - DAY_MS).toISOString();
            overwrite(file, text.replace(/"retain_until":\s*"[^"]+"/, `"retain_until":"${yesterday}"`));
            if (!readFileSync(file, 'utf8').includes(yesterday)) throw new Error(`${file} has no retain_until`);
          },
          finds: [`${kind}-unlocked`],
        },
      ];
    });

    const ADDED: Tampering[] = [
      ['among the archive’s', 'early/000000000001-0000000000000000.parquet', 'archive-verification', 'object-unknown'],
      ['among the anchors', 'anchors/000000000000', 'anchor-verification', 'anchor-unknown'],
    ].map(([done, key, job, kind]) => ({
      ...{ way: 'adds an object', done: done!, job: job as Job, key: () => key! },
      act: async () => void (await put(key!, 'x')),
      finds: [kind!],
    }));

    /** As a superuser, in the rows about the last archive object of a ledger. */
    const CATALOGUE: Tampering[] = [
      ['the hash at the end of an object’s range', `archive_ranges SET last_event_hash = sha256('x')`, 'catalogue'],
      ['the end of an object’s range', 'archive_ranges SET to_sequence = to_sequence - 1', 'catalogue'],
      ['an object’s digest', `archive_objects SET sha256 = sha256('x')`, 'object-changed'],
      ['an object’s size', 'archive_objects SET bytes = bytes + 1', 'object-changed'],
      [
        'until when an object is locked',
        `archive_object_states SET retain_until = retain_until + interval '1 year'`,
        'object-unlocked',
      ],
    ].map(([what, change, kind]) => ({
      ...{ way: 'edits the catalogue', done: `of the archive: ${what}`, job: 'archive-verification' },
      key: ({ archived }) => archived.object_key,
      act: ({ archived }) => tamperWith(`UPDATE ${change} WHERE number = ${archived.number}`),
      finds: [kind!],
    }));
    const tamperWith = async (...statements: string[]): Promise<undefined> => {
      await tamper(service.database.adminUrl, ...statements);
      return undefined;
    };

    const ALL = [...(isBucket ? IN_BUCKET : IN_FOLDER), ...ADDED, ...CATALOGUE];
    /** of ALL, in its order */
    const done: { victim: Victim; refusal: number | undefined }[] = [];
    const findings: Record<Job, StoreFinding[]> = { 'archive-verification': [], 'anchor-verification': [] };
    /** the last one that holds events of the two ledgers that are changed as a whole */
    let whole: Victim;

    beforeAll(async () => {
      test = await make();
      keys = mkdtempSync(join(tmpdir(), 'truetrail-keys-'));
      const env = {
        ...{ ARCHIVE_URL: test.url, SIGNING_KEY_FILE: join(keys, 'key.pem'), CHECKPOINT_SCHEDULE: 'off' },
        ARCHIVE_EXPORT_AGE: '24h', // the export of the minute would archive what a test is about to change
      };
      service = await startService({ env });
      for (const ledger of [CUT, REWRITTEN]) {
        await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
        await record(service, EVENTS / 2, ledger);
      }
      await newVictim();
      for (const ledger of [CUT, REWRITTEN]) await record(service, EVENTS / 2, ledger);
      whole = await newVictim();
      // an archive object and an anchor are of one round, and each of another way
      const ofJob = (job: Job): number => ALL.filter((each) => each.job === job).length;
      const rounds = Math.max(ofJob('archive-verification'), ofJob('anchor-verification'));
      const victims: Victim[] = [];
      while (victims.length < rounds) {
        victims.push(await newVictim({ isSigned: victims.length < ofJob('anchor-verification') }));
      }
      const turn = await takeTurn(service, 'archive-export');
      for (const [at, each] of ALL.entries()) {
        const victim = victims[ALL.slice(0, at).filter(({ job }) => job === each.job).length]!;
        done.push({ victim, refusal: (await each.act(victim)) ?? undefined });
      }
      await cutTail();
      await rewrite();
      await turn.release();
      for (const job of Object.keys(LOOKS) as Job[]) {
        const { outcome } = await runJob(service, job);
        findings[job] = outcome.findings as unknown as StoreFinding[];
      }
    });
    afterAll(async () => {
      await service.close();
      test.close();
      rmSync(keys, { recursive: true });
    });

    /** Records, signs and exports: an archive object of its own, and an anchor of its own if it is signed. */
    async function newVictim({ isSigned = true } = {}): Promise<Victim> {
      await record(service, 2);
      for (const job of [...(isSigned ? ['checkpoint'] : []), 'archive-export']) {
        expect(await runJob(service, job)).toMatchObject({ status: 'done' });
      }
      const last = async (table: string): Promise<StoredObject> =>
        (await query(service.database, `SELECT * FROM ${table} ORDER BY number DESC LIMIT 1`))[0] as never;
      return { archived: await last('archive_objects'), anchored: await last('anchors') };
    }

    async function cutTail(): Promise<void> {
      const size = EVENTS / 2;
      await tamperWith(
        `DELETE FROM audit_events WHERE ledger = '${CUT}' AND sequence > ${size}`,
        `DELETE FROM event_keys WHERE ledger = '${CUT}' AND sequence > ${size}`,
        `UPDATE ledger_heads SET size = ${size}, event_hash =
           (SELECT event_hash FROM audit_events AS e WHERE e.ledger = '${CUT}' AND sequence = ${size}) WHERE ledger = '${CUT}'`,
        `DELETE FROM checkpoints WHERE ledger = '${CUT}' AND size > ${size}`,
      );
    }

    async function rewrite(): Promise<void> {
      await tamperWith(
        ...(await rewriting(service.database, REWRITTEN, 5n)),
        `DELETE FROM checkpoints WHERE ledger = '${REWRITTEN}'`,
        `SELECT forget_tree('${REWRITTEN}')`,
      );
    }

    /** The kinds of what a look at the whole store found of an object, or of a ledger in it. */
    function kindsOf(key: string, job: Job, ledger?: string): string[] {
      const own = findings[job].filter(
        (each) =>
          each.object_key === key &&
          (ledger === undefined || each.ledger === ledger || each.detail.includes(`/${ledger}`)),
      );
      const kinds = [...new Set(own.map(({ kind }) => kind))].sort();
      seen(
        LOOKS[job],
        kinds.map((kind): Found => ({ kind, names: 'the object' })),
      );
      return kinds;
    }

    it.each(ALL.map((each, at) => ({ ...each, at })))(
      'whoever $way: $done',
      ({ at, way, done: what, job, key, finds }) => {
        const { victim, refusal } = done[at]!;
        tampering(way, way === 'edits the catalogue' ? 'a superuser' : owner, what);
        const isRefused = finds.length === 0;
        expect(refusal).toBe(isRefused ? 403 : undefined);
        if (isRefused) refused('Object Lock', refusal!);
        expect(kindsOf(key(victim), job)).toEqual(finds);
      },
    );

    it('has no findings of objects that nobody touched', () => {
      const touched = new Set(
        ALL.flatMap(({ key, job }, at) => {
          const { victim } = done[at]!;
          return [
            key(victim),
            job === 'archive-verification' ? victim.archived.object_key : victim.anchored.object_key,
          ];
        }),
      );
      const others = Object.values(findings)
        .flat()
        .filter(({ object_key: key }) => !touched.has(key));
      const ofLedgers = others.filter(({ ledger, detail }) =>
        [CUT, REWRITTEN].some((each) => ledger === each || detail.includes(`/${each}`)),
      );
      expect(others).toEqual(ofLedgers);
    });

    it.each([
      [CUT, 'cuts the tail', 'with keys, head, and all that was signed of it', EVENTS / 2],
      [REWRITTEN, 'rewrites all from an event on, with right hashes', 'and forgets all that was signed of it', EVENTS],
    ] as const)('shows a ledger, %s, whoever %s: %s', async (ledger, way, how, checked) => {
      tampering(way, 'a superuser', how);
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: String(checked) });
      expect(kindsOf(whole.anchored.object_key, 'anchor-verification', ledger)).toEqual(['catalogue']);
      expect(kindsOf(whole.archived.object_key, 'archive-verification', ledger)).toEqual(['catalogue']);
    });

    it('has the next anchor put there before the service does, and a month dropped with what is in no archive', async () => {
      // both leave a trail that nothing more can be done with
      tampering('adds an object', owner, 'the next anchor, which is none of the service’s');
      const [last] = await query(service.database, 'SELECT * FROM anchors ORDER BY number DESC LIMIT 1');
      const number = BigInt(last!.number as string) + 1n;
      const next = anchorKey(number);
      const bytes = `{"checkpoints":[],"format":"truetrail-anchor/1","n":"${number}","previous":"${'0'.repeat(64)}","successions":[]}`;
      await put(next, bytes);
      if (!isBucket) {
        const lock = `${inFolder(last!.object_key as string)}.lock.json`;
        if (existsSync(lock)) writeFileSync(`${inFolder(next)}.lock.json`, readFileSync(lock));
      }
      await record(service, 1);
      const round = (await runJob(service, 'checkpoint')) as unknown as { status: string; error?: string };
      expect(round.status).toBe('failed');
      seen('signing round', [{ kind: 'refused', names: 'the object' }]);
      // nothing of ours is hidden by it: a replica that starts now takes events
      const replica = await startService({ env: { ARCHIVE_URL: test.url }, database: service.database });
      try {
        await replica.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
      } finally {
        await replica.close();
      }

      tampering('drops a month', 'a superuser', 'says that it left as it should, with events that are in no archive');
      const [row] = await query(
        service.database,
        `SELECT DISTINCT tableoid::regclass::text AS month FROM audit_events WHERE ledger = 'main'`,
      );
      await tamperWith(
        `UPDATE months SET state = 'dropped', closed_at = now(), sealed_at = now(), retired_at = now(), dropped_at = now()
           WHERE partition_name = '${row!.month as string}'`,
        `UPDATE ledger_heads SET archived_to = size WHERE ledger = 'main'`,
      );
      await connected(service.database.ownerUrl, (client) => client.query(`DROP TABLE ${row!.month as string}`));
      expect(await verify(service)).toMatchObject({ verdict: 'invalid' });
    });
  },
);

describe('two histories of one ledger', () => {
  it('cannot both be signed over one store, and over another one whoever watches the ledger tells them apart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-histories-'));
    const [first, second] = [folderStore(), folderStore()];
    const env = { ARCHIVE_EXPORT_AGE: '24h', CHECKPOINT_SCHEDULE: 'off', SIGNING_KEY_FILE: join(folder, 'key.pem') };
    const service = await startService({ env: { ...env, ARCHIVE_URL: first.url } });
    /** Rewrites the ledger with right hashes, and forgets all that was signed of it. */
    const rewrite = async (from: bigint, ...more: string[]): Promise<void> =>
      tamper(
        service.database.adminUrl,
        ...(await rewriting(service.database, 'main', from)),
        'DELETE FROM checkpoints',
        'DELETE FROM anchors',
        'SELECT forget_tree(ledger) FROM ledgers',
        ...more,
      );
    try {
      await record(service, EVENTS);
      expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
      const [key] = (await service.http().get('/v1/ledgers/main/keys').expect(200)).text.trim().split('\n');
      const look = (url: string) =>
        watchLedger({
          url: `${url}/v1/ledgers/main`,
          keys: [VerifierKey.parse(key!)],
          stateFile: join(folder, 'seen.json'),
          token: TEST_KEY,
        });
      expect(await look(service.url)).toMatchObject({ verdict: 'valid' });

      tampering('signs two histories', 'the key’s holder', 'one after the other, over the same store');
      await rewrite(4n);
      const { outcome } = await runJob(service, 'checkpoint');
      const { refused: notSigned } = outcome as unknown as { refused: { ledger: string }[] };
      expect(notSigned).toMatchObject([{ ledger: 'main' }]);
      seen('signing round', [{ kind: 'refused', names: 'the ledger' }]);
      expect((await verify(service)).findings).toMatchObject([{ kind: 'checkpoint' }]);

      tampering('signs two histories', 'the key’s holder', 'one after the other, over another store');
      await rewrite(5n, 'DELETE FROM archive_store');
      const replica = await startService({ env: { ...env, ARCHIVE_URL: second.url }, database: service.database });
      try {
        await record(replica, 1);
        expect(await runJob(replica, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
        expect(await verify(replica)).toMatchObject({ verdict: 'valid' });
        const { verdict, findings } = await look(replica.url);
        expect([verdict, findings.map(({ kind }) => kind)]).toEqual(['invalid', ['fork']]);
        seen(
          'monitor',
          findings.map(({ kind }): Found => ({ kind, names: 'the ledger' })),
        );
        endRow();
      } finally {
        await replica.close();
      }
    } finally {
      await service.close();
      for (const store of [first, second]) store.close();
      rmSync(folder, { recursive: true });
    }
  });
});

publishesItsRows(
  'tamper-store.e2e-spec.ts',
  ['an object store, S3,', 'an object store, a folder,'],
  [
    ...(HAS_S3 ? [] : (['the bucket’s owner'] as const)),
    ...(HAS_S3 && process.env.TEST_STORES === 's3' ? (['the folder’s owner'] as const) : []),
  ],
);
