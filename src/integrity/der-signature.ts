import { constants, verify, type KeyObject } from 'node:crypto';
import { contextTag, DerReader, identifierOf, integerOf, TAG, type DerValue } from './der.js';

/** How something is signed: what an AlgorithmIdentifier says. */
export interface SignatureScheme {
  /** as node:crypto names it; undefined where the scheme has its own, or leaves it to somebody else to say */
  digest: string | undefined;
  keyTypes: readonly string[];
  pssSaltBytes?: number;
  /** whether the digest stands elsewhere: plain rsaEncryption, as CMS has it */
  isDigestElsewhere?: true;
}

/** An algorithm that is weak, or not known here; `message` is a sentence that says which. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError';
}

/** Digests that nobody finds collisions of; SHA-1 and MD5 are none. */
const DIGESTS: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

const RSA = ['rsa'];
const EC = ['ec'];
const SCHEMES: Readonly<Record<string, SignatureScheme>> = {
  '1.2.840.113549.1.1.1': { digest: undefined, keyTypes: RSA, isDigestElsewhere: true },
  '1.2.840.113549.1.1.11': { digest: 'sha256', keyTypes: RSA },
  '1.2.840.113549.1.1.12': { digest: 'sha384', keyTypes: RSA },
  '1.2.840.113549.1.1.13': { digest: 'sha512', keyTypes: RSA },
  '1.2.840.10045.4.3.2': { digest: 'sha256', keyTypes: EC },
  '1.2.840.10045.4.3.3': { digest: 'sha384', keyTypes: EC },
  '1.2.840.10045.4.3.4': { digest: 'sha512', keyTypes: EC },
  '1.3.101.112': { digest: undefined, keyTypes: ['ed25519'] },
};
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';

/** The digest of an AlgorithmIdentifier. Throws SignatureError, DerError. */
export function digestOf(algorithm: DerValue): string {
  const identifier = identifierOf(DerReader.of(algorithm).next(TAG.objectIdentifier));
  const digest = DIGESTS[identifier];
  if (digest === undefined) throw new SignatureError(`the digest ${identifier} is weak, or not known here`);
  return digest;
}

/** The signature of an AlgorithmIdentifier. Throws SignatureError, DerError. */
export function signatureOf(algorithm: DerValue): SignatureScheme {
  const reader = DerReader.of(algorithm);
  const identifier = identifierOf(reader.next(TAG.objectIdentifier));
  if (identifier === RSASSA_PSS) return readPss(reader);
  const scheme = SCHEMES[identifier];
  if (!scheme) throw new SignatureError(`the signature algorithm ${identifier} is weak, or not known here`);
  return scheme;
}

/** RFC 4055, section 3.1. All defaults are of SHA-1, so whatever is not said is weak. */
function readPss(reader: DerReader): SignatureScheme {
  const parameters = reader.enter();
  const explicit = (number: number): DerReader => {
    const value = parameters.optional(contextTag(number));
    if (!value) throw new SignatureError('RSASSA-PSS with a default, which is SHA-1’s');
    return DerReader.of(value);
  };
  const digest = digestOf(explicit(0).next(TAG.sequence));
  const mask = explicit(1).enter();
  if (identifierOf(mask.next(TAG.objectIdentifier)) !== MGF1 || digestOf(mask.next(TAG.sequence)) !== digest) {
    throw new SignatureError('RSASSA-PSS with two digests');
  }
  const salt = integerOf(explicit(2).next(TAG.integer));
  if (salt < 0n || salt > 512n) throw new SignatureError(`RSASSA-PSS with a salt of ${salt} bytes`);
  return { digest, keyTypes: ['rsa', 'rsa-pss'], pssSaltBytes: Number(salt) };
}

/** Whether a signature by a scheme is a key's of the data; `digest` is what the scheme may leave to be said elsewhere. */
export function isSignedBy(
  key: KeyObject,
  scheme: SignatureScheme,
  digest: string,
  data: Buffer,
  signature: Buffer,
): boolean {
  if (!scheme.keyTypes.includes(key.asymmetricKeyType ?? '')) return false;
  const algorithm = scheme.isDigestElsewhere ? digest : (scheme.digest ?? null);
  try {
    if (scheme.pssSaltBytes === undefined) return verify(algorithm, data, key, signature);
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return verify(algorithm, data, { key, padding, saltLength: scheme.pssSaltBytes }, signature);
  } catch {
    return false; // a signature that is no such thing at all
  }
}
