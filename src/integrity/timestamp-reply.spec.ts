import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, hash, randomBytes, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  makeCertificate,
  makeRefusal,
  makeReply,
  newKey,
  TIME_STAMPING,
  type Authority,
  type CertificateWishes,
  type ReplyWishes,
} from '../../test/support/time-stamps.js';
import { HAS_TIME_STAMPS } from '../../test/support/tsa.js';
import {
  TimestampError,
  timestampKey,
  timestampQuery,
  verifyTimestampReply,
  type Timestamp,
  type TimestampRule,
} from './timestamp-reply.js';

const PURPOSE = { identifiers: [TIME_STAMPING], critical: true };
const imprint = hash('sha256', 'an anchor', 'buffer');
const root = makeCertificate({ name: 'Root', ca: {}, usage: 0x06 });
const signer = makeCertificate({ name: 'TSA', issuer: root, purposes: PURPOSE, usage: 0x80 });

const good = (wishes: Partial<ReplyWishes> = {}): ReplyWishes => ({ imprint, signer, nonce: 5n, ...wishes });
const signedBy = (wishes: Partial<CertificateWishes>): Partial<ReplyWishes> => ({
  signer: makeCertificate({ name: 'TSA', issuer: root, purposes: PURPOSE, ...wishes }),
});

function verdict(reply: Buffer, roots: Authority[] = [root]): Timestamp | TimestampRule {
  try {
    return verifyTimestampReply(
      reply,
      imprint,
      roots.map(({ certificate }) => certificate),
    );
  } catch (error) {
    if (error instanceof TimestampError) return error.rule;
    throw error;
  }
}

