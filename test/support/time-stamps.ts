import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import {
  contextTag,
  DerReader,
  derIdentifier,
  derInteger,
  derOf,
  integerOf,
  readDer,
  TAG,
} from '../../src/integrity/der.js';

/**
 * Certificates and time stamps of RFC 3161 made by hand, so that a test can make each of them wrong in one place:
 * openssl makes none but right ones.
 */

const SHA256 = '2.16.840.1.101.3.4.2.1';
const DIGESTS: Record<string, string> = { sha1: '1.3.14.3.2.26', sha256: SHA256, sha512: '2.16.840.1.101.3.4.2.3' };
const ECDSA: Record<string, string> = { sha1: '1.2.840.10045.4.1', sha256: '1.2.840.10045.4.3.2' };
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
export const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';

const seq = (...contents: Buffer[]): Buffer => derOf(TAG.sequence, ...contents);
const set = (...contents: Buffer[]): Buffer => derOf(TAG.set, ...contents);
const octets = (content: Buffer): Buffer => derOf(TAG.octetString, content);
const bits = (content: Buffer, unused = 0): Buffer => derOf(TAG.bitString, Buffer.of(unused), content);
const yes = derOf(TAG.boolean, Buffer.of(0xff));
const time = (text: string): Buffer => derOf(TAG.generalizedTime, Buffer.from(text));

export const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

export interface Authority {
  certificate: X509Certificate;
  key: KeyObject;
}

export interface CertificateWishes {
  name: string;
  /** its own, if there is none */
  issuer?: Authority;
  /** otherwise one of a P-256 key that is made */
  key?: KeyObject;
  from?: string;
  to?: string;
  serial?: bigint;
  /** basicConstraints; no CA if absent */
  ca?: { pathLength?: bigint };
  /** extendedKeyUsage */
  purposes?: { identifiers: string[]; critical: boolean };
  /** bits of keyUsage, the first one first, in a byte */
  usage?: number;
  /** an extension of a name of its own, which nobody knows */
  unknownCritical?: boolean;
  digest?: 'sha1' | 'sha256';
}

export function makeCertificate(wishes: CertificateWishes): Authority {
  const key = wishes.key ?? newKey();
  const { issuer } = wishes;
  const publicKey = new X509PublicKey(key);
  const name = (text: string): Buffer =>
    seq(set(seq(derIdentifier('2.5.4.3'), derOf(TAG.utf8String, Buffer.from(text)))));
  const extension = (identifier: string, critical: boolean, value: Buffer): Buffer =>
    seq(derIdentifier(identifier), ...(critical ? [yes] : []), octets(value));
  const extensions = [
    extension(
      '2.5.29.19',
      true,
      seq(
        ...(wishes.ca ? [yes, ...(wishes.ca.pathLength === undefined ? [] : [derInteger(wishes.ca.pathLength)])] : []),
      ),
    ),
    extension('2.5.29.14', false, octets(publicKey.identifier)),
    ...(wishes.usage === undefined ? [] : [extension('2.5.29.15', true, bits(Buffer.of(wishes.usage)))]),
    ...(wishes.purposes
      ? [
          extension(
            '2.5.29.37',
            wishes.purposes.critical,
            seq(...wishes.purposes.identifiers.map((each) => derIdentifier(each))),
          ),
        ]
      : []),
    ...(wishes.unknownCritical ? [extension('1.3.6.1.4.1.99999.1', true, derOf(TAG.null))] : []),
  ];
  const algorithm = seq(derIdentifier(ECDSA[wishes.digest ?? 'sha256']!));
  const tbs = seq(
    derOf(contextTag(0), derInteger(2n)),
    derInteger(wishes.serial ?? randomBytes(8).readBigUInt64BE()),
    algorithm,
    issuer ? subjectOf(issuer.certificate) : name(wishes.name),
    seq(time(wishes.from ?? '20200101000000Z'), time(wishes.to ?? '20400101000000Z')),
    name(wishes.name),
    publicKey.spki,
    derOf(contextTag(3), seq(...extensions)),
  );
  const signature = sign(wishes.digest ?? 'sha256', tbs, issuer?.key ?? key);
  return { certificate: new X509Certificate(seq(tbs, algorithm, bits(signature))), key };
}

/** A certificate's subject as it stands in it; those that are made here have one name. */
function subjectOf(certificate: X509Certificate): Buffer {
  const common = certificate.subject.replace(/^CN=/, '');
  return seq(set(seq(derIdentifier('2.5.4.3'), derOf(TAG.utf8String, Buffer.from(common)))));
}

class X509PublicKey {
  readonly spki: Buffer;
  readonly identifier: Buffer;

  constructor(key: KeyObject) {
    const jwk = key.export({ format: 'jwk' });
    const point = Buffer.concat([Buffer.of(4), Buffer.from(jwk.x!, 'base64url'), Buffer.from(jwk.y!, 'base64url')]);
    const curve = { 'P-256': '1.2.840.10045.3.1.7', secp256k1: '1.3.132.0.10' }[jwk.crv!]!;
    this.spki = seq(seq(derIdentifier('1.2.840.10045.2.1'), derIdentifier(curve)), bits(point));
    this.identifier = createHash('sha1').update(point).digest();
  }
}

