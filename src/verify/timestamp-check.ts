import { X509Certificate } from 'node:crypto';
import type { VerifyTimestamp } from '../integrity/evidence-verifier.js';
import { TimestampError, verifyTimestampReply } from '../integrity/timestamp-reply.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Checks time stamps against the certificates in a PEM text; undefined when it holds none. Throws Node's error for one that is none. */
export function timestampCheck(pem: string): VerifyTimestamp | undefined {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) return undefined;
  const roots = blocks.map((block) => new X509Certificate(block));
  return (reply, digest) => {
    try {
      return { time: verifyTimestampReply(reply, digest, roots).genTime };
    } catch (error) {
      if (error instanceof TimestampError) return { fault: error.message };
      throw error;
    }
  };
}
