import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MAX_REPLY_BYTES, TimestampError, timestampQuery, verifyTimestampReply } from '../integrity/timestamp-reply.js';
import type { Timestamp } from '../integrity/timestamp-reply.js';
import { NoAnswer, postBytes } from './bounded-post.js';

export interface StampedReply {
  /** the whole TimeStampResp, as it came */
  reply: Buffer;
  timestamp: Timestamp;
}

/** What an authority answered is no time stamp for us; `message` is a sentence. TimestampError and NoAnswer are its kin. */
export class UnusableTimestamp extends Error {
  override readonly name = 'UnusableTimestamp';
  constructor(
    readonly rule: 'status' | 'nonce' | 'time',
    message: string,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 10_000;
const NONCE_BYTES = 8;
const NO_BODY = '(no text)';

export interface StampOptions {
  roots: readonly X509Certificate[];
  /** how far genTime may be from our clock, past the time that the question took */
  clockToleranceMs: number;
  signal: AbortSignal;
  timeoutMs?: number;
}

/**
 * Asks an authority for a time stamp over a SHA-256, and verifies the answer as far as it can ever be, and beyond that
 * what only we can now: that it answers this question, and that its time is ours. Throws NoAnswer, UnusableTimestamp,
 * TimestampError, and the signal's reason.
 */
export async function requestTimestamp(url: string, imprint: Buffer, options: StampOptions): Promise<StampedReply> {
  const { roots, clockToleranceMs, signal, timeoutMs = TIMEOUT_MS } = options;
  const nonce = randomBytes(NONCE_BYTES).readBigUInt64BE();
  const before = Date.now();
  const answer = await postBytes(url, timestampQuery(imprint, nonce), {
    contentType: 'application/timestamp-query',
    timeoutMs,
    maxBytes: MAX_REPLY_BYTES,
    signal,
  });
  const after = Date.now();
  if (answer.status !== 200) {
    const text = JSON.stringify(answer.body.subarray(0, 200).toString('utf8'));
    throw new UnusableTimestamp('status', `status ${answer.status}: ${answer.body.length === 0 ? NO_BODY : text}`);
  }
  const timestamp = verifyTimestampReply(answer.body, imprint, roots);
  if (timestamp.nonce !== nonce) {
    throw new UnusableTimestamp('nonce', 'it answers another question: its nonce is not the one that was sent');
  }
  const at = Date.parse(timestamp.genTime);
  if (at < before - clockToleranceMs || at > after + clockToleranceMs) {
    throw new UnusableTimestamp(
      'time',
      `its time is ${timestamp.genTime}, and it was asked at ${new Date(before).toISOString()}`,
    );
  }
  return { reply: answer.body, timestamp };
}

/** How a failure of requestTimestamp is counted: a word for a metric; undefined for any other error. */
export function timestampFailure(error: unknown): string | undefined {
  if (error instanceof NoAnswer) return 'no-answer';
  if (error instanceof UnusableTimestamp || error instanceof TimestampError) return error.rule;
  return undefined;
}

/** The certificates of a PEM file, each of which is trusted. Throws an Error for the operator. */
export function readRoots(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('there is no certificate in it');
  return blocks.map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new Error(`certificate ${at + 1} in it cannot be read: ${(cause as Error).message}`, { cause });
    }
  });
}

/** The certificates of the file of TIMESTAMP_CA_FILE. Throws an Error for the operator. */
export function readRootsFile(path: string): X509Certificate[] {
  try {
    return readRoots(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Error(`The file of TIMESTAMP_CA_FILE cannot be used: ${(cause as Error).message}`, { cause });
  }
}