export interface ReplyWishes {
  imprint: Buffer;
  signer: Authority;
  nonce?: bigint;
  genTime?: string;
  status?: bigint;
  /** what the reply says it is over */
  imprintAlgorithm?: string;
  certificates?: X509Certificate[];
  /** whether it is signed by this, under the signer's name */
  key?: KeyObject;
  /** which certificate the signature names, and by which attribute; none when null */
  names?: { certificate: X509Certificate; digest: 'sha1' | 'sha256' | 'sha512' } | null;
  digest?: 'sha1' | 'sha256' | 'sha512';
  /** what the signed attributes say of the content */
  messageDigest?: Buffer;
  contentType?: string;
  criticalExtension?: boolean;
  signers?: number;
  /** by the identifier of the key, not by issuer and number */
  byKeyIdentifier?: boolean;
}

export function makeReply(wishes: ReplyWishes): Buffer {
  const digest = wishes.digest ?? 'sha256';
  const algorithmOf = (name: string): Buffer => seq(derIdentifier(DIGESTS[name]!));
  const { certificate } = wishes.signer;
  const info = seq(
    derInteger(1n),
    derIdentifier('1.3.6.1.4.1.99999.2'),
    seq(seq(derIdentifier(wishes.imprintAlgorithm ?? SHA256), derOf(TAG.null)), octets(wishes.imprint)),
    derInteger(99n),
    time(wishes.genTime ?? '20260602081530.123456789Z'),
    seq(derInteger(1n), derOf(contextTag(0, false), Buffer.of(5))),
    ...(wishes.nonce === undefined ? [] : [derInteger(wishes.nonce)]),
    ...(wishes.criticalExtension
      ? [derOf(contextTag(1), seq(derIdentifier('1.3.6.1.4.1.99999.3'), yes, octets(derOf(TAG.null))))]
      : []),
  );
  const names = wishes.names === undefined ? { certificate, digest: 'sha256' as const } : wishes.names;
  const attribute = (identifier: string, value: Buffer): Buffer => seq(derIdentifier(identifier), set(value));
  const attributes = [
    attribute('1.2.840.113549.1.9.3', derIdentifier(wishes.contentType ?? TST_INFO)),
    attribute('1.2.840.113549.1.9.4', octets(wishes.messageDigest ?? createHash(digest).update(info).digest())),
    ...(names
      ? [
          attribute(
            `1.2.840.113549.1.9.16.2.${names.digest === 'sha1' ? 12 : 47}`,
            seq(
              seq(
                seq(
                  ...(names.digest === 'sha512' ? [algorithmOf('sha512')] : []),
                  octets(createHash(names.digest).update(names.certificate.raw).digest()),
                ),
              ),
            ),
          ),
        ]
      : []),
  ].sort((a, b) => Buffer.compare(a, b));
  const signature = sign('sha256', set(...attributes), wishes.key ?? wishes.signer.key);
  const signerInfo = seq(
    derInteger(wishes.byKeyIdentifier ? 3n : 1n),
    wishes.byKeyIdentifier
      ? derOf(contextTag(0, false), new X509PublicKey(wishes.signer.key).identifier)
      : seq(issuerOf(certificate), derInteger(BigInt(`0x${certificate.serialNumber}`))),
    algorithmOf(digest),
    derOf(contextTag(0), ...attributes),
    seq(derIdentifier(ECDSA.sha256!)),
    octets(signature),
  );
  const data = seq(
    derInteger(3n),
    set(algorithmOf(digest)),
    seq(derIdentifier(TST_INFO), derOf(contextTag(0), octets(info))),
    derOf(contextTag(0), ...(wishes.certificates ?? [certificate]).map(({ raw }) => raw)),
    set(...Array.from({ length: wishes.signers ?? 1 }, () => signerInfo)),
  );
  const token = seq(derIdentifier('1.2.840.113549.1.7.2'), derOf(contextTag(0), data));
  return seq(seq(derInteger(wishes.status ?? 0n)), token);
}

function issuerOf(certificate: X509Certificate): Buffer {
  const common = certificate.issuer.replace(/^CN=/, '');
  return seq(set(seq(derIdentifier('2.5.4.3'), derOf(TAG.utf8String, Buffer.from(common)))));
}

/** A reply that says no. */
export function makeRefusal(status: bigint, text: string, failureBit: number): Buffer {
  const failure = Buffer.alloc(4);
  failure[failureBit >> 3] = 0x80 >> (failureBit & 7);
  return seq(seq(derInteger(status), seq(derOf(TAG.utf8String, Buffer.from(text))), bits(failure)));
}

/** What an authority of good conduct answers to a TimeStampReq: a time stamp of now. */
export function answerTo(question: Buffer, signer: Authority): Buffer {
  const reader = DerReader.of(readDer(question));
  reader.next(TAG.integer);
  const message = reader.enter();
  message.next(TAG.sequence);
  const { content: imprint } = message.next(TAG.octetString);
  const genTime = new Date().toISOString().replace(/[-:T]|\.\d+/g, '');
  return makeReply({ imprint, signer, nonce: integerOf(reader.next(TAG.integer)), genTime });
}
