import type { KeyObject } from 'node:crypto';
import { EVIDENCE_ORIGIN as MAIN, keyOfByte } from '../../test/support/evidence.js';
import type { Anchor } from '../integrity/anchor.js';
import { checkpointText } from '../integrity/checkpoint.js';
import { signSuccession } from '../integrity/key-succession.js';
import { formatNote, signText, verifierKey } from '../integrity/signed-note.js';
import { verifyAnchor } from './anchor-intake.js';

const OTHER = MAIN.replace(/main$/, 'other');
const [first, second, third, stranger] = [1, 2, 3, 4].map(keyOfByte) as [KeyObject, KeyObject, KeyObject, KeyObject];
const raw = (key: KeyObject): Buffer => verifierKey(MAIN, key).publicKey;

/** An anchor with a checkpoint of 10 events of each ledger, signed by `key`. */
function anchorOf(key: KeyObject, successions: string[], origins = [MAIN, OTHER]): Anchor {
  const checkpoints = origins.map((origin) => {
    const text = checkpointText({ origin, size: 10n, rootHash: Buffer.alloc(32, 1) });
    return { sizeBefore: 0n, note: formatNote({ text, signatures: [signText(text, origin, key)] }) };
  });
  return { number: 7n, previous: Buffer.alloc(32), checkpoints, successions };
}

const step = (from: KeyObject, to: KeyObject, { origin = MAIN, size = 10n } = {}): string =>
  signSuccession(origin, size, from, to);

describe('verifyAnchor', () => {
  const before = [first, second].map(raw);

  it('takes notes that lead, ledger by ledger, from any key before to the one that signs', () => {
    expect(verifyAnchor(anchorOf(second, []), before).publicKey).toEqual(raw(second));
    // a ledger that was left out when the second key came
    expect(verifyAnchor(anchorOf(second, [step(first, second)]), before)).toMatchObject({
      publicKey: raw(second),
      successions: [{ origin: MAIN }],
    });
    // the third key comes: one ledger is as far as the second, the other never had more than the first
    const notes = [
      step(second, third),
      step(first, second, { origin: OTHER }),
      step(second, third, { origin: OTHER, size: 9n }),
    ];
    const { publicKey, successions } = verifyAnchor(anchorOf(third, notes), before);
    expect(publicKey).toEqual(raw(third));
    expect(successions.map(({ note }) => note)).toEqual(notes);
  });

  it.each<[what: string, anchor: Anchor, why: RegExp]>([
    ['a key that nothing leads to', anchorOf(third, []), /signature|sign/],
    [
      'a key that an earlier one has named alone',
      anchorOf(stranger, [step(first, stranger)]),
      /not signed by both keys/,
    ],
    ['a note that nobody has signed', anchorOf(third, [step(stranger, third)]), /not signed by both keys/],
    ['a note that leads back', anchorOf(second, [step(second, first)]), /not signed by both keys/],
    [
      'a note that leaves a key out',
      anchorOf(third, [step(second, third), step(first, third, { origin: OTHER })]),
      /both/,
    ],
    ['two new keys', anchorOf(third, [step(second, third), step(second, stranger, { origin: OTHER })]), /two keys/],
    [
      'notes that end before the key that signs',
      anchorOf(third, [step(first, second), step(second, third, { origin: OTHER })]),
      /do not lead to the one that signs/,
    ],
    [
      'notes in another order',
      anchorOf(third, [step(second, third), step(first, second)]),
      /do not lead to each other/,
    ],
    ['a note twice', anchorOf(second, [step(first, second), step(first, second)]), /do not lead to each other/],
    [
      'a note of a ledger that it does not sign',
      anchorOf(second, [step(first, second, { origin: OTHER })], [MAIN]),
      /another checkpoint/,
    ],
    ['a note from a later size on', anchorOf(second, [step(first, second, { size: 11n })]), /another checkpoint/],
    [
      'one of two checkpoints by the key before',
      {
        ...anchorOf(third, [step(second, third)]),
        checkpoints: [...anchorOf(third, [], [MAIN]).checkpoints, ...anchorOf(second, [], [OTHER]).checkpoints],
      },
      /sign/,
    ],
  ])('refuses %s', (_, anchor, why) => {
    expect(() => verifyAnchor(anchor, before)).toThrow(why);
  });

  it('needs a key to begin with', () => {
    expect(() => verifyAnchor(anchorOf(first, []), [])).toThrow('nothing says with which key');
    expect(verifyAnchor(anchorOf(first, []), [raw(first)]).publicKey).toEqual(raw(first));
  });
});
