import { generateKeyPairSync } from 'node:crypto';
import { checkpointText } from '../integrity/checkpoint.js';
import { leafHash } from '../integrity/event.js';
import { consistencyPath } from '../integrity/merkle-proof.js';
import { MerkleTree } from '../integrity/merkle-tree.js';
import { formatNote, signText, verifierKey } from '../integrity/signed-note.js';
import { TestWitness } from '../../test/support/witness-server.js';
import { requestCosignature, WitnessError, type Offer } from './witness-client.js';

const ORIGIN = 'audit.example.com/truetrail/main';
const logKey = generateKeyPairSync('ed25519').privateKey;
const leaves = Array.from({ length: 40 }, (_, at) => leafHash(Buffer.alloc(32, at)));
const otherLeaves = leaves.map((leaf, at) => (at === 2 ? leafHash(Buffer.alloc(32, 99)) : leaf));

function rootOf(hashes: readonly Buffer[]): Buffer {
  const tree = new MerkleTree();
  for (const hash of hashes) tree.append(hash);
  return tree.root();
}

function offer(size: number, sizeBefore: number, of = leaves, key = logKey, origin = ORIGIN): Offer {
  const root = (start: number, end: number): Buffer => rootOf(of.slice(start, end));
  const text = checkpointText({ origin, size: BigInt(size), rootHash: root(0, size) });
  return {
    text,
    note: formatNote({ text, signatures: [signText(text, origin, key)] }),
    size: BigInt(size),
    sizeBefore: BigInt(sizeBefore),
    prove: (from) =>
      Promise.resolve(consistencyPath(from, BigInt(size)).map(({ start, end }) => root(Number(start), Number(end)))),
  };
}

describe('a witness', () => {
  let witness: TestWitness;
  beforeEach(async () => {
    witness = await TestWitness.start('witness.example/w1');
    witness.trust(verifierKey(ORIGIN, logKey));
  });
  afterEach(() => witness.close());

  const ask = (of: Offer, { signal = new AbortController().signal, timeoutMs = 5_000 } = {}) =>
    requestCosignature(witness, of, { signal, timeoutMs });
  const failure = async (of: Offer, timeoutMs?: number): Promise<string> => {
    try {
      await ask(of, timeoutMs === undefined ? {} : { timeoutMs });
      return 'cosigned';
    } catch (error) {
      if (error instanceof WitnessError) return error.failure;
      throw error;
    }
  };

  it('cosigns a ledger as it grows, and again where it stands', async () => {
    let before = 0;
    for (const size of [0, 1, 2, 7, 8, 8, 39]) {
      const asked = offer(size, before);
      const signature = await ask(asked);
      expect(witness.key.isNamedBy(signature) && witness.key.verifies(asked.text, signature)).toBe(true);
      before = size;
    }
    expect([witness.requests, witness.sizeOf(ORIGIN)]).toEqual([7, 39n]);
  });

  it('says what it has, and is led on from there', async () => {
    await ask(offer(5, 0));
    await ask(offer(12, 3)); // we have forgotten what it had
    await ask(offer(20, 15)); // or believe that it has what it never saw
    await ask(offer(20, 40)); // or more than we have, after a restore
    expect(witness.sizeOf(ORIGIN)).toBe(20n);
    witness.forget();
    await ask(offer(30, 20));
    expect(witness.sizeOf(ORIGIN)).toBe(30n);
    expect(witness.requests).toBe(9);
  });

  it('that has seen what our tree does not continue is a conflict, and stays where it is', async () => {
    await ask(offer(5, 0));
    expect(await failure(offer(9, 5, otherLeaves))).toBe('conflict');
    expect(await failure(offer(5, 5, otherLeaves))).toBe('conflict');
    expect(await failure(offer(3, 0))).toBe('conflict'); // behind what it has
    expect(witness.sizeOf(ORIGIN)).toBe(5n);
    expect(await failure(offer(9, 5))).toBe('cosigned');
  });

  it('has to know the ledger and its key', async () => {
    expect(await failure(offer(5, 0, leaves, generateKeyPairSync('ed25519').privateKey))).toBe('key-refused');
    expect(await failure(offer(5, 0, leaves, logKey, 'elsewhere.example/x'))).toBe('unknown-log');
  });

  it.each<[string, TestWitness['fault']]>([
    ['no-answer', 'hang'],
    ['no-answer', 'hang in body'],
    ['no-answer', 'cut'],
    ['no-answer', 'refuse'],
    ['no-answer', 'lose answer'],
    ['no-answer', 'oversized'],
    ['no-answer', 'endless'],
    ['failed', { status: 500 }],
    ['busy', { status: 503 }],
    ['busy', { status: 429 }],
    ['refused', { status: 400 }],
    ['refused', { status: 418 }],
    ['refused', 'redirect'],
    ['unusable', 'wrong key'],
    ['unusable', 'unknown key'],
    ['unusable', 'garbage'],
    ['unusable', 'empty'],
    ['unusable', 'no newline'],
    ['unusable', 'replay'],
    ['unusable', 'old time'],
    ['unusable', 'future time'],
    ['unusable', 'plain signature'],
    ['failed', 'wandering size'],
    ['conflict', { status: 422 }],
  ])('is not believed, and nothing waits for it (%s): %j', async (expected, fault) => {
    await ask(offer(3, 0));
    await witness.break(fault);
    expect(await failure(offer(8, 3), 500)).toBe(expected);
    await witness.break(undefined);
    expect(await failure(offer(9, 3))).toBe('cosigned'); // whatever it remembers by now
  });

  it('is not believed either when it names its size without the type', async () => {
    await ask(offer(3, 0));
    await witness.break('untyped conflict');
    expect(await failure(offer(8, 0))).toBe('unusable');
  });

  it('is left when we are told to stop', async () => {
    await witness.break('hang');
    const stop = new AbortController();
    const asked = ask(offer(3, 0), { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('stopping')), 50);
    await expect(asked).rejects.toThrow('stopping');
  });
});
