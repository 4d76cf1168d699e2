import { createHash, hash, type X509Certificate } from 'node:crypto';
import {
  CertificateError,
  EXTENSION,
  findPath,
  maySign,
  nameOf,
  purposesOf,
  readCertificate,
  unknownCritical,
  type Certificate,
} from './certificate.js';
import {
  bitsOf,
  booleanOf,
  contextTag,
  derIdentifier,
  derInteger,
  derOf,
  DerError,
  DerReader,
  identifierOf,
  integerOf,
  readDer,
  TAG,
  timeOf,
  type DerValue,
} from './der.js';
import { digestOf, isSignedBy, SignatureError, signatureOf } from './der-signature.js';

/**
 * Time stamps of RFC 3161, with RFC 5816: what is asked of an authority, and whether what it answers is a time stamp.
 * Offline: a reply and the roots that are trusted are enough, for as long as anybody keeps the two.
 */

/** What a reply says once it has been verified. */
export interface Timestamp {
  /** `YYYY-MM-DDThh:mm:ss.ffffffZ`, cut to microseconds */
  genTime: string;
  /** how far from it the time may be, as the authority says; null when it does not */
  accuracyMicroseconds: bigint | null;
  /** the number that the authority gave it */
  serial: bigint;
  /** of the question; undefined when there was none */
  nonce: bigint | undefined;
  /** the authority's policy: numbers with points */
  policy: string;
  /** whose certificate signed it: its subject, on a line */
  authority: string;
  /** from the signer's certificate to the root */
  path: readonly Certificate[];
}

/**
 * Why a reply is no time stamp. `refused`: the authority has not given one; `malformed`: it cannot be read; `imprint`: it
 * is of other bytes; `signature`: it is not signed by whom it says; `algorithm`: it rests on something weak; `purpose`:
 * the signer may not sign time stamps; `path`: no trusted root leads to the signer at that time.
 */
export type TimestampRule = 'refused' | 'malformed' | 'imprint' | 'signature' | 'algorithm' | 'purpose' | 'path';

