import { X509Certificate, type KeyObject } from 'node:crypto';
import {
  bitsOf,
  booleanOf,
  contextTag,
  DerError,
  DerReader,
  identifierOf,
  integerOf,
  readDer,
  TAG,
  timeOf,
  type DerValue,
} from './der.js';
import { signatureOf, SignatureError } from './der-signature.js';

/**
 * X.509 certificates and the path from one of them to a root that is trusted: RFC 5280, section 6, without policies and
 * revocation, and without names that a CA is bound to: a certificate that insists on what is not looked at here leads
 * nowhere.
 */
export interface Certificate {
  der: Buffer;
  /** its parts, as they stand in it */
  issuer: Buffer;
  subject: Buffer;
  serial: bigint;
  /** `YYYY-MM-DDThh:mm:ss.ffffffZ`, both included */
  notBefore: string;
  notAfter: string;
  /** AlgorithmIdentifier of its signature */
  signatureAlgorithm: DerValue;
  extensions: ReadonlyMap<string, { isCritical: boolean; value: Buffer }>;
  publicKey: KeyObject;
  x509: X509Certificate;
}

/** A path that does not lead to a root, or a certificate that is none; `message` is a sentence that says why. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

export const EXTENSION = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
} as const;

const EXTENDED_KEY_USAGE_ANY = '2.5.29.37.0';
/** In keyUsage, from the first bit on. */
const DIGITAL_SIGNATURE = 0;
const NON_REPUDIATION = 1;
const KEY_CERT_SIGN = 5;

/** Longer paths than these exist nowhere. */
const MAX_PATH = 8;
const LEAST_RSA_BITS = 2048;
const CURVES = new Set([
  'prime256v1',
  'secp384r1',
  'secp521r1',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
]);

