import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KeyFile } from '../src/checkpoints/signer.js';
import { leafHash } from '../src/integrity/event.js';
import { checkpointText, parseCheckpoint } from '../src/integrity/checkpoint.js';
import { isIncluded } from '../src/integrity/merkle-proof.js';
import { ED25519, parseNote, VerifierKey, verifyNote, formatNote } from '../src/integrity/signed-note.js';
import { parseTlogProof } from '../src/integrity/tlog-proof.js';
import { cosignersOf, isQuorum, parsePolicy, type WitnessPolicy } from '../src/integrity/witness-policy.js';
import { requestCosignature } from '../src/witnesses/witness-client.js';
import { startService, TEST_ORIGIN, type TestService } from './support/app.js';
import { serviceEvents } from './support/keys.js';
import { folderStore, type TestStore } from './support/stores.js';
import { endRow, publishesItsRows, seen, tampering } from './support/tamper-matrix.js';
import { connected, record, runJob } from './support/verification.js';
import { TestWitness } from './support/witness-server.js';

const LEDGERS = ['main', '_service'];

describe('witnesses', () => {
  let store: TestStore;
  let folder: string;
  let witnesses: TestWitness[];
  let policyFile: string;
  let policy: WitnessPolicy;
  let logKey: KeyFile;
  let service: TestService;

  beforeEach(async () => {
    store = folderStore();
    folder = mkdtempSync(join(tmpdir(), 'truetrail-witnesses-'));
    const keyFile = join(folder, 'signing-key.pem');
    logKey = await KeyFile.readOrMake(keyFile);
    witnesses = await Promise.all(['A', 'B', 'C'].map((name) => TestWitness.start(`${name}.example/witness`)));
    for (const witness of witnesses) for (const ledger of LEDGERS) witness.trust(keyOf(ledger));
    const lines = witnesses.map((each) => `witness ${each.name[0]} ${each.key.toString()} ${each.url}\n`);
    const text = `# two of three\n${lines.join('')}group enough 2 A B C\nquorum enough\n`;
    policy = parsePolicy(text);
    policyFile = join(folder, 'policy');
    writeFileSync(policyFile, text);
    service = await startService({
      env: {
        ARCHIVE_URL: store.url,
        SIGNING_KEY_FILE: keyFile,
        CHECKPOINT_SCHEDULE: 'off',
        WITNESSES: policyFile,
      },
    });
  });
  afterEach(async () => {
    await service.close();
    await Promise.all(witnesses.map((each) => each.close()));
    store.close();
    rmSync(folder, { recursive: true });
  });

  const keyOf = (ledger: string): VerifierKey => new VerifierKey(`${TEST_ORIGIN}/${ledger}`, ED25519, logKey.publicKey);

  async function latest(ledger = 'main') {
    const { text } = await service.http().get(`/v1/ledgers/${ledger}/checkpoint`).expect(200);
    const note = parseNote(text);
    expect(verifyNote(note, [keyOf(ledger)])).toHaveLength(1);
    return { note, ...parseCheckpoint(note.text), cosigners: [...cosignersOf(policy, note)].map(({ name }) => name) };
  }

  /** The value of a metric, by its name and labels as they are printed. */
  async function metric(name: string): Promise<number | undefined> {
    const { text } = await service.http().get('/metrics').expect(200);
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  }

  const failuresOf = (name: string, reason: string): Promise<number | undefined> =>
    metric(`truetrail_witness_failures_total{witness="${name}",reason="${reason}"}`);

  async function until(what: () => Promise<boolean>): Promise<void> {
    for (const began = Date.now(); !(await what()); await pause(20)) {
      if (Date.now() - began > 20_000) throw new Error('it does not come about');
    }
  }

  it('cosign each ledger after each round, as it grows, and whoever has their keys can tell', async () => {
    const receipts = await record(service, 300);
    expect(await metric('truetrail_unwitnessed_age_seconds')).toBe(0); // nothing is signed yet
    await runJob(service, 'checkpoint');
    await until(async () => (await latest()).cosigners.length === 3); // by itself
    await runJob(service, 'witnessing');
    for (const ledger of LEDGERS) {
      const { note, size, cosigners } = await latest(ledger);
      expect(cosigners).toEqual(['A', 'B', 'C']);
      expect(isQuorum(policy, cosignersOf(policy, note))).toBe(true);
      expect(witnesses.map((each) => each.sizeOf(`${TEST_ORIGIN}/${ledger}`))).toEqual([size, size, size]);
    }
    expect(await metric('truetrail_witnessed_checkpoint_age_seconds{ledger="main"}')).toBeLessThan(20);
    expect(await metric('truetrail_unwitnessed_age_seconds')).toBe(0);

    const { text } = await service
      .http()
      .get(`/v1/ledgers/main/events/${receipts[7]!.event_id}/proof`)
      .set('accept', 'text/plain')
      .expect(200);
    const proof = parseTlogProof(text);
    const proven = parseNote(proof.note);
    const { size, rootHash } = parseCheckpoint(proven.text);
    expect(isQuorum(policy, cosignersOf(policy, proven))).toBe(true);
    const leaf = leafHash(Buffer.from(receipts[7]!.event_hash, 'hex'));
    expect(isIncluded(leaf, proof.index, size, proof.hashes, rootHash)).toBe(true);

    for (const more of [1, 255, 700]) {
      await record(service, more);
      await runJob(service, 'checkpoint');
      const { outcome } = await runJob(service, 'witnessing');
      expect(JSON.stringify(outcome)).not.toContain('conflict');
      expect((await latest()).cosigners).toEqual(['A', 'B', 'C']);
    }
    expect((await latest()).size).toBe(1256n);
    const asked = witnesses.map(({ requests }) => requests);
    const { outcome } = await runJob(service, 'witnessing');
    expect(outcome).toMatchObject({ witnesses: { A: { cosigned: 0, failed: {}, left: 0 } } });
    expect(witnesses.map(({ requests }) => requests)).toEqual(asked); // nobody is asked the same twice
  });

  it('that are not there, or answer nonsense, hold nothing up, and are asked again', async () => {
    const [a, b, c] = witnesses;
    await a!.break('hang');
    await b!.break('garbage');
    await c!.break({ status: 500 });
    await record(service, 10);
    const round = await runJob(service, 'checkpoint');
    expect(round).toMatchObject({ status: 'done', outcome: { anchor: '1', signed: 2 } });
    await record(service, 10); // and no POST waits
    expect((await latest()).cosigners).toEqual([]);
    await until(() => Promise.resolve(a!.requests > 0));
    await a!.break('refuse'); // whoever waits for it needs to wait no more
    const run = await runJob(service, 'witnessing');
    expect(run).toMatchObject({
      status: 'done',
      outcome: {
        witnesses: {
          A: { cosigned: 0, failed: { 'no-answer': 2 } },
          B: { cosigned: 0, failed: { unusable: 2 } },
          C: { cosigned: 0, failed: { failed: 2 } },
        },
      },
    });
    expect(await failuresOf('A', 'no-answer')).toBeGreaterThanOrEqual(2);
    expect(await failuresOf('B', 'unusable')).toBeGreaterThanOrEqual(2);
    expect(await metric('truetrail_unwitnessed_age_seconds')).toBeGreaterThan(0);
    expect(await metric('truetrail_witnessed_checkpoint_age_seconds{ledger="main"}')).toBeUndefined();

    await b!.break(undefined);
    await runJob(service, 'checkpoint');
    await runJob(service, 'witnessing');
    expect((await latest()).cosigners).toEqual(['B']);
    expect(await metric('truetrail_unwitnessed_age_seconds')).toBeGreaterThan(0); // one is not enough
    await c!.break(undefined);
    await runJob(service, 'witnessing');
    expect((await latest()).cosigners).toEqual(['B', 'C']);
    expect(await metric('truetrail_unwitnessed_age_seconds')).toBe(0);
    await a!.break(undefined);
    await runJob(service, 'witnessing');
    expect((await latest()).cosigners).toEqual(['A', 'B', 'C']);
  });

  it('of which one has lost its memory, or an answer of its was lost, go on from what they have', async () => {
    const [a, b] = witnesses;
    await record(service, 100);
    await runJob(service, 'checkpoint');
    await runJob(service, 'witnessing');
    a!.forget();
    await b!.break('lose answer');
    await record(service, 100);
    await runJob(service, 'checkpoint');
    await runJob(service, 'witnessing');
    expect((await latest()).cosigners).toEqual(['A', 'C']);
    expect(b!.sizeOf(`${TEST_ORIGIN}/main`)).toBe(200n); // we do not know that
    await b!.break(undefined);
    await record(service, 100);
    await runJob(service, 'checkpoint');
    await runJob(service, 'witnessing');
    expect((await latest()).cosigners).toEqual(['A', 'B', 'C']);
  });

  it('that were shown another history say so, which is an alarm', async () => {
    const [a] = witnesses;
    const origin = `${TEST_ORIGIN}/main`;
    const text = checkpointText({ origin, size: 50n, rootHash: leafHash(Buffer.alloc(32, 1)) });
    const note = formatNote({ text, signatures: [logKey.sign(text, origin)] });
    tampering('signs two histories', 'the key’s holder', 'shows one of them to a witness, and goes on with the other');
    const forged = { text, note, size: 50n, sizeBefore: 0n, prove: () => Promise.resolve([]) };
    await requestCosignature(a!, forged, { signal: new AbortController().signal });
    await record(service, 80);
    await runJob(service, 'checkpoint');
    const { outcome } = await runJob(service, 'witnessing');
    expect(outcome).toMatchObject({ witnesses: { A: { failed: { conflict: 1 } } } });
    expect((await latest()).cosigners).toEqual(['B', 'C']);
    expect(await failuresOf('A', 'conflict')).toBeGreaterThanOrEqual(1);
    seen('witness', [{ kind: 'conflict', names: 'the ledger' }]);
    endRow();
    await runJob(service, 'witnessing');
    expect(await serviceEvents(service.database, 'checkpoint')).toMatchObject([
      { entity_id: 'main', action: 'witness_conflict', new_state: { witness: 'A' } },
    ]);
  });

  it('are kept by what the owner lets the service do, and no otherwise', async () => {
    await record(service, 5);
    await runJob(service, 'checkpoint');
    await runJob(service, 'witnessing');
    await connected(service.database.serviceUrl, async (client) => {
      await client.query('SET ROLE truetrail_service');
      for (const statement of [
        `INSERT INTO witnessed_checkpoints VALUES ('main', 1, now())`,
        'DELETE FROM cosignatures',
        'UPDATE cosignatures SET line = line',
        'TRUNCATE timestamps',
      ]) {
        await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
      }
      const note = (anchor: number): Promise<unknown> =>
        client.query(`SELECT note_witnessed(ARRAY['main'], ARRAY[${anchor}]::bigint[])`);
      await note(99); // without a cosignature there is nothing to note
      const { rows } = await client.query('SELECT FROM witnessed_checkpoints WHERE anchor = 99');
      expect(rows).toHaveLength(0);
      await expect(
        client.query(
          `SELECT keep_cosignatures(ARRAY['main'], ARRAY[1]::bigint[], ARRAY['k'], ARRAY[E'two\\nlines\\n'], ARRAY[now()])`,
        ),
      ).rejects.toMatchObject({ code: '23514' });
    });
    await connected(service.database.adminUrl, async (client) => {
      for (const statement of [
        'DELETE FROM cosignatures',
        'UPDATE cosignatures SET line = line',
        'TRUNCATE cosignatures CASCADE',
      ]) {
        await expect(client.query(statement)).rejects.toMatchObject({ code: 'TT100' });
      }
    });
  });

  it.each([
    ['no-such-file', undefined, 'ENOENT'],
    ['not UTF-8', Buffer.from([0xff, 0x0a]), 'encoded data was not valid'],
    ['no policy', 'witnes X\n', 'line 1: "witnes" is none of'],
    ['nobody', 'quorum none\n', 'it names no witness'],
  ])('of a file that is none keep the service from starting: %s', async (name, content, message) => {
    const path = join(folder, name.replaceAll(' ', '-'));
    if (content !== undefined) writeFileSync(path, content);
    const env = { ARCHIVE_URL: store.url, WITNESSES: path };
    const failed = await startService({ env }).then(
      () => 'started',
      (error: Error) => error.message,
    );
    expect(failed).toContain('The file of WITNESSES cannot be used');
    expect(failed).toContain(message);
  });

  it('without an address keep it from starting, too', async () => {
    writeFileSync(policyFile, `witness A ${witnesses[0]!.key.toString()}\nquorum A\n`);
    await expect(startService({ env: { ARCHIVE_URL: store.url, WITNESSES: policyFile } })).rejects.toThrow(
      'the witness A has no URL',
    );
  });
});

publishesItsRows('witnesses.e2e-spec.ts');
