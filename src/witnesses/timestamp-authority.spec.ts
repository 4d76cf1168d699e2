import { hash, type X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DerReader, integerOf, readDer, TAG } from '../integrity/der.js';
import { TimestampError, verifyTimestampReply } from '../integrity/timestamp-reply.js';
import { makeCertificate, makeReply, TIME_STAMPING } from '../../test/support/time-stamps.js';
import {
  HAS_TIME_STAMPS,
  MISSING_FOR_TIME_STAMPS,
  OpensslAuthority,
  TestAuthority,
  verifyByOpenssl,
} from '../../test/support/tsa.js';
import { readRoots, requestTimestamp, timestampFailure } from './timestamp-authority.js';

const imprint = hash('sha256', 'an anchor', 'buffer');
const root = makeCertificate({ name: 'Root', ca: {} });
const signer = makeCertificate({
  name: 'TSA',
  issuer: root,
  purposes: { identifiers: [TIME_STAMPING], critical: true },
});

const ask = (url: string, roots: X509Certificate[], timeoutMs = 5_000) =>
  requestTimestamp(url, imprint, { roots, clockToleranceMs: 60_000, timeoutMs, signal: new AbortController().signal });
const failure = async (url: string, roots: X509Certificate[], timeoutMs?: number): Promise<string | undefined> => {
  try {
    await ask(url, roots, timeoutMs);
    return 'stamped';
  } catch (error) {
    return timestampFailure(error);
  }
};

/** The nonce of a TimeStampReq. */
function nonceOf(question: Buffer): bigint {
  const reader = DerReader.of(readDer(question));
  reader.next(TAG.integer);
  reader.enter();
  return integerOf(reader.next(TAG.integer));
}
const generalized = (ms: number): string => new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');

describe('an authority', () => {
  const roots = [root.certificate];
  let authority: TestAuthority;
  afterEach(() => authority.close());

  it('is asked over the SHA-256, with a nonce of each question, and for its certificates', async () => {
    authority = await TestAuthority.start((question) =>
      makeReply({ imprint, signer, nonce: nonceOf(question), genTime: generalized(Date.now()) }),
    );
    const first = await ask(authority.url, roots);
    const second = await ask(authority.url, roots);
    expect(verifyTimestampReply(first.reply, imprint, roots)).toEqual(first.timestamp);
    expect(second.timestamp.nonce).not.toBe(first.timestamp.nonce);
    expect(authority.questions.map(({ contentType }) => contentType)).toEqual(
      Array.from({ length: 2 }, () => 'application/timestamp-query'),
    );
  });

  it.each<[string, (question: Buffer) => Parameters<typeof makeReply>[0]]>([
    ['nonce', () => ({ imprint, signer, nonce: 1n, genTime: generalized(Date.now()) })],
    ['nonce', () => ({ imprint, signer, genTime: generalized(Date.now()) })],
    ['time', (asked) => ({ imprint, signer, nonce: nonceOf(asked), genTime: generalized(Date.now() - 70_000) })],
    ['time', (asked) => ({ imprint, signer, nonce: nonceOf(asked), genTime: generalized(Date.now() + 70_000) })],
    ['imprint', (asked) => ({ imprint: hash('sha256', 'x', 'buffer'), signer, nonce: nonceOf(asked) })],
    ['signature', (asked) => ({ imprint, signer, nonce: nonceOf(asked), key: root.key })],
  ])('is not believed, and it is said why: %s', async (rule, wishes) => {
    authority = await TestAuthority.start((question) => makeReply(wishes(question)));
    expect(await failure(authority.url, roots)).toBe(rule);
  });

  it.each<[string, Buffer | { status: number; body: string }]>([
    ['status', { status: 203, body: 'x' }],
    ['status', { status: 307, body: '' }],
    ['status', { status: 404, body: 'not here\n' }],
    ['malformed', Buffer.alloc(0)],
    ['no-answer', Buffer.alloc(100_000)],
  ])('is not believed by its answer: %s', async (rule, answered) => {
    authority = await TestAuthority.start(() => answered);
    expect(await failure(authority.url, roots)).toBe(rule);
  });
});

describe('the roots in a PEM file', () => {
  it('are all certificates in it', () => {
    const pem = `a comment\n${root.certificate.toString()}\n${signer.certificate.toString()}`;
    expect(readRoots(pem).map(({ subject }) => subject)).toEqual(['CN=Root', 'CN=TSA']);
    expect(() => readRoots('')).toThrow('there is no certificate in it');
    expect(() => readRoots('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).toThrow(
      'certificate 1 in it cannot be read',
    );
  });
});

(HAS_TIME_STAMPS ? describe : describe.skip)('an authority by openssl', () => {
  let authority: OpensslAuthority;
  let roots: X509Certificate[];
  beforeAll(async () => {
    expect(MISSING_FOR_TIME_STAMPS).toEqual([]);
    authority = await OpensslAuthority.start();
    roots = readRoots(authority.rootPem);
  });
  afterAll(() => authority?.close());

  it.each(['tsa1', 'tsa2'])('gives what is a time stamp to us and to openssl: %s', async (name) => {
    const { reply, timestamp } = await ask(`${authority.url}/${name}`, roots);
    expect(timestamp.authority).toBe(`CN=Test TSA ${name.slice(-1)}, O=Test`);
    expect(timestamp.policy).toBe(`1.3.6.1.4.1.13762.${name.slice(-1)}`);
    expect(timestamp.accuracyMicroseconds).toBe(1_000_000n);
    expect(Math.abs(Date.parse(timestamp.genTime) - Date.now())).toBeLessThan(10_000);
    const file = join(authority.folder, `${name}.tsr`);
    writeFileSync(file, reply);
    expect(verifyByOpenssl(file, imprint, authority.rootFile)).toContain('Verification: OK');
    const other = hash('sha256', 'something else', 'buffer');
    expect(verifyByOpenssl(file, other, authority.rootFile)).not.toContain('Verification: OK');
    expect(() => verifyTimestampReply(reply, other, roots)).toThrow(TimestampError);
    expect(() => verifyTimestampReply(reply, imprint, [root.certificate])).toThrow('no trusted root');
  });

  it.each([
    ['status', 'status=503'],
    ['no-answer', 'hang=1'],
    ['no-answer', 'delayMs=5000'],
    ['malformed', 'garbage=1'],
    ['refused', 'reject=1'],
    ['nonce', 'replay=1'],
    ['time', 'clock=%2B1d'],
    ['path', 'clock=-1d'], // when its certificate was not yet made
  ])('has its faults, none of which is a time stamp (%s): %s', async (rule, fault) => {
    await ask(`${authority.url}/tsa1`, roots); // what a replay repeats
    expect(await failure(`${authority.url}/tsa1?${fault}`, roots, 1_000)).toBe(rule);
    expect(await failure(`${authority.url}/tsa1?delayMs=100`, roots)).toBe('stamped');
  });
});