/** Reads a certificate and verifies nothing of it. Throws CertificateError. */
export function readCertificate(der: Buffer): Certificate {
  try {
    const whole = DerReader.of(readDer(der));
    const tbs = whole.enter();
    whole.next(TAG.sequence);
    whole.next(TAG.bitString);
    whole.end();
    tbs.optional(contextTag(0)); // version
    const serial = integerOf(tbs.next(TAG.integer));
    const signatureAlgorithm = tbs.next(TAG.sequence);
    const issuer = tbs.next(TAG.sequence).bytes;
    const validity = tbs.enter();
    const [notBefore, notAfter] = [timeOf(validity.next()), timeOf(validity.next())];
    validity.end();
    const subject = tbs.next(TAG.sequence).bytes;
    tbs.next(TAG.sequence); // the key, which X509Certificate reads
    for (const unique of [1, 2]) tbs.optional(contextTag(unique, false));
    const extensions = readExtensions(tbs.optional(contextTag(3)));
    tbs.end();
    const x509 = new X509Certificate(der);
    const { publicKey } = x509; // which it reads when it is asked for it
    return { der, issuer, subject, serial, notBefore, notAfter, signatureAlgorithm, extensions, publicKey, x509 };
  } catch (error) {
    throw new CertificateError(`a certificate cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function readExtensions(wrapped: DerValue | undefined): Certificate['extensions'] {
  const extensions = new Map<string, { isCritical: boolean; value: Buffer }>();
  if (!wrapped) return extensions;
  const reader = DerReader.of(wrapped);
  const list = reader.enter();
  reader.end();
  while (!list.isAtEnd) {
    const extension = list.enter();
    const identifier = identifierOf(extension.next(TAG.objectIdentifier));
    const critical = extension.optional(TAG.boolean);
    const { content: value } = extension.next(TAG.octetString);
    extension.end();
    if (extensions.has(identifier)) throw new DerError(`its extension ${identifier} is there twice`);
    extensions.set(identifier, { isCritical: critical !== undefined && booleanOf(critical), value });
  }
  return extensions;
}

/** The purposes that a certificate is bound to; undefined for none. Throws DerError. */
export function purposesOf({ extensions }: Certificate): string[] | undefined {
  const extension = extensions.get(EXTENSION.extendedKeyUsage);
  if (!extension) return undefined;
  return DerReader.of(readDer(extension.value))
    .rest()
    .map((value) => identifierOf(value));
}

/** Whether its key may sign data, as far as the certificate says. Throws DerError. */
export function maySign({ extensions }: Certificate): boolean {
  const usage = extensions.get(EXTENSION.keyUsage);
  if (!usage) return true;
  const bits = bitsOf(readDer(usage.value, TAG.bitString));
  return bits[DIGITAL_SIGNATURE] === true || bits[NON_REPUDIATION] === true;
}

/**
 * The certificates from one to a root, both included, each signed by the next one, all valid at a time
 * (`YYYY-MM-DDThh:mm:ss.ffffffZ`) and all fit for a purpose (an identifier). A root is trusted as it is, whoever signed
 * it. `others` are what may lie between, in whatever order. Throws CertificateError, which says of the path that came
 * furthest why it ends.
 */
export function findPath(
  certificate: Certificate,
  others: readonly Certificate[],
  roots: readonly Certificate[],
  at: string,
  purpose: string,
): Certificate[] {
  let reason = 'no root is trusted';
  let furthest = -1;
  const tried = new Set<Certificate>(); // so that certificates that sign each other end somewhere
  const search = (path: readonly Certificate[]): Certificate[] | undefined => {
    const last = path.at(-1)!;
    const fail = (why: string): undefined => {
      if (path.length > furthest) [reason, furthest] = [`${nameOf(last)} ${why}`, path.length];
      return undefined;
    };
    if (at < last.notBefore || at > last.notAfter) {
      return fail(`was valid from ${last.notBefore} to ${last.notAfter}, and not at ${at}`);
    }
    const weakness = weaknessOfKey(last.publicKey);
    if (weakness !== undefined) return fail(`has ${weakness}`);
    if (roots.some(({ der }) => der.equals(last.der))) return [...path];
    if (path.length >= MAX_PATH) return fail('is too far from any root');
    if (signatureOfCertificate(last) === undefined) return fail('is signed by an algorithm that is weak, or not known');
    const issuers = [...roots, ...others].filter((each) => last.x509.checkIssued(each.x509));
    if (issuers.length === 0) return fail('is of an issuer that is not known, and no trusted root');
    for (const issuer of issuers) {
      if (tried.has(issuer)) continue;
      tried.add(issuer);
      const refusal = refusalOfIssuer(issuer, path.length - 1, purpose);
      if (refusal !== undefined) fail(`has an issuer that ${refusal}`);
      else if (!last.x509.verify(issuer.publicKey)) fail('bears a signature that is not its issuer’s');
      else {
        const found = search([...path, issuer]);
        if (found) return found;
      }
    }
    return fail('leads to no trusted root');
  };
  const found = search([certificate]);
  if (found) return found;
  throw new CertificateError(reason);
}

/** Why a certificate may not have signed one below which there are `between` others; undefined when it may. */
function refusalOfIssuer(issuer: Certificate, between: number, purpose: string): string | undefined {
  const { extensions } = issuer;
  const unknown = unknownCritical(issuer);
  if (unknown !== undefined) return `insists on the extension ${unknown}, which is not looked at here`;
  try {
    const constraints = extensions.get(EXTENSION.basicConstraints);
    const reader = constraints && DerReader.of(readDer(constraints.value));
    const isCa = reader?.optional(TAG.boolean);
    if (!reader || !isCa || !booleanOf(isCa)) return 'is no CA';
    const length = reader.optional(TAG.integer);
    if (length && integerOf(length) < BigInt(between)) return 'may not have so many below it';
    const usage = extensions.get(EXTENSION.keyUsage);
    if (usage && bitsOf(readDer(usage.value, TAG.bitString))[KEY_CERT_SIGN] !== true)
      return 'may not sign certificates';
    const purposes = purposesOf(issuer);
    if (purposes && !purposes.includes(purpose) && !purposes.includes(EXTENDED_KEY_USAGE_ANY)) {
      return 'is for other purposes';
    }
    return undefined;
  } catch (error) {
    if (error instanceof DerError) return `cannot be read: ${error.message}`;
    throw error;
  }
}

/** An extension that must be understood and is not; undefined when there is none. */
export function unknownCritical({ extensions }: Certificate): string | undefined {
  const known: readonly string[] = Object.values(EXTENSION);
  return [...extensions].find(([identifier, { isCritical }]) => isCritical && !known.includes(identifier))?.[0];
}

function signatureOfCertificate({ signatureAlgorithm }: Certificate): string | undefined {
  try {
    return signatureOf(signatureAlgorithm).digest ?? 'its own';
  } catch (error) {
    if (error instanceof SignatureError || error instanceof DerError) return undefined;
    throw error;
  }
}

/** What is weak about a key; undefined for one that is not. */
export function weaknessOfKey(key: KeyObject): string | undefined {
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: details } = key;
  if (type === 'rsa' || type === 'rsa-pss') {
    const bits = details?.modulusLength ?? 0;
    return bits < LEAST_RSA_BITS ? `an RSA key of ${bits} bits` : undefined;
  }
  if (type === 'ec') {
    const curve = details?.namedCurve ?? 'unknown';
    return CURVES.has(curve) ? undefined : `a key on the curve ${curve}`;
  }
  return type === 'ed25519' ? undefined : `a key of the kind ${type}`;
}

/** Whose it is, for people, on a line: `CN=..., O=...` */
export function nameOf({ x509 }: Certificate): string {
  return x509.subject.split('\n').reverse().join(', ');
}
