import { jest } from '@jest/globals';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { anchorBytes, AnchorError, anchorKey, parseAnchor } from './anchor.js';
import { checkpointText, parseCheckpoint } from './checkpoint.js';
import { followSuccessions, signSuccession } from './key-succession.js';
import {
  COSIGNATURE_ED25519,
  cosignatureTime,
  cosignText,
  formatNote,
  NoteError,
  parseNote,
  signText,
  VerifierKey,
  verifierKey,
  verifyNote,
} from './signed-note.js';
import { isIncluded } from './merkle-proof.js';
import { leafHash } from './event.js';
import { formatTlogProof, parseTlogProof } from './tlog-proof.js';
import { hash } from 'node:crypto';

interface Vectors {
  leaves: string[];
  example_key: string;
  log_key: string;
  witness_key: string;
  witness_time: number;
  proof: string;
}
const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/tlog.json', import.meta.url), 'utf8')) as Vectors;

/** The private key of a seed of 32 bytes that count up: RFC 8410. */
function keyOfSeed(first: number): KeyObject {
  const seed = Buffer.from(Array.from({ length: 32 }, (_, at) => first + at));
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}
const logKey = VerifierKey.parse(vectors.log_key);
const witnessKey = VerifierKey.parse(vectors.witness_key);

describe('signed notes', () => {
  const { note } = parseTlogProof(vectors.proof);

  it('verify and are made as in the published vectors', () => {
    expect(VerifierKey.parse(vectors.example_key).toString()).toBe(vectors.example_key);
    expect(verifierKey(logKey.name, keyOfSeed(0)).toString()).toBe(vectors.log_key);
    expect(verifierKey(witnessKey.name, keyOfSeed(0x20), COSIGNATURE_ED25519).toString()).toBe(vectors.witness_key);
    const parsed = parseNote(note);
    expect(verifyNote(parsed, [logKey, witnessKey])).toEqual([logKey, witnessKey]);
    expect(cosignatureTime(parsed.signatures[1]!)).toBe(BigInt(vectors.witness_time));
    const signatures = [
      signText(parsed.text, logKey.name, keyOfSeed(0)),
      cosignText(parsed.text, witnessKey.name, keyOfSeed(0x20), BigInt(vectors.witness_time)),
    ];
    expect(formatNote({ text: parsed.text, signatures })).toBe(note);
  });

  it('carry the checkpoint that a proof leads to', () => {
    const proof = parseTlogProof(vectors.proof);
    expect(formatTlogProof(proof)).toBe(vectors.proof);
    const checkpoint = parseCheckpoint(parseNote(proof.note).text);
    const leaf = hash('sha256', Buffer.concat([Buffer.of(0), Buffer.from(vectors.leaves[5]!, 'hex')]), 'buffer');
    expect(isIncluded(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.rootHash)).toBe(true);
    expect(checkpointText(checkpoint)).toBe(parseNote(proof.note).text);
    expect(formatTlogProof({ ...proof, extra: Buffer.from('salt') })).toContain('\nextra c2FsdA==\nindex 5\n');
    expect(parseTlogProof(formatTlogProof({ ...proof, extra: Buffer.from('salt') })).extra).toEqual(
      Buffer.from('salt'),
    );
    for (const wrong of [
      vectors.proof.replace('@v1', '@v2'),
      vectors.proof.replace('index 5', 'index 05'),
      vectors.proof.replace('vBoG', 'vBo'),
      vectors.proof.split('\n\n')[0]!,
    ]) {
      expect(() => parseTlogProof(wrong)).toThrow(NoteError);
    }
    expect(() => leafHash(leaf.subarray(1))).toThrow(RangeError);
  });

  it('are refused when anything about them is wrong', () => {
    const parsed = parseNote(note);
    for (const wrong of [
      note.replace('\u2014 example', '- example'),
      note.slice(0, -1),
      note.replace('\n8\n', '\r\n8\n'),
      note.replace('\n\n', '\n'),
      note.replace('\u2014 example.com/audit-log/test ', '\u2014 example.com/audit-log/test  '),
      `${note}\u2014 x AAAA\n`,
    ]) {
      expect(() => parseNote(wrong)).toThrow(NoteError);
    }
    expect(() => parseNote(Buffer.concat([Buffer.of(0xff), Buffer.from(note)]))).toThrow('UTF-8');
    expect(() => verifyNote({ ...parsed, text: parsed.text.replace('8', '9') }, [logKey])).toThrow('does not verify');
    expect(() => verifyNote({ ...parsed, text: parsed.text.slice(0, -1) }, [logKey])).toThrow('does not verify');
    expect(() => verifyNote(parsed, [VerifierKey.parse(vectors.example_key)])).toThrow(
      'no signature is by a known key',
    );
    // a known key's bad signature beside a good one
    const bad = signText(`${parsed.text}x`, logKey.name, keyOfSeed(0));
    expect(() => verifyNote({ ...parsed, signatures: [...parsed.signatures, bad] }, [logKey])).toThrow(NoteError);
    // a cosignature over the text alone
    const plain = signText(parsed.text, witnessKey.name, keyOfSeed(0x20)).signature;
    const time = parsed.signatures[1]!.signature.subarray(0, 8);
    const unlike = { ...parsed.signatures[1]!, signature: Buffer.concat([time, plain]) };
    expect(() => verifyNote({ ...parsed, signatures: [unlike] }, [witnessKey])).toThrow('does not verify');
    for (const wrong of [
      vectors.log_key.replace('70400e91', '70400e92'),
      vectors.log_key.replace('+AQ', '+CQ'),
      'a b+00000000+AA==',
      'a',
    ]) {
      expect(() => VerifierKey.parse(wrong)).toThrow(NoteError);
    }
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => signText('x\n', 'a', privateKey)).toThrow('Ed25519');
  });

  it.each(['openapi.json', 'witnesses.md'])('takes the keys that %s gives as examples', (page) => {
    const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
    const keys = text.match(/[\w./-]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}/g) ?? [];
    expect(keys).not.toHaveLength(0);
    for (const key of keys) expect(() => VerifierKey.parse(key)).not.toThrow();
  });

  it('hold checkpoints that are exact', () => {
    const { text } = parseNote(note);
    expect(parseCheckpoint(`${text}extension\n`)).toEqual(parseCheckpoint(text));
    for (const wrong of [
      text.replace('\n8\n', '\n08\n'),
      text.replace('\n8\n', '\n-8\n'),
      text.replace('\n8\n', '\n0\n'),
      text.replace('Xcna', 'Xcn'),
      `${text}\nextension\n`,
      'example.com/log\n8\n',
      '\n8\n',
    ]) {
      expect(() => parseCheckpoint(wrong)).toThrow(NoteError);
    }
  });
});