describe('a reply of a time-stamp authority', () => {
  it('says when, by whom and how', () => {
    expect(verdict(makeReply(good()))).toMatchObject({
      genTime: '2026-06-02T08:15:30.123456Z',
      accuracyMicroseconds: 1_005_000n,
      serial: 99n,
      nonce: 5n,
      policy: '1.3.6.1.4.1.99999.2',
      authority: 'CN=TSA',
    });
    const { path } = verdict(makeReply(good())) as Timestamp;
    expect(path.map(({ x509 }) => x509.subject)).toEqual(['CN=TSA', 'CN=Root']);
  });

  it.each<[string, Partial<ReplyWishes>]>([
    ['granted with modifications', { status: 1n }],
    ['without a nonce', { nonce: undefined as never }],
    ['of a nonce as long as they come', { nonce: BigInt(`0x${'f'.repeat(32)}`) }],
    ['whose signer is named by its key', { byKeyIdentifier: true }],
    [
      'whose certificate is named by SHA-1, as before RFC 5816',
      { names: { certificate: signer.certificate, digest: 'sha1' } },
    ],
    ['whose certificate is named by SHA-512', { names: { certificate: signer.certificate, digest: 'sha512' } }],
    ['digested by SHA-512', { digest: 'sha512' }],
    ['on the last moment of its certificate', { genTime: '20400101000000Z' }],
    ['with the root in it as well', { certificates: [root.certificate, signer.certificate] }],
  ])('is a time stamp: %s', (_, wishes) => {
    expect(verdict(makeReply(good(wishes)))).toMatchObject({ serial: 99n });
  });

  it('is one over two certificates between', () => {
    const first = makeCertificate({ name: 'First', issuer: root, ca: { pathLength: 1n } });
    const second = makeCertificate({ name: 'Second', issuer: first, ca: { pathLength: 0n }, purposes: PURPOSE });
    const far = makeCertificate({ name: 'TSA', issuer: second, purposes: PURPOSE });
    const certificates = [second, far, first].map(({ certificate }) => certificate);
    const reply = makeReply(good({ signer: far, certificates }));
    expect((verdict(reply) as Timestamp).path).toHaveLength(4);
    expect((verdict(reply, [second]) as Timestamp).path).toHaveLength(2); // trusted as it is
    expect((verdict(reply, [far]) as Timestamp).path).toHaveLength(1);
    expect(verdict(reply, [signer])).toBe('path');
    expect(verdict(reply, [])).toBe('path');
  });

  const otherRoot = makeCertificate({ name: 'Root', ca: {} });
  const below = (wishes: Partial<CertificateWishes>, rootWishes: Partial<CertificateWishes> = {}) => {
    const top = makeCertificate({ name: 'Root', ca: {}, key: root.key, ...rootWishes });
    const between = makeCertificate({ name: 'Between', issuer: top, ...wishes });
    const tsa = makeCertificate({ name: 'TSA', issuer: between, purposes: PURPOSE });
    return { signer: tsa, certificates: [tsa.certificate, between.certificate], roots: [top] };
  };
  it.each<[TimestampRule, string, Partial<ReplyWishes> & { roots?: Authority[] }]>([
    ['imprint', 'of other bytes', { imprint: hash('sha256', 'others', 'buffer') }],
    ['imprint', 'of a digest that only has the same length', { imprintAlgorithm: '2.16.840.1.101.3.4.2.8' }],
    ['malformed', 'with an extension that has to be understood', { criticalExtension: true }],
    ['malformed', 'signed twice', { signers: 2 }],
    ['malformed', 'signed by nobody', { signers: 0 }],
    ['malformed', 'on 30 February', { genTime: '20260230081530Z' }],
    ['malformed', 'with a zero at the end of its fraction', { genTime: '20260602081530.10Z' }],
    ['malformed', 'in another zone', { genTime: '20260602081530+0200' }],
    ['signature', 'signed by another key', { key: newKey() }],
    ['signature', 'whose signed digest is of another time stamp', { messageDigest: randomBytes(32) }],
    ['signature', 'signed as something else', { contentType: '1.2.840.113549.1.7.1' }],
    ['signature', 'that names no certificate', { names: null }],
    ['signature', 'that names another certificate', { names: { certificate: root.certificate, digest: 'sha256' } }],
    ['signature', 'that names another by SHA-1', { names: { certificate: root.certificate, digest: 'sha1' } }],
    ['signature', 'without the certificate', { certificates: [root.certificate] }],
    ['algorithm', 'digested by SHA-1', { digest: 'sha1' }],
    ['purpose', 'by a certificate for everything', signedBy({ purposes: undefined as never })],
    ['purpose', 'by one for time stamps, but not critically', signedBy({ purposes: { ...PURPOSE, critical: false } })],
    [
      'purpose',
      'by one for servers too',
      signedBy({ purposes: { identifiers: [TIME_STAMPING, '1.3.6.1.5.5.7.3.1'], critical: true } }),
    ],
    ['purpose', 'by one for servers', signedBy({ purposes: { identifiers: ['1.3.6.1.5.5.7.3.1'], critical: true } })],
    ['purpose', 'by one whose key signs certificates alone', signedBy({ usage: 0x04 })],
    ['purpose', 'by one with more to understand', signedBy({ unknownCritical: true })],
    ['path', 'before its certificate', { genTime: '20191231235959.999999Z' }],
    ['path', 'a microsecond after its certificate', { genTime: '20400101000000.000001Z' }],
    ['path', 'of a certificate signed by SHA-1', signedBy({ digest: 'sha1' })],
    ['path', 'of a root of the same name and another key', { roots: [otherRoot] }],
    ['path', 'below what is no CA', below({})],
    ['path', 'below a CA that may not sign certificates', below({ ca: {}, usage: 0x80 })],
    [
      'path',
      'below a CA for servers',
      below({ ca: {}, purposes: { identifiers: ['1.3.6.1.5.5.7.3.1'], critical: false } }),
    ],
    ['path', 'below a CA with more to understand', below({ ca: {}, unknownCritical: true })],
    ['path', 'below a CA that had ended', below({ ca: {}, to: '20260602081530Z' })],
    ['path', 'below a CA signed by SHA-1', below({ ca: {}, digest: 'sha1' })],
    ['path', 'deeper than its root allows', below({ ca: {} }, { ca: { pathLength: 0n } })],
    ['path', 'below a root that had ended', below({ ca: {} }, { to: '20260602081530Z' })],
  ])('is none (%s): %s', (rule, _, { roots, ...wishes }) => {
    expect(verdict(makeReply(good(wishes)), roots)).toBe(rule);
  });

  it('is none by a key on a curve that is not to be trusted, or too short', () => {
    const key: KeyObject = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
    expect(verdict(makeReply(good(signedBy({ key }))))).toBe('path');
  });

  it('is a refusal, which says why', () => {
    const refusal = makeRefusal(2n, 'not\ntoday', 14);
    expect(verdict(refusal)).toBe('refused');
    expect(() => verifyTimestampReply(refusal, imprint, [])).toThrow(
      'the authority refused it: rejection (its source of time is not there, "not\\ntoday")',
    );
  });

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a text', Buffer.from('not a time stamp')],
    ['a byte more', Buffer.concat([makeReply(good()), Buffer.of(0)])],
    ['granted, and no token', Buffer.from('3005300302010030', 'hex').subarray(0, 7)],
    ['of indefinite length', Buffer.from('3080300302010000', 'hex')],
    ['longer than any', Buffer.alloc(70_000, 0x30)],
  ])('is none at all: %s', (_, bytes) => {
    expect(verdict(bytes)).toBe('malformed');
  });

  it('says nothing else, and ends in nothing else, whichever of its bits are wrong', () => {
    const reply = makeReply(good({ certificates: [root.certificate, signer.certificate] }));
    const { path, ...said } = verdict(reply) as Timestamp;
    expect(path).toHaveLength(2);
    const accepted: number[] = [];
    for (let at = 0; at < reply.length; at++) {
      for (const bit of [0x01, 0x20, 0x80]) {
        const wrong = Buffer.from(reply);
        wrong[at]! ^= bit;
        const found = verdict(wrong);
        if (typeof found === 'string') continue;
        expect(found).toMatchObject(said);
        accepted.push(at);
      }
    }
    for (let length = 0; length < reply.length; length++) {
      expect(typeof verdict(reply.subarray(0, length))).toBe('string');
    }
    // what nothing depends on: versions, the list of digests, and the root's copy among the certificates
    const withoutCopy = reply.indexOf(root.certificate.raw);
    const elsewhere = accepted.filter((at) => at < withoutCopy || at >= withoutCopy + root.certificate.raw.length);
    expect(elsewhere.length).toBeLessThan(60);
  });

  it('is named by its anchor and its bytes', () => {
    expect(timestampKey(17n, Buffer.from('reply'))).toBe(
      `timestamps/000000000017-${hash('sha256', 'reply').slice(0, 16)}.tsr`,
    );
  });

  (HAS_TIME_STAMPS ? it : it.skip)('is one to openssl too, as is the question', () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-tsr-'));
    try {
      writeFileSync(join(folder, 'q.tsq'), timestampQuery(imprint, 0x80ffn));
      writeFileSync(join(folder, 'r.tsr'), makeReply(good({ nonce: 0x80ffn })));
      writeFileSync(join(folder, 'root.pem'), root.certificate.toString());
      const files = ['-queryfile', 'q.tsq', '-in', 'r.tsr', '-CAfile', 'root.pem'];
      const verified = spawnSync('openssl', ['ts', '-verify', ...files], { cwd: folder, encoding: 'utf8' });
      expect(verified.stderr + verified.stdout).toContain('Verification: OK');
      const shown = spawnSync('openssl', ['ts', '-query', '-in', 'q.tsq', '-text'], { cwd: folder, encoding: 'utf8' });
      expect(shown.stdout).toMatch(/Hash Algorithm: sha256[^]*Nonce: 0x80FF\nCertificate required: yes/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
