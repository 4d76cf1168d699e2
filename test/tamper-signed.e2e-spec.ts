import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { anchorKey } from '../src/integrity/anchor.js';
import { VerifierKey } from '../src/integrity/signed-note.js';
import { watchLedger } from '../src/verify/ledger-monitor.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { rewriting } from './support/rewriting.js';
import { HAS_S3, STORES, type TestStore } from './support/stores.js';
import { endRow, publishesItsRows, seen, tampering } from './support/tamper-matrix.js';
import { record, runJob, tamper, verify, type ShownVerification } from './support/verification.js';

/*
 * What a ledger that agrees with itself cannot show, and what was signed of it does: each test does it for real, as a
 * superuser of the database or with the keys of the bucket's owner, and reads the verdict over HTTP.
 */

/** Why nothing is found of what no round has signed. */
const UNSIGNED = 'no round has signed it yet, at most one interval; receipts that submitters keep show it';
let ledgers = 0;

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'what was signed and anchored in %s',
  (_, make) => {
    let test: TestStore;
    let folder: string;
    let service: TestService;
    let ledger: string;
    beforeAll(async () => {
      test = await make();
      folder = mkdtempSync(join(tmpdir(), 'truetrail-keys-'));
      const env = { ARCHIVE_URL: test.url, ARCHIVE_EXPORT_AGE: '24h', SIGNING_KEY_FILE: join(folder, 'key.pem') };
      service = await startService({ env });
    });
    afterAll(async () => {
      await service.close();
      test.close();
      rmSync(folder, { recursive: true });
    });

    /** A ledger that was signed with 4, 8 and 12 events, and has 14. */
    beforeEach(async () => {
      ledger = `signed-${(ledgers += 1)}`;
      await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
      for (let i = 0; i < 3; i++) {
        await record(service, 4, ledger);
        expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
      }
      await record(service, 2, ledger);
      known = new Set();
      known = new Set((await anchors()).findings.map((each) => JSON.stringify(each)));
    });

    const tampered = (...statements: string[]): Promise<void> =>
      tamper(service.database.adminUrl, ...statements.map((sql) => sql.replaceAll('$ledger', `'${ledger}'`)));
    const places = ({ findings }: ShownVerification): string[] =>
      findings.map(({ kind, sequence }) => `${kind}@${sequence}`);
    const cut = (size: number): string[] => [
      `DELETE FROM audit_events WHERE ledger = $ledger AND sequence > ${size}`,
      `DELETE FROM event_keys WHERE ledger = $ledger AND sequence > ${size}`,
      `UPDATE ledger_heads SET size = ${size}, event_hash =
         (SELECT event_hash FROM audit_events AS e WHERE e.ledger = $ledger AND sequence = ${size}) WHERE ledger = $ledger`,
    ];
    const refused = async (): Promise<{ ledger: string; reason: string }[]> => {
      const { outcome } = await runJob(service, 'checkpoint');
      const all = (outcome as unknown as { refused: { ledger: string; reason: string }[] }).refused;
      const own = all.filter((each) => each.ledger === ledger); // others are refused since the tests before
      seen(
        'signing round',
        own.map(() => ({ kind: 'refused', names: 'the ledger' })),
      );
      return own;
    };
    interface AnchorFinding {
      kind: string;
      object_key: string;
      detail: string;
    }
    /** That the tests before have left. */
    let known: Set<string>;
    const anchors = async (): Promise<{ verdict: string; findings: AnchorFinding[] }> => {
      const outcome = (await runJob(service, 'anchor-verification')).outcome as unknown as {
        verdict: string;
        findings: AnchorFinding[];
      };
      const found = outcome.findings.filter((each) => !known.has(JSON.stringify(each)));
      seen(
        'anchors',
        found.map(({ kind }) => ({ kind, names: 'the object' })),
      );
      return { ...outcome, findings: found };
    };

    it('is valid as it is', async () => {
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: '14' });
      expect(await verify(service, { from_sequence: '6', to_sequence: '9' }, ledger)).toMatchObject({
        verdict: 'valid',
      });
      expect(await anchors()).toMatchObject({ verdict: 'valid', findings: [] });
    });

    it('shows a tail that was cut off with its keys, and the head put back', async () => {
      tampering(
        'cuts the tail',
        'a superuser',
        'with keys and head: 10 of 14 events are left, of which 12 were signed',
      );
      await tampered(...cut(10));
      const found = await verify(service, {}, ledger);
      expect(found).toMatchObject({ verdict: 'invalid', checked: '10' });
      expect(places(found)).toEqual(['checkpoint@11']);
      expect(found.findings[0]!.detail).toMatch(
        /^12 events were signed \(anchor \d+\), and the ledger ends at 10: events 11 to 12/,
      );
      expect(await refused()).toContainEqual({
        ledger,
        reason: expect.stringContaining('it ends at 10'),
        is_open: true,
      });
      // no bundle ends with what is left as if it were all, unless it is asked for as of then
      const bundle = (question: object) => service.http().post(`/v1/ledgers/${ledger}/evidence`).send(question);
      const recorded = { recorded_from: '2000-01-01T00:00:00Z', recorded_to: '2100-01-01T00:00:00Z' };
      for (const question of [
        ...[{ from_sequence: '1' }, recorded, { from: '2000-01-01T00:00:00Z' }, { order_id: 'none' }],
        { search: { event_type: 'order_lifecycle' } },
      ]) {
        const { status, body: problem } = await bundle(question);
        expect([question, status, problem.type]).toEqual([question, 500, '/docs/problems/damaged-record']);
        expect(problem.detail).toMatch(/^12 events of .* were signed, and not all of them are there any more/);
        await bundle({ ...question, as_of: '8' }).expect(200);
      }
      await bundle({ from_sequence: '1', to_sequence: '8' }).expect(200);
      // from the round on that has seen it nothing more is taken
      const { body } = await service.http().post(`/v1/ledgers/${ledger}/events`).send(sampleEvent()).expect(503);
      expect(body.type).toBe('/docs/problems/ledger-behind-its-anchor');
    });

    it('shows a tail that was cut off and has grown again', async () => {
      tampering(
        'cuts the tail',
        'a superuser',
        'with keys and head: 10 of 14 events are left, of which 12 were signed, and 4 others come',
      );
      await tampered(...cut(10));
      await record(service, 4, ledger);
      expect(places(await verify(service, {}, ledger))).toEqual(['checkpoint@9']);
      expect(await refused()).toContainEqual({
        ledger,
        reason: expect.stringContaining('not those that were signed'),
        is_open: true,
      });
    });

    it.each([
      [1n, 1],
      [6n, 5],
      [12n, 9],
    ])('shows a ledger that was rewritten from event %s on, with right hashes', async (from, first) => {
      tampering(
        'rewrites all from an event on, with right hashes',
        'a superuser',
        `from event ${from} of 14 on, 12 of them signed`,
      );
      await tampered(...(await rewriting(service.database, ledger, from)));
      const found = await verify(service, {}, ledger);
      expect(places(found)).toEqual([`checkpoint@${first}`]);
      expect(found.findings[0]!.detail).toContain(`events ${first} to ${first + 3} are not those that were signed`);
      // a range that has the change, and one that does not
      const part = await verify(service, { from_sequence: String(first) }, ledger);
      expect(places(part)).toEqual([`checkpoint@${first}`]);
      expect(await refused()).toContainEqual({
        ledger,
        reason: expect.stringContaining('not those that were signed'),
        is_open: true,
      });
    });

    it('does not show what was changed after it was signed last: at most an interval', async () => {
      tampering('rewrites all from an event on, with right hashes', 'a superuser', 'past what was signed last', {
        blind: UNSIGNED,
      });
      await tampered(...(await rewriting(service.database, ledger, 13n)));
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid' });
    });

    it('shows checkpoints that were changed together with the events', async () => {
      tampering(
        'edits what was signed',
        'a superuser',
        'changes the last checkpoint’s root, and rewrites the last event to it',
      );
      await tampered(
        ...(await rewriting(service.database, ledger, 12n)),
        `UPDATE checkpoints SET root_hash = sha256('x') WHERE ledger = $ledger AND size = 12`,
      );
      expect(places(await verify(service, {}, ledger))).toEqual(['checkpoint@9']);
      tampering('edits what was signed', 'a superuser', 'deletes the last checkpoint, and rewrites the last event');
      await tampered(`DELETE FROM checkpoints WHERE ledger = $ledger AND size > 8`);
      // nothing in this database is left to say it; the anchor is
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid' });
      const { verdict, findings } = await anchors();
      expect(verdict).toBe('invalid');
      expect(findings).toContainEqual({
        kind: 'catalogue',
        object_key: expect.stringMatching(/^anchors\//),
        detail: expect.stringContaining(`lacks its checkpoint of`),
      });
    });

    describe('of a tree that has tiles', () => {
      /** 600 of its 614 events are in full tiles or the last one. */
      beforeEach(async () => {
        await record(service, 600, ledger);
        expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
      });
      const change = `UPDATE tree_tiles SET hashes =`;
      const where = `WHERE ledger = $ledger AND level = 1`;
      const get = (path: string) => service.http().get(`/v1/ledgers/${ledger}/${path}`);

      it.each<[string, string, number]>([
        ['a hash of a stored tile of the tree', `${change} set_byte(hashes, 0, get_byte(hashes, 0) # 1) ${where}`, 1],
        ['cuts off a stored tile of the tree', `${change} substring(hashes FOR 32) ${where}`, 257],
        ['removes a stored tile of the tree', `DELETE FROM tree_tiles ${where}`, 1],
      ])('shows the tile, and not the events, and serves nothing of it: %s', async (done, statement, sequence) => {
        tampering('edits what was signed', 'a superuser', done);
        await tampered(statement);
        const found = await verify(service, {}, ledger);
        expect(found).toMatchObject({ verdict: 'invalid', checked: '614' });
        expect(places(found)).toEqual([`tile@${sequence}`]);
        endRow();
        // also where the range begins after what the tile is of
        expect(places(await verify(service, { from_sequence: '600' }, ledger))).toEqual([`tile@${sequence}`]);
        const events = (await get(`events?from_sequence=${sequence === 1 ? 300 : 1}&limit=1`).expect(200)).body.events;
        for (const path of ['tile/1/000.p/2', `events/${events[0].event_id}/proof`, 'consistency?from=200']) {
          expect((await get(path).expect(500)).body.type).toBe('/docs/problems/damaged-record');
        }
        // the next round makes the tree anew, of the events
        await record(service, 1, ledger);
        expect(await refused()).toEqual([]);
        expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid' });
        await get('tile/1/000.p/2').expect(200);
      });

      it('is served by tiles of level 0 that are those that were signed, whatever the rows say', async () => {
        const key = VerifierKey.parse((await get('keys').expect(200)).text.trim().split('\n')[0]!);
        const look = (name: string) =>
          watchLedger({
            ...{ url: `${service.url}/v1/ledgers/${ledger}`, keys: [key], token: TEST_KEY, tiles: true },
            stateFile: join(folder, `${ledger}-${name}.json`),
          });
        expect(await look('before')).toMatchObject({ verdict: 'valid', checkpoint: { size: '614' } });
        await tampered(...(await rewriting(service.database, ledger, 300n)));
        // what was read before is kept as it was signed; what is asked of rows is not given any more
        expect((await get('tile/entries/001').expect(500)).body.type).toBe('/docs/problems/damaged-record');
        expect(await look('after')).toMatchObject({
          verdict: 'invalid',
          findings: [{ kind: 'damaged', detail: expect.stringMatching(/tile\/entries.*damaged-record/) }],
        });
      });
    });

    it('is taken up from the store where the database has forgotten it', async () => {
      tampering(
        'edits what was signed',
        'a superuser',
        'forgets the last rounds, and cuts the tail with keys and head',
      );
      await tampered(
        ...cut(6),
        `DELETE FROM key_successions`,
        `DELETE FROM checkpoints WHERE anchor > (SELECT max(number) - 2 FROM anchors)`,
        `DELETE FROM anchors WHERE number > (SELECT max(number) - 2 FROM anchors)`,
      );
      expect(await refused()).toContainEqual({
        ledger,
        reason: expect.stringContaining('it ends at 6'),
        is_open: true,
      });
      expect(places(await verify(service, {}, ledger))).toEqual(['checkpoint@7']);
    });

    it('is held against the store: what its owner puts over or before an anchor is found', async () => {
      if (!test.owner) return; // a folder has no versions, and its owner may do anything
      const { client, bucket } = test.owner;
      const { outcome } = await runJob(service, 'checkpoint');
      const number = BigInt((outcome as unknown as { anchor: string | null }).anchor ?? 0n);
      const Key = `trail/${anchorKey(number)}`;
      tampering('hides an object behind a newer version', 'the bucket’s owner', 'an anchor, behind another history');
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'another history' }));
      expect((await anchors()).findings).toContainEqual(
        expect.objectContaining({ kind: 'anchor-hidden', object_key: anchorKey(number) }),
      );
      endRow();
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
      expect((await anchors()).findings).toContainEqual(
        expect.objectContaining({ kind: 'anchor-hidden', object_key: anchorKey(number) }),
      );
      // and what counts is what was there first
      endRow();
      await record(service, 1, ledger);
      expect(await refused()).not.toContainEqual(expect.objectContaining({ ledger }));
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: `trail/anchors/x`, Body: 'x' }));
      expect((await anchors()).findings).toContainEqual(
        expect.objectContaining({ kind: 'anchor-unknown', object_key: 'anchors/x' }),
      );
    });
  },
);

publishesItsRows(
  'tamper-signed.e2e-spec.ts',
  ['what was signed and anchored in S3', 'what was signed and anchored in a folder'],
  HAS_S3 ? [] : ['the bucket’s owner'],
);