describe('a succession of keys', () => {
  const origin = 'audit.example.com/truetrail/main';
  const [first, second, third, thief] = [0, 40, 80, 120].map(keyOfSeed) as [KeyObject, KeyObject, KeyObject, KeyObject];
  const key = (each: KeyObject): VerifierKey => verifierKey(origin, each);

  it('leads from a key that is trusted to all that follow, each with its sizes', () => {
    const notes = [signSuccession(origin, 20n, second, third), signSuccession(origin, 10n, first, second)];
    expect(followSuccessions(key(first), notes)).toEqual([
      { key: key(first), fromSize: 0n, toSize: 10n },
      { key: key(second), fromSize: 10n, toSize: 20n },
      { key: key(third), fromSize: 20n, toSize: undefined },
    ]);
    expect(followSuccessions(key(third), notes)).toHaveLength(1);
  });

  it('is looked for among as many notes as a small file holds, each verified once', () => {
    const keys = Array.from({ length: 200 }, () => generateKeyPairSync('ed25519').privateKey);
    const notes = keys.slice(1).map((next, i) => signSuccession(origin, BigInt(i), keys[i]!, next));
    const verifies = jest.spyOn(VerifierKey.prototype, 'verifies');
    notes.reverse();
    expect(followSuccessions(key(keys[0]!), notes)).toHaveLength(200);
    for (const each of keys) followSuccessions(key(each), notes);
    expect(verifies.mock.calls.length).toBeLessThan(5 * notes.length);
    verifies.mockRestore();
  });

  it('leads nowhere without both signatures, from elsewhere, or to two keys', () => {
    const genuine = signSuccession(origin, 10n, first, second);
    const forged = signSuccession(origin, 10n, thief, second);
    const elsewhere = signSuccession('audit.example.com/other', 10n, first, second);
    const halfSigned = formatNote({ ...parseNote(genuine), signatures: parseNote(genuine).signatures.slice(0, 1) });
    expect(followSuccessions(key(first), [forged, elsewhere, halfSigned])).toHaveLength(1);
    expect(() => followSuccessions(key(first), [genuine, signSuccession(origin, 10n, first, thief)])).toThrow(
      'two successors',
    );
    expect(() => followSuccessions(key(first), [genuine, signSuccession(origin, 20n, second, first)])).toThrow(
      'circle',
    );
    expect(() => followSuccessions(key(first), ['nothing\n\n\u2014 a AAAAAAA=\n'])).toThrow(NoteError);
  });
});

