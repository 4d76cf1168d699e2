import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import pg from 'pg';
import { pino } from 'pino';
import { putBytes } from '../src/archive/archive-store.js';
import type { ObjectStore } from '../src/archive/object-store.js';
import { takeUpAnchors } from '../src/checkpoints/anchor-intake.js';
import { AnchorStore } from '../src/checkpoints/anchor-store.js';
import { KeyFile } from '../src/checkpoints/signer.js';
import { SigningRound, type RoundOutcome } from '../src/checkpoints/signing-round.js';
import { CONFIG, type Config } from '../src/config/config.js';
import { POOL } from '../src/database/tokens.js';
import { AppendGate } from '../src/events/append-gate.js';
import { ServiceLedger } from '../src/events/service-ledger.js';
import { anchorHash, anchorKey, parseAnchor } from '../src/integrity/anchor.js';
import { checkpointText, parseCheckpoint } from '../src/integrity/checkpoint.js';
import { leafHash } from '../src/integrity/event.js';
import { FILES } from '../src/integrity/evidence-bundle.js';
import { verifyBundle } from '../src/integrity/evidence-verifier.js';
import { followSuccessions, parseSuccession, signedByReached } from '../src/integrity/key-succession.js';
import { isConsistent, isIncluded } from '../src/integrity/merkle-proof.js';
import { MerkleTree } from '../src/integrity/merkle-tree.js';
import { formatNote, parseNote, VerifierKey, verifyNote } from '../src/integrity/signed-note.js';
import { pageText } from '../src/integrity/page-text.js';
import { parseTlogProof } from '../src/integrity/tlog-proof.js';
import type { JobLock } from '../src/jobs/job-lock.js';
import { verifyArchiveFolder } from '../src/verify/archive-folder.js';
import { watchLedger } from '../src/verify/ledger-monitor.js';
import { sampleEvent, startService, takeTurn, TEST_KEY, TEST_ORIGIN, type TestService } from './support/app.js';
import { asBytes, inMemory, SECOND_VERIFIER, unpack } from './support/evidence.js';
import { createKey, serviceEvents } from './support/keys.js';
import { HAS_PYTHON, PYTHON } from './support/python.js';
import { folderStore, STORES, storeWith, type TestStore } from './support/stores.js';
import { runJob, tamper } from './support/verification.js';