/** A reply that is no time stamp of what was asked; `message` is a sentence that says why. */
export class TimestampError extends Error {
  override readonly name = 'TimestampError';
  constructor(
    readonly rule: TimestampRule,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const SHA256 = '2.16.840.1.101.3.4.2.1';
const SHA256_BYTES = 32;
const SIGNED_DATA = '1.2.840.113549.1.7.2';
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
const ATTRIBUTE = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;

/** Replies are a few kilobytes; certificates make most of them. */
export const MAX_REPLY_BYTES = 65_536;
const MAX_CERTIFICATES = 32;

/** PKIStatus of RFC 3161, section 2.4.2; the first two come with a time stamp. */
const STATUS = [
  ...['granted', 'granted with modifications', 'rejection', 'waiting'],
  ...['revocation warning', 'revocation notification'],
];
/** PKIFailureInfo, by its bits. */
const FAILURES: Readonly<Record<number, string>> = {
  0: 'it does not know the algorithm',
  2: 'it does not take such questions',
  5: 'it cannot read the question',
  14: 'its source of time is not there',
  15: 'it has no such policy',
  16: 'it has no such extension',
  17: 'it cannot tell how accurate it is',
  25: 'it has a failure of its own',
};

/** What is asked: a time stamp over a SHA-256, with the authority's certificates in it. DER of a TimeStampReq. */
export function timestampQuery(imprint: Buffer, nonce: bigint): Buffer {
  const algorithm = derOf(TAG.sequence, derIdentifier(SHA256), derOf(TAG.null));
  return derOf(
    TAG.sequence,
    derInteger(1n),
    derOf(TAG.sequence, algorithm, derOf(TAG.octetString, imprint)),
    derInteger(nonce),
    derOf(TAG.boolean, Buffer.of(0xff)),
  );
}

/**
 * Verifies a TimeStampResp over a SHA-256: that it was granted, is of that imprint, is signed by a certificate that is
 * for time stamps and nothing else and that the signature itself names, and that a path of certificates leads from there
 * to a root, all of them valid at its time. Every certificate in `roots` is trusted as it is. The nonce, and how far the
 * time is from any clock, are for the caller to compare. Throws TimestampError.
 *
 * Not looked at: revocation, which takes what nobody has offline; policies; and encodings in BER rather than DER.
 */
export function verifyTimestampReply(reply: Buffer, imprint: Buffer, roots: readonly X509Certificate[]): Timestamp {
  try {
    return verify(reply, imprint, roots);
  } catch (error) {
    if (error instanceof DerError) {
      throw new TimestampError('malformed', `the reply cannot be read: ${error.message}`, { cause: error });
    }
    if (error instanceof SignatureError) throw new TimestampError('algorithm', error.message, { cause: error });
    if (error instanceof CertificateError) throw new TimestampError('path', error.message, { cause: error });
    throw error;
  }
}

function verify(reply: Buffer, imprint: Buffer, roots: readonly X509Certificate[]): Timestamp {
  if (reply.length > MAX_REPLY_BYTES) {
    throw new TimestampError('malformed', `a reply has at most ${MAX_REPLY_BYTES} bytes`);
  }
  const signed = readSignedData(tokenOf(reply));
  const info = readTimestampInfo(signed.content);
  if (info.algorithm !== SHA256 || imprint.length !== SHA256_BYTES || !info.imprint.equals(imprint)) {
    throw new TimestampError('imprint', 'it is a time stamp of something else');
  }
  const certificates = signed.certificates.flatMap(readIfPossible);
  const signer = certificates.find((each) => signed.signer.isNamed(each));
  if (!signer) throw new TimestampError('signature', 'the certificate that signed it is not in it, or cannot be read');
  requireSignature(signed, signer);
  requirePurpose(signer);
  const trusted = roots.map(({ raw }) => readCertificate(raw));
  const path = findPath(signer, certificates, trusted, info.genTime, TIME_STAMPING);
  const { genTime, accuracyMicroseconds, serial, nonce, policy } = info;
  return { genTime, accuracyMicroseconds, serial, nonce, policy, authority: nameOf(signer), path };
}

/** One of a kind that is not known here may not be needed. */
function readIfPossible(der: Buffer): Certificate[] {
  try {
    return [readCertificate(der)];
  } catch (error) {
    if (error instanceof CertificateError) return [];
    throw error;
  }
}

/** The time-stamp token of a reply that grants one. */
function tokenOf(reply: Buffer): DerValue {
  const response = DerReader.of(readDer(reply));
  const status = response.enter();
  const code = integerOf(status.next(TAG.integer));
  const texts = status.optional(TAG.sequence);
  const failure = status.optional(TAG.bitString);
  status.end();
  if (code !== 0n && code !== 1n) {
    const failures = failure
      ? bitsOf(failure).flatMap((isSet, bit) => (isSet ? (FAILURES[bit] ?? `bit ${bit}`) : []))
      : [];
    const said = texts ? DerReader.of(texts).rest().map(printable) : [];
    const reasons = [...failures, ...said].join(', ');
    const name = STATUS[Number(code)] ?? `status ${code}`;
    throw new TimestampError('refused', `the authority refused it: ${name}${reasons === '' ? '' : ` (${reasons})`}`);
  }
  const token = response.next(TAG.sequence);
  response.end();
  return token;
}

/** A text of somebody else's, for a line of a log. */
function printable({ content }: DerValue): string {
  return JSON.stringify(content.subarray(0, 200).toString('utf8'));
}

interface SignedData {
  /** of a TSTInfo */
  content: Buffer;
  certificates: Buffer[];
  signer: SignerInfo;
}

interface SignerInfo {
  isNamed(certificate: Certificate): boolean;
  digestAlgorithm: DerValue;
  signatureAlgorithm: DerValue;
  signature: Buffer;
  /** what is signed: the attributes as a SET */
  signedBytes: Buffer;
  /** the one value of each */
  attributes: ReadonlyMap<string, DerValue>;
}

/** Of a ContentInfo: RFC 5652, sections 3 and 5, as RFC 3161, section 2.4.2, wants it. */
function readSignedData(token: DerValue): SignedData {
  const info = DerReader.of(token);
  requireIdentifier(info.next(TAG.objectIdentifier), SIGNED_DATA, 'the token is no signed data');
  const wrapped = info.enter(contextTag(0));
  info.end();
  const data = wrapped.enter();
  wrapped.end();
  integerOf(data.next(TAG.integer)); // a version that the rest of it implies
  data.next(TAG.set); // digests, which stand with the signer once more
  const encapsulated = data.enter();
  requireIdentifier(encapsulated.next(TAG.objectIdentifier), TST_INFO, 'the token holds no time stamp');
  const explicit = encapsulated.enter(contextTag(0));
  encapsulated.end();
  const { content } = explicit.next(TAG.octetString);
  explicit.end();
  const set = data.optional(contextTag(0));
  data.optional(contextTag(1)); // revocation lists
  const signers = data.enter(TAG.set);
  data.end();
  const signer = readSignerInfo(signers.enter());
  if (!signers.isAtEnd) throw new DerError('a time stamp is signed by its authority alone');
  // other kinds than X.509 have tags of their own
  const certificates = set
    ? DerReader.of(set)
        .rest()
        .filter(({ tag }) => tag === TAG.sequence)
    : [];
  if (certificates.length > MAX_CERTIFICATES) throw new DerError(`there are ${certificates.length} certificates in it`);
  return { content, certificates: certificates.map(({ bytes }) => bytes), signer };
}

function readSignerInfo(info: DerReader): SignerInfo {
  integerOf(info.next(TAG.integer));
  const isNamed = readSignerIdentifier(info.next());
  const digestAlgorithm = info.next(TAG.sequence);
  const signed = info.next(contextTag(0));
  const signatureAlgorithm = info.next(TAG.sequence);
  const { content: signature } = info.next(TAG.octetString);
  info.optional(contextTag(1)); // attributes that are not signed
  info.end();
  const attributes = new Map<string, DerValue>();
  for (const { content } of DerReader.of(signed).rest()) {
    const attribute = new DerReader(content);
    const identifier = identifierOf(attribute.next(TAG.objectIdentifier));
    const values = DerReader.of(attribute.next(TAG.set)).rest();
    attribute.end();
    const isOurs = (Object.values(ATTRIBUTE) as string[]).includes(identifier);
    if (isOurs && (values.length !== 1 || attributes.has(identifier))) {
      throw new DerError(`the attribute ${identifier} has not one value`);
    }
    if (values[0]) attributes.set(identifier, values[0]);
  }
  // RFC 5652, section 5.4: signed is the SET, which stands here under another tag
  const signedBytes = Buffer.concat([Buffer.of(TAG.set), signed.bytes.subarray(1)]);
  return { isNamed, digestAlgorithm, signatureAlgorithm, signature, signedBytes, attributes };
}

/** By issuer and serial number, or by the identifier of its key. */
function readSignerIdentifier(identifier: DerValue): SignerInfo['isNamed'] {
  if (identifier.tag === contextTag(0, false)) {
    return ({ extensions }) => {
      const extension = extensions.get(EXTENSION.subjectKeyIdentifier);
      return extension !== undefined && readDer(extension.value, TAG.octetString).content.equals(identifier.content);
    };
  }
  if (identifier.tag !== TAG.sequence) throw new DerError('the signer is not named');
  const reader = DerReader.of(identifier);
  const issuer = reader.next(TAG.sequence).bytes;
  const serial = integerOf(reader.next(TAG.integer));
  reader.end();
  return (each) => each.issuer.equals(issuer) && each.serial === serial;
}

function requireIdentifier(value: DerValue, identifier: string, otherwise: string): void {
  if (identifierOf(value) !== identifier) throw new DerError(otherwise);
}

interface TimestampInfo {
  policy: string;
  algorithm: string;
  imprint: Buffer;
  serial: bigint;
  genTime: string;
  accuracyMicroseconds: bigint | null;
  nonce: bigint | undefined;
}

/** TSTInfo: RFC 3161, section 2.4.2. */
function readTimestampInfo(content: Buffer): TimestampInfo {
  const info = DerReader.of(readDer(content));
  if (integerOf(info.next(TAG.integer)) !== 1n) throw new DerError('a time stamp is of version 1');
  const policy = identifierOf(info.next(TAG.objectIdentifier));
  const message = info.enter();
  const algorithm = identifierOf(message.enter().next(TAG.objectIdentifier));
  const { content: imprint } = message.next(TAG.octetString);
  message.end();
  const serial = integerOf(info.next(TAG.integer));
  const genTime = timeOf(info.next(TAG.generalizedTime));
  const accuracy = info.optional(TAG.sequence);
  const ordering = info.optional(TAG.boolean);
  if (ordering) booleanOf(ordering);
  const nonce = info.optional(TAG.integer);
  info.optional(contextTag(0)); // what the authority calls itself; its certificate says who it is
  const extensions = info.optional(contextTag(1));
  info.end();
  for (const { content: extension } of extensions ? DerReader.of(extensions).rest() : []) {
    const reader = new DerReader(extension);
    const identifier = identifierOf(reader.next(TAG.objectIdentifier));
    const critical = reader.optional(TAG.boolean);
    if (critical && booleanOf(critical)) {
      throw new DerError(`it insists on the extension ${identifier}, which is not looked at here`);
    }
  }
  return {
    ...{ policy, algorithm, imprint, serial, genTime },
    accuracyMicroseconds: accuracy ? readAccuracy(accuracy) : null,
    nonce: nonce && integerOf(nonce),
  };
}

function readAccuracy(accuracy: DerValue): bigint {
  const reader = DerReader.of(accuracy);
  const [seconds, millis, micros] = [TAG.integer, contextTag(0, false), contextTag(1, false)].map((tag) => {
    const value = reader.optional(tag);
    return value ? integerOf(value) : 0n;
  });
  reader.end();
  return seconds! * 1_000_000n + millis! * 1_000n + micros!;
}

/** RFC 5652, section 5.4, and RFC 5035, section 5. */
function requireSignature({ content, signer: info }: SignedData, signer: Certificate): void {
  const { attributes } = info;
  const type = attributes.get(ATTRIBUTE.contentType);
  if (!type || identifierOf(type) !== TST_INFO) throw new TimestampError('signature', 'it is signed as something else');
  const digest = digestOf(info.digestAlgorithm);
  const expected = attributes.get(ATTRIBUTE.messageDigest);
  if (!expected || !createHash(digest).update(content).digest().equals(expected.content)) {
    throw new TimestampError('signature', 'what is signed is not the time stamp that is in it');
  }
  const scheme = signatureOf(info.signatureAlgorithm);
  if (!isSignedBy(signer.publicKey, scheme, digest, info.signedBytes, info.signature)) {
    throw new TimestampError('signature', `the signature is not by ${nameOf(signer)}`);
  }
  requireNamedCertificate(attributes, signer);
}

/**
 * That the signature names the certificate it is by, so that no other one of the same key can be put in its place. The
 * older attribute has a SHA-1 of it: to find a second certificate to a SHA-1 is beyond anybody, other than to make two.
 */
function requireNamedCertificate(attributes: SignerInfo['attributes'], signer: Certificate): void {
  const second = attributes.get(ATTRIBUTE.signingCertificateV2);
  const first = attributes.get(ATTRIBUTE.signingCertificate);
  if (!first && !second) throw new TimestampError('signature', 'it does not say which certificate signed it');
  for (const [attribute, isSecond] of [
    [first, false],
    [second, true],
  ] as const) {
    if (!attribute) continue;
    const identifier = DerReader.of(attribute).enter().enter();
    let digest = isSecond ? 'sha256' : 'sha1';
    const algorithm = isSecond ? identifier.optional(TAG.sequence) : undefined;
    if (algorithm) digest = digestOf(algorithm);
    const { content } = identifier.next(TAG.octetString);
    const issuerSerial = identifier.optional(TAG.sequence);
    identifier.end();
    const isIt = createHash(digest).update(signer.der).digest().equals(content);
    if (!isIt || (issuerSerial && !isIssuerSerial(issuerSerial, signer))) {
      throw new TimestampError('signature', 'it says that another certificate signed it');
    }
  }
}

/** IssuerSerial: names of the issuer, of which one is a directory's, and the serial number. */
function isIssuerSerial(value: DerValue, certificate: Certificate): boolean {
  const reader = DerReader.of(value);
  const names = reader.enter().rest();
  const serial = integerOf(reader.next(TAG.integer));
  const isIssuer = names.some(({ tag, content }) => tag === contextTag(4) && content.equals(certificate.issuer));
  return isIssuer && serial === certificate.serial;
}

/** RFC 3161, section 2.3: for time stamps alone, and critically so. */
function requirePurpose(signer: Certificate): void {
  const purposes = purposesOf(signer);
  const isCritical = signer.extensions.get(EXTENSION.extendedKeyUsage)?.isCritical === true;
  if (!isCritical || purposes?.length !== 1 || purposes[0] !== TIME_STAMPING || !maySign(signer)) {
    throw new TimestampError('purpose', `the certificate of ${nameOf(signer)} is not for time stamps alone`);
  }
  const unknown = unknownCritical(signer);
  if (unknown !== undefined) {
    throw new TimestampError('purpose', `the certificate of ${nameOf(signer)} insists on the extension ${unknown}`);
  }
}

/** SHA-256 of a reply: the name of what is kept of it. */
export function timestampReplyHash(reply: Buffer): Buffer {
  return hash('sha256', reply, 'buffer');
}

/** What the keys of stored replies begin with. */
export const TIMESTAMP_PREFIX = 'timestamps/';

/** `timestamps/`, the number of the anchor in twelve digits, and 16 digits of the reply's SHA-256. */
export function timestampKey(anchor: bigint, reply: Buffer): string {
  const digits = timestampReplyHash(reply).toString('hex').slice(0, 16);
  return `${TIMESTAMP_PREFIX}${String(anchor).padStart(12, '0')}-${digits}.tsr`;
}