describe('an anchor', () => {
  const note = `audit.example.com/truetrail/main\n5\n${Buffer.alloc(32, 2).toString('base64')}\n\n\u2014 a AAAAAAA=\n`;
  const anchor = {
    number: 7n,
    previous: Buffer.alloc(32, 1),
    checkpoints: [{ sizeBefore: 0n, note }],
    successions: ['x\n\n\u2014 a AAAAAAA=\n'],
  };

  it('has the bytes of its canonical form', () => {
    const bytes = anchorBytes(anchor);
    expect(bytes.toString()).toBe(
      `{"checkpoints":[{"note":${JSON.stringify(note)},"size_before":"0"}],"format":"truetrail-anchor/1","n":"7","previous":"${'01'.repeat(32)}","successions":["x\\n\\n\u2014 a AAAAAAA=\\n"]}`,
    );
    expect(parseAnchor(bytes)).toEqual(anchor);
    expect(anchorKey(7n)).toBe('anchors/000000000007');
    expect(parseAnchor(anchorBytes({ ...anchor, number: 1n, previous: null }))).toMatchObject({ previous: null });
  });

  it('is nothing else', () => {
    const text = anchorBytes({ ...anchor, successions: [] }).toString();
    expect(() => parseAnchor(Buffer.from(text))).not.toThrow();
    for (const wrong of [
      `${text}\n`,
      text.replace('"7"', '7'),
      text.replace('"7"', '"1"'),
      text.replace('"7"', '"07"'),
      text.replace('/1"', '/2"'),
      text.replace(`"${'01'.repeat(32)}"`, 'null'),
      text.replace('"size_before":"0"', '"size_before":null'),
      text.replace('"successions":[]', '"successions":[1]'),
      text.replace('"successions":[]', '"more":1,"successions":[]'),
      '[]',
      'x',
    ]) {
      expect(() => parseAnchor(Buffer.from(wrong))).toThrow(AnchorError);
    }
  });

  it.each([
    ['its origin alone', note.slice(0, note.indexOf('\n') + 1)],
    ['no root', note.replace(/\n[^\n]{44}\n/, '\n')],
    ['no signature', note.slice(0, note.indexOf('\n\n') + 2)],
    ['half a line of a signature', note.slice(0, -1)],
    ['nothing', ''],
  ])('holds notes that say all that they sign, and none of %s', (_, wrong) => {
    expect(() => parseAnchor(anchorBytes({ ...anchor, checkpoints: [{ sizeBefore: 0n, note: wrong }] }))).toThrow(
      AnchorError,
    );
  });

  it('holds no succession that cannot be read', () => {
    expect(() => parseAnchor(anchorBytes({ ...anchor, successions: ['x\n'] }))).toThrow(AnchorError);
  });
});