const log = pino({ level: 'silent' });
const base64 = (text: string): Buffer => Buffer.from(text, 'base64');

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'checkpoints anchored in %s',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    let admin: pg.Client;
    let turn: JobLock;
    let keyFile: string;
    let folder: string;
    beforeEach(async () => {
      test = await make();
      folder = mkdtempSync(join(tmpdir(), 'truetrail-keys-'));
      keyFile = join(folder, 'signing-key.pem');
      service = await startService({
        env: { ARCHIVE_URL: test.url, SIGNING_KEY_FILE: keyFile, CHECKPOINT_SCHEDULE: 'off' },
      });
      admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
      turn = await takeTurn(service, 'archive-export');
    });
    afterEach(async () => {
      await turn.release();
      await admin.end();
      await service.close();
      test.close();
      rmSync(folder, { recursive: true });
    });

    async function record(count: number, ledger = 'main'): Promise<Record<string, string>[]> {
      const receipts: Record<string, string>[] = [];
      for (let at = 0; at < count; at += 1000) {
        const events = Array.from({ length: Math.min(1000, count - at) }, () => sampleEvent());
        const { body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
        receipts.push(...body.receipts);
      }
      return receipts;
    }

    /** A round over a store that may misbehave, and with another key perhaps, as another replica would run it. */
    async function round(store: ObjectStore = test.store, key = keyFile): Promise<RoundOutcome> {
      const config = { ...service.app.get<Config>(CONFIG), SIGNING_KEY_FILE: key };
      const pool = service.app.get<pg.Pool>(POOL);
      const signing = new SigningRound(
        config,
        pool,
        service.database.serviceUrl,
        store,
        service.app.get(ServiceLedger),
        service.app.get(AppendGate),
      );
      try {
        return await signing.run({ signal: new AbortController().signal, log });
      } finally {
        await signing.onModuleDestroy();
      }
    }

    const latest = async (ledger = 'main') => {
      const { text } = await service.http().get(`/v1/ledgers/${ledger}/checkpoint`).expect(200);
      const keys = (await service.http().get(`/v1/ledgers/${ledger}/keys`).expect(200)).text;
      const [key] = keys
        .trimEnd()
        .split('\n')
        .map((line) => VerifierKey.parse(line));
      const note = parseNote(text);
      expect(verifyNote(note, [key!])).toHaveLength(1);
      return { ...parseCheckpoint(note.text), note: text, key: key! };
    };

    const rootOf = (receipts: readonly Record<string, string>[]): Buffer => {
      const tree = new MerkleTree();
      for (const { event_hash: hash } of receipts) tree.append(leafHash(Buffer.from(hash!, 'hex')));
      return tree.root();
    };

    const stored = async (number: bigint): Promise<Buffer> => {
      for await (const version of test.store.list(anchorKey(number))) {
        return test.store.readRange(version, 0, version.bytes);
      }
      throw new Error(`there is no anchor ${number}`);
    };

    /** What is between service and database alone, whatever the store. */
    const onceOnly = make === folderStore ? it : it.skip;

    it('cover what was recorded, and prove each event of it and each older tree', async () => {
      const none = await service.http().get('/v1/ledgers/main/checkpoint').expect(409);
      expect(none.body.type).toBe('/docs/problems/not-yet-checkpointed');
      expect(none.headers['retry-after']).toBeDefined();
      const receipts = await record(700);
      const run = await runJob(service, 'checkpoint');
      expect(run).toMatchObject({ status: 'done', outcome: { anchor: '1', signed: 2, refused: [] } });
      const first = await latest();
      expect(first).toMatchObject({ origin: `${TEST_ORIGIN}/main`, size: 700n, rootHash: rootOf(receipts) });
      expect(statSync(keyFile).mode & 0o777).toBe(0o600);

      receipts.push(...(await record(1)));
      const unsigned = receipts.at(-1)!.event_id;
      const early = await service.http().get(`/v1/ledgers/main/events/${unsigned}/proof`).expect(409);
      expect(early.body.type).toBe('/docs/problems/not-yet-checkpointed');
      receipts.push(...(await record(620)));
      await round();
      const second = await latest();
      expect(second).toMatchObject({ size: 1321n, rootHash: rootOf(receipts) });

      for (const at of [0, 255, 256, 699, 700, 1023, 1320]) {
        const { event_id: id, event_hash: hash } = receipts[at]!;
        const { body } = await service.http().get(`/v1/ledgers/main/events/${id!.toUpperCase()}/proof`).expect(200);
        expect(body).toMatchObject({ leaf_index: String(at), tree_size: '1321', checkpoint: second.note, anchor: '2' });
        const leaf = leafHash(Buffer.from(hash!, 'hex'));
        expect(isIncluded(leaf, BigInt(at), 1321n, body.hashes.map(base64), second.rootHash)).toBe(true);
        const { text, headers } = await service
          .http()
          .get(`/v1/ledgers/main/events/${id}/proof`)
          .set('accept', 'text/plain')
          .expect(200);
        expect(headers['content-type']).toMatch('text/plain');
        expect(parseTlogProof(text)).toMatchObject({ index: BigInt(at), note: second.note });
      }
      for (const [from, to] of [
        [0n, 1321n],
        [1n, 700n],
        [256n, 1321n],
        [700n, 1321n],
        [1321n, 1321n],
      ] as const) {
        const { body } = await service.http().get(`/v1/ledgers/main/consistency?from=${from}&to=${to}`).expect(200);
        const [old, now] = [from, to].map((size) => rootOf(receipts.slice(0, Number(size))));
        expect(isConsistent(from, old!, to, now!, body.hashes.map(base64))).toBe(true);
      }
      const { body } = await service.http().get('/v1/ledgers/main/consistency?from=700').expect(200);
      expect(isConsistent(700n, first.rootHash, 1321n, second.rootHash, body.hashes.map(base64))).toBe(true);
      await service.http().get('/v1/ledgers/main/consistency?from=1321&to=1322').expect(409);
      await service.http().get('/v1/ledgers/main/consistency?from=9&to=8').expect(400);
      await service.http().get('/v1/ledgers/main/consistency?from=x').expect(400);
      await service.http().get('/v1/ledgers/nowhere/checkpoint').expect(404);
      await service.http().get('/v1/ledgers/main/events/nothing/proof').expect(400);
    });

    onceOnly('come with the tiles that everybody can compute all of it from', async () => {
      const receipts = await record(600);
      await round();
      const leaves = receipts.map(({ event_hash: hash }) => leafHash(Buffer.from(hash!, 'hex')));
      const tile = async (path: string): Promise<Buffer> => {
        const { body } = await service.http().get(`/v1/ledgers/main/tile/${path}`).buffer(true).expect(200);
        return body as Buffer;
      };
      expect(await tile('0/001')).toEqual(Buffer.concat(leaves.slice(256, 512)));
      expect(await tile('0/002.p/88')).toEqual(Buffer.concat(leaves.slice(512)));
      expect(await tile('0/002.p/40')).toEqual(Buffer.concat(leaves.slice(512, 552)));
      const roots = [0, 256].map((at) => rootOf(receipts.slice(at, at + 256)));
      expect(await tile('1/000.p/2')).toEqual(Buffer.concat(roots));
      const entries = await tile('entries/002.p/88');
      expect(entries).toHaveLength(88 * 34);
      expect(entries.subarray(0, 2)).toEqual(Buffer.of(0, 32));
      expect(entries.subarray(2, 34).toString('hex')).toBe(receipts[512]!.event_hash);
      for (const path of [
        '0/002',
        '0/002.p/89',
        '0/003.p/1',
        '1/000.p/3',
        '2/000.p/1',
        'x',
        '0/0',
        '0/000.p/0',
        '64/000',
      ]) {
        const { headers } = await service.http().get(`/v1/ledgers/main/tile/${path}`).expect(404);
        expect(headers['cache-control']).toBe('no-store'); // it may be there in a minute
      }
    });

    it('are one chain of anchors, each under a lock, with nothing in them that was not signed', async () => {
      await record(3);
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      expect(await round()).toMatchObject({ anchor: 1n, signed: 3 });
      expect((await latest('desk-1')).size).toBe(0n);
      const before = await round();
      expect(before).toMatchObject({ anchor: null, signed: 0 });
      await record(2);
      expect(await round()).toMatchObject({ anchor: 2n, signed: 1, takenUp: 0 });
      const [first, second] = [parseAnchor(await stored(1n)), parseAnchor(await stored(2n))];
      expect(first).toMatchObject({ number: 1n, previous: null, successions: [] });
      expect(first.checkpoints.map(({ note }) => note.split('\n')[0])).toEqual(
        ['_service', 'desk-1', 'main'].map((ledger) => `${TEST_ORIGIN}/${ledger}`),
      );
      expect(second.checkpoints).toMatchObject([{ sizeBefore: 3n }]);
      const { rows } = await admin.query<{ sha256: Buffer }>('SELECT sha256 FROM anchors ORDER BY number');
      expect(second.previous).toEqual(rows[0]!.sha256);
      for await (const version of test.store.list('anchors/')) {
        const lock = await test.store.describe(version);
        expect(lock.isCompliance).toBe(true);
        expect(lock.retainUntil!.getTime()).toBeGreaterThan(Date.now() + 6 * 365 * 86_400_000);
      }
      expect((await runJob(service, 'archive-verification')).outcome).toMatchObject({ verdict: 'valid', findings: [] });
      const faults = await test.store.inspect();
      expect((await runJob(service, 'store-inspection')).outcome).toMatchObject({ store_faults: faults });
      const { text } = await service.http().get('/metrics').expect(200);
      expect(text).toContain(`truetrail_archive_store_faults ${faults.length}\n`);
    });

    onceOnly('hold every ledger again when nothing has moved for a day, and in each thousandth round', async () => {
      await record(3);
      expect(await round()).toMatchObject({ anchor: 1n, signed: 2 });
      expect(await round()).toMatchObject({ anchor: null, signed: 0 });
      await tamper(service.database.adminUrl, "UPDATE anchors SET catalogued_at = catalogued_at - interval '23 hours'");
      expect(await round()).toMatchObject({ anchor: null, signed: 0 });
      await tamper(service.database.adminUrl, "UPDATE anchors SET catalogued_at = catalogued_at - interval '2 hours'");
      expect(await round()).toMatchObject({ anchor: 2n, signed: 2 });
      for (const { note, sizeBefore } of parseAnchor(await stored(2n)).checkpoints) {
        expect(parseCheckpoint(parseNote(note).text).size).toBe(sizeBefore);
      }
      await record(1);
      expect(await round()).toMatchObject({ anchor: 3n, signed: 1 });
      // as if 995 rounds more had been
      await tamper(
        service.database.adminUrl,
        'SET session_replication_role = replica',
        'UPDATE anchors SET number = 998 WHERE number = 3',
        'UPDATE checkpoints SET anchor = 998 WHERE anchor = 3',
      );
      await record(1);
      expect(await round()).toMatchObject({ anchor: 999n, signed: 1 });
      await record(1);
      expect(await round()).toMatchObject({ anchor: 1_000n, signed: 2 });
      expect(parseAnchor(await stored(1_000n)).checkpoints.map(({ note }) => note.split('\n')[0])).toEqual(
        ['_service', 'main'].map((ledger) => `${TEST_ORIGIN}/${ledger}`),
      );
      expect(await round()).toMatchObject({ anchor: null, signed: 0 });
    });

    it('are whole after a crash at any step, and no anchor is lost or written twice', async () => {
      class Crash extends Error {}
      await record(10);
      await round();
      for (let at = 1; at <= 8; at++) {
        for (const after of [false, true]) {
          await record(300);
          let calls = 0;
          const crashing = storeWith(test.store, (target, name) => {
            const called: unknown = Reflect.get(target, name);
            if (typeof called !== 'function') return called;
            return (...parameters: unknown[]): unknown => {
              calls += 1;
              const isHere = calls === at;
              if (isHere && !after) throw new Crash(String(name));
              const result = called.apply(target, parameters) as unknown;
              if (!isHere || !(result instanceof Promise)) return result;
              return result.then(() => {
                throw new Crash(String(name));
              });
            };
          });
          await round(crashing).catch((error: unknown) => expect(error).toBeInstanceOf(Crash));
        }
      }
      await round();
      const { size } = await latest();
      expect(size).toBe(10n + 16n * 300n);
      const { rows } = await admin.query<{ number: string }>('SELECT number FROM anchors ORDER BY number');
      let previous: Buffer | null = null;
      for (const [at, { number }] of rows.entries()) {
        expect(number).toBe(String(at + 1));
        const bytes = await stored(BigInt(number));
        expect(parseAnchor(bytes).previous).toEqual(previous);
        const { rows: known } = await admin.query<{ sha256: Buffer }>('SELECT sha256 FROM anchors WHERE number = $1', [
          number,
        ]);
        previous = known[0]!.sha256;
      }
      let objects = 0;
      for await (const { key } of test.store.list('anchors/')) objects += key ? 1 : 0;
      expect(objects).toBe(rows.length);
    });

    it('are told by their names where something else stands in their place', async () => {
      await record(3);
      await round();
      const retainUntil = new Date(Date.now() + 86_400_000);
      const object = { key: anchorKey(2n), contentType: 'text/plain', metadata: {}, retainUntil };
      await putBytes(test.store, Buffer.from('oops'), object);
      await record(3);
      await expect(round()).rejects.toThrow(`${anchorKey(2n)} in ${test.store.location}: it is no JSON`);
    });

    it('are taken up by the hundred in their order, up to one that is refused, by several at once', async () => {
      for (let rounds = 0; rounds < 5; rounds++) {
        await record(2);
        await round();
      }
      // signed by the right key after the last one, and with fewer events than were signed before
      const signer = (await KeyFile.read(keyFile))!;
      const origin = `${TEST_ORIGIN}/main`;
      const text = checkpointText({ origin, size: 3n, rootHash: Buffer.alloc(32, 1) });
      const note = formatNote({ text, signatures: [signer.sign(text, origin)] });
      const anchors = new AnchorStore(test.store);
      const later = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000);
      let previous = anchorHash(await stored(5n));
      for (const number of [6n, 7n]) {
        const checkpoints = [{ sizeBefore: 10n, note }];
        const written = await anchors.write(
          { number, previous, checkpoints, successions: [] },
          signer.publicKey,
          later,
        );
        previous = written!.sha256;
      }
      const known = async (): Promise<unknown[]> =>
        (await admin.query('SELECT number, encode(sha256, $1) AS sha256 FROM anchors ORDER BY catalogued_at', ['hex']))
          .rows;
      const before = await known();
      expect(before).toHaveLength(5);
      const forget = (): Promise<void> =>
        tamper(
          service.database.adminUrl,
          'DELETE FROM checkpoints WHERE anchor > 1',
          'DELETE FROM anchors WHERE number > 1',
        );
      const pool = service.app.get<pg.Pool>(POOL);
      const refusal = { name: 'SigningRefused', message: expect.stringContaining(`${anchorKey(6n)} is not taken up`) };
      for (const takers of [1, 3]) {
        await forget();
        const taken = await Promise.allSettled(Array.from({ length: takers }, () => takeUpAnchors(pool, anchors, log)));
        expect(taken).toEqual(Array(takers).fill({ status: 'rejected', reason: expect.objectContaining(refusal) }));
        expect(await known()).toEqual(before);
      }
      await expect(takeUpAnchors(pool, anchors, log)).rejects.toMatchObject(refusal);
      expect(await known()).toEqual(before);
    });

    it('are signed once, however many replicas sign at once', async () => {
      await record(50);
      await Promise.allSettled([round(), round(), round()]);
      await round();
      const { rows } = await admin.query<{ anchors: string; least: string }>(
        `SELECT count(*) AS anchors, count(DISTINCT size) AS least FROM checkpoints WHERE ledger = 'main'`,
      );
      expect(rows[0]).toEqual({ anchors: '1', least: '1' });
      expect((await latest()).size).toBe(50n);
    });

    it('are refused for events that are not those that were signed, and that is told', async () => {
      const receipts = await record(300);
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      await round();
      await record(5);
      await record(5, 'desk-1');
      const { rows } = await admin.query<{ name: string }>(
        `SELECT tableoid::regclass::text AS name FROM audit_events WHERE ledger = 'main' LIMIT 1`,
      );
      // an event hash that was signed is changed, and a tree that could be made of it put in the place of the old one
      await admin.query(`ALTER TABLE ${rows[0]!.name} DISABLE TRIGGER USER`);
      await admin.query(
        `UPDATE ${rows[0]!.name} SET event_hash = sha256(event_hash) WHERE ledger = 'main' AND sequence = 7`,
      );
      await admin.query(`SELECT forget_tree('main')`);
      const outcome = await round();
      expect(outcome.refused).toEqual([
        { ledger: 'main', reason: expect.stringContaining('not those that were signed'), isOpen: true },
      ]);
      expect((await runJob(service, 'checkpoint')).outcome).toMatchObject({ refused: [{ ledger: 'main' }] });
      const { text } = await service.http().get('/metrics').expect(200);
      expect(text).toContain('truetrail_checkpoint_refused_ledgers 1\n');
      expect(text).toContain('truetrail_unanchored_events{ledger="main"} 5\n');
      expect((await latest()).size).toBe(300n);
      expect((await latest('desk-1')).size).toBe(5n);
      const [finding] = await serviceEvents(service.database, 'checkpoint');
      expect(finding).toMatchObject({ action: 'refuse', entity_id: 'main' });
      for (const { event_id: id } of [receipts[6]!, receipts[200]!]) {
        const { body } = await service.http().get(`/v1/ledgers/main/events/${id}/proof`).expect(500);
        expect(body.type).toBe('/docs/problems/damaged-record');
      }
      // closed for it, there is nothing more to be done, and nobody to be called
      await admin.query(`UPDATE ledgers SET state = 'closed' WHERE ledger = 'main'`);
      expect((await runJob(service, 'checkpoint')).outcome).toMatchObject({
        refused: [{ ledger: 'main', is_open: false }],
      });
      const { text: afterwards } = await service.http().get('/metrics').expect(200);
      expect(afterwards).toContain('truetrail_checkpoint_refused_ledgers 0\n');
      expect(afterwards).toContain('truetrail_unanchored_events{ledger="main"} 0\n');
    });

    onceOnly(
      'are not given for an event that was changed after it was proven, and still for those beside it',
      async () => {
        const receipts = await record(300);
        await round();
        const prove = (at: number) => service.http().get(`/v1/ledgers/main/events/${receipts[at]!.event_id}/proof`);
        const before = [(await prove(6).expect(200)).body, (await prove(7).expect(200)).body];
        expect((await prove(6).expect(200)).body).toEqual(before[0]);
        const { text: metrics } = await service.http().get('/metrics').expect(200);
        expect(metrics).toMatch(/^truetrail_kept_tile_bytes [1-9][0-9]*$/m);
        const { rows } = await admin.query<{ name: string }>(
          `SELECT tableoid::regclass::text AS name FROM audit_events WHERE ledger = 'main' LIMIT 1`,
        );
        await admin.query(`ALTER TABLE ${rows[0]!.name} DISABLE TRIGGER USER`);
        const change = `WHERE ledger = 'main' AND sequence = 7`;
        await admin.query(`UPDATE ${rows[0]!.name} SET event_hash = sha256(event_hash) ${change}`);
        expect((await prove(6).expect(500)).body.type).toBe('/docs/problems/damaged-record');
        // its hash is in this proof as it was signed, and that proves the other one still
        expect((await prove(7).expect(200)).body).toEqual(before[1]);
        await admin.query(`DELETE FROM ${rows[0]!.name} ${change}`);
        expect((await prove(6).expect(500)).body.type).toBe('/docs/problems/damaged-record');
      },
    );

    onceOnly('make a tree anew that is not that of the events', async () => {
      await record(700);
      await round();
      await admin.query(
        `UPDATE tree_tiles SET hashes = sha256('x') || substring(hashes FROM 33) WHERE ledger = 'main'`,
      );
      await record(10);
      expect(await round()).toMatchObject({ signed: 1, refused: [] });
      const { size } = await latest();
      expect(size).toBe(710n);
    });

    onceOnly('make a tree anew of which a part is gone, and sign the other ledgers with it', async () => {
      await service.http().put('/v1/ledgers/desk').expect(201);
      await record(300);
      await record(3, 'desk');
      await round();
      await admin.query(`DELETE FROM tree_tiles WHERE ledger = 'main'`);
      const replica = await startService({
        env: { ARCHIVE_URL: test.url, SIGNING_KEY_FILE: keyFile },
        database: service.database,
      });
      try {
        for (const ledger of ['main', 'desk']) {
          await replica.http().post(`/v1/ledgers/${ledger}/events`).send(sampleEvent()).expect(201);
        }
      } finally {
        await replica.close();
      }
      await admin.query(`DELETE FROM tree_tiles WHERE ledger = 'main'`);
      await record(1);
      expect(await round()).toMatchObject({ refused: [] });
      expect((await latest()).size).toBe(302n);
    });

    onceOnly('grow a tree for the first time once, however many do', async () => {
      await record(300);
      const leaf = Buffer.alloc(32, 1);
      const pool = service.app.get<pg.Pool>(POOL);
      const [a, b] = [await pool.connect(), await pool.connect()];
      const grow = (client: pg.ClientBase, to: number, tiles: Buffer[]) =>
        client.query('SELECT grow_trees($1, $2, $3, $4, $5, $6, $7, $8)', [
          ...[['main'], ['0'], [String(to)], [Buffer.concat(Array<Buffer>(to % 256).fill(leaf))]],
          ...[tiles.map(() => 'main'), tiles.map(() => 1), tiles.map(() => '0'), tiles],
        ]);
      try {
        await a.query('BEGIN');
        await grow(a, 300, [leaf]);
        const later = grow(b, 200, []).then(
          () => 'grown',
          (error: Error & { code?: string }) => error.code,
        );
        await a.query('SELECT pg_sleep(0.3)');
        await a.query('COMMIT');
        expect(await later).toBe('TT040');
      } finally {
        a.release();
        b.release();
      }
      expect(await round()).toMatchObject({ refused: [] }); // of leaves that were nobody's: made anew
    });

    it('are of one key, which gives way to the next by a note of both', async () => {
      await record(4);
      await round();
      const { key: firstKey } = await latest();
      // another key than the one that has signed, and one that is missing
      const other = join(folder, 'other.pem');
      await KeyFile.readOrMake(other);
      await record(1);
      await expect(round(test.store, other)).rejects.toThrow('cannot succeed it');
      await expect(round(test.store, join(folder, 'missing.pem'))).rejects.toThrow('no signing key');
      const firstFile = readFileSync(keyFile);
      await KeyFile.rotate(keyFile);
      expect(readFileSync(keyFile, 'utf8').match(/BEGIN PRIVATE KEY/g)).toHaveLength(2);
      expect(await round()).toMatchObject({ anchor: 2n, signed: 2 });
      const { key: secondKey, size } = await latest();
      expect(secondKey.toString()).not.toBe(firstKey.toString());
      const { body } = await service.http().get('/v1/ledgers/main/keys/history').expect(200);
      expect(body.keys).toEqual([firstKey.toString(), secondKey.toString()]);
      const notes = body.successions.map(({ note }: { note: string }) => note);
      expect(followSuccessions(firstKey, notes).at(-1)).toMatchObject({ fromSize: size, toSize: undefined });
      expect(followSuccessions(firstKey, notes).at(-1)!.key.toString()).toBe(secondKey.toString());
      await record(1);
      expect(await round()).toMatchObject({ anchor: 3n, signed: 1 });
      // the first one put back in front, and nothing is written with it
      writeFileSync(other, firstFile);
      await record(1);
      await expect(round(test.store, other)).rejects.toThrow(/cannot succeed it|given way/);
      await KeyFile.read(keyFile);
      writeFileSync(other, Buffer.concat([firstFile, readFileSync(keyFile)]));
      await expect(round(test.store, other)).rejects.toThrow('has given way to another one');
      expect(await round()).toMatchObject({ anchor: 4n, signed: 1 });
    });

    it('lead from every key to the present one, also of ledgers that were refused when it came, or are younger', async () => {
      /** On the service's own thread, which is quicker than a round of one's own. */
      const sign = async (): Promise<RoundOutcome> => {
        const { outcome } = await runJob(service, 'checkpoint');
        const { taken_up: takenUp, ...rest } = outcome as unknown as RoundOutcome & { taken_up: number };
        return { ...rest, takenUp, anchor: rest.anchor === null ? null : BigInt(rest.anchor) };
      };
      await service.http().put('/v1/ledgers/late').expect(201);
      await record(2, 'late');
      await record(1);
      expect(await sign()).toMatchObject({ anchor: 1n, signed: 3 });
      const { key: firstKey } = await latest();
      // behind what was signed, it is left out of both rotations
      await admin.query(`UPDATE ledger_heads SET size = 1 WHERE ledger = 'late'`);
      const keys = [firstKey];
      for (const anchor of [2n, 3n]) {
        await KeyFile.rotate(keyFile);
        await record(1);
        expect(await sign()).toMatchObject({ anchor, signed: 2, refused: [{ ledger: 'late' }] });
        keys.push((await latest()).key);
      }
      await admin.query(`UPDATE ledger_heads SET size = 2 WHERE ledger = 'late'`);
      const notesOf = async (anchor: bigint | null, ledger: string): Promise<string[]> => {
        const { successions } = parseAnchor(await stored(anchor!));
        return successions.filter((note) => parseSuccession(note).origin === `${TEST_ORIGIN}/${ledger}`);
      };
      // a file that has no longer the key that signed it last
      const withoutFirst = join(folder, 'without-first.pem');
      const blocks = readFileSync(keyFile, 'utf8').split(/(?=-----BEGIN)/);
      writeFileSync(withoutFirst, blocks.slice(0, 2).join(''));
      expect(await round(test.store, withoutFirst)).toMatchObject({
        refused: [{ ledger: 'late', reason: expect.stringContaining('(1 of 3) is no longer in SIGNING_KEY_FILE') }],
      });
      // it has not moved, and is signed all the same, once
      const { anchor: back, refused } = await sign();
      expect([refused, await notesOf(back, 'late')]).toEqual([[], [expect.anything(), expect.anything()]]);
      await service.http().put('/v1/ledgers/younger').expect(201);
      await record(3, 'younger');
      const { anchor: born } = await sign();
      expect(await notesOf(born, 'younger')).toHaveLength(2);
      await service.http().put('/v1/ledgers/youngest').expect(201);
      const { anchor: bornLast } = await round(test.store, withoutFirst);
      expect(await notesOf(bornLast, 'youngest')).toHaveLength(1);
      expect((await latest('late')).size).toBe(2n);
      const { body: ofLate } = await service.http().get(`/v1/ledgers/late/keys/history`).expect(200);
      expect(ofLate.successions.map(({ anchor }: { anchor: string }) => anchor)).toEqual([String(back), String(back)]);

      // whoever was given any of the keys reaches the present one
      const histories = async () =>
        Promise.all(
          ['main', 'late', 'younger'].map(async (ledger) => {
            const { body } = await service.http().get(`/v1/ledgers/${ledger}/keys/history`).expect(200);
            return { ledger, notes: body.successions.map(({ note }: { note: string }) => note) as string[] };
          }),
        );
      const known = await histories();
      for (const { ledger, notes } of known) {
        const own = keys.map((key) => new VerifierKey(`${TEST_ORIGIN}/${ledger}`, key.algorithm, key.publicKey));
        const { note, size } = await latest(ledger);
        for (const [at, key] of own.entries()) {
          expect(followSuccessions(key, notes).map((term) => String(term.key))).toEqual(own.slice(at).map(String));
          expect(signedByReached(parseNote(note), size, [key], notes).map(String)).toEqual([String(own[2])]);
        }
        const [given] = own;
        const stateFile = join(folder, `${ledger}.json`);
        const url = `${service.url}/v1/ledgers/${ledger}`;
        expect(await watchLedger({ url, keys: [given!], stateFile, token: TEST_KEY })).toMatchObject({
          verdict: 'valid',
        });
        const { body: bundle } = await service
          .http()
          .post(`/v1/ledgers/${ledger}/evidence`)
          .send({ from_sequence: '1' })
          .buffer(true)
          .parse(asBytes)
          .expect(200);
        const report = verifyBundle(inMemory(bundle), { keys: [given!] });
        expect([ledger, report.verdict, report.findings]).toEqual([ledger, 'valid', []]);
        expect(unpack(bundle).get(FILES.page)!.toString()).toContain(pageText(String(given)));
        if (HAS_PYTHON) {
          const file = join(folder, 'bundle.zip');
          writeFileSync(file, bundle);
          const { status, stdout } = spawnSync(PYTHON, [SECOND_VERIFIER, file, String(given)], { encoding: 'utf8' });
          expect([status, stdout]).toEqual([0, expect.stringContaining(': 0 findings')]);
        }
      }
      expect((await runJob(service, 'anchor-verification')).outcome).toMatchObject({ verdict: 'valid', findings: [] });
      if (!test.owner) {
        const { findings } = await verifyArchiveFolder(fileURLToPath(test.url), [firstKey]);
        // the last one was signed without the first key's note
        expect(findings.map(({ kind, detail }) => [kind, detail])).toEqual([
          ['key', expect.stringMatching(/\/youngest: it is not signed with a key reached from the one given/)],
        ]);
      }
      // and whoever takes the anchors up again knows the same notes
      await tamper(
        service.database.adminUrl,
        'DELETE FROM key_successions',
        'DELETE FROM checkpoints WHERE anchor > 1',
        'DELETE FROM signing_keys WHERE from_anchor > 1',
        'DELETE FROM anchors WHERE number > 1',
      );
      await record(1);
      expect(await sign()).toMatchObject({ takenUp: Number(bornLast) - 1, anchor: bornLast! + 1n, refused: [] });
      expect(await histories()).toEqual(known);
    });

    onceOnly('need a scope, unless proofs are public', async () => {
      await record(1);
      await round();
      const { key } = await createKey(service, ['events:read'], ['*']);
      for (const path of ['checkpoint', 'keys', 'keys/history', 'consistency?from=0', 'tile/0/000.p/1']) {
        await service.http(null).get(`/v1/ledgers/main/${path}`).expect(401);
        await service.http(key).get(`/v1/ledgers/main/${path}`).expect(403);
      }
      const open = await startService({
        env: { ARCHIVE_URL: test.url, SIGNING_KEY_FILE: keyFile, CHECKPOINT_SCHEDULE: 'off', PUBLIC_PROOFS: 'true' },
        database: service.database,
      });
      try {
        for (const path of ['checkpoint', 'keys', 'keys/history', 'consistency?from=0', 'tile/0/000.p/1']) {
          await open.http(null).get(`/v1/ledgers/main/${path}`).expect(200);
        }
        await open.http(null).get('/v1/ledgers/main/events/0197f3a1-6c00-7000-8000-00000000000a/proof').expect(401);
        await open.http(null).get('/v1/ledgers/nowhere/checkpoint').expect(404);
      } finally {
        await open.close();
      }
    });

    it('count as they were first written, whatever is put over them', async () => {
      if (!test.owner) return; // a folder has no versions
      await record(5);
      await round();
      const { client, bucket } = test.owner;
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: `trail/${anchorKey(2n)}`, Body: 'squatted' }));
      await record(5);
      await expect(round()).rejects.toThrow();
    });
  },
);
