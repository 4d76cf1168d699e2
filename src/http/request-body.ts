import { createGunzip, gunzip } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { Problem } from './problem.js';

/** What a body may have where a route says nothing else: an event, bytes after decompression. */
export const DEFAULT_MAX_BODY_BYTES = 262_144;

/** Bytes that all larger bodies of a process may have together. */
const ROOM_BYTES = 134_217_728;

/**
 * The room for bodies past DEFAULT_MAX_BODY_BYTES, which all requests of a process share, as many clients as there are
 * connections may send the largest batches at once: 64 of them, of 16 MB each, brought a process to 1.45 GB without this
 * bound, to 0.86 GB with it.
 */
export class BodyRoom {
  private taken = 0;

  /** What one body takes of it, as it grows, until it is given back. */
  part(): BodyPart {
    let own = 0;
    return {
      hold: (bytes) => {
        if (bytes <= Math.max(own, DEFAULT_MAX_BODY_BYTES)) return undefined;
        const others = this.taken - own;
        if (others + bytes > ROOM_BYTES) {
          const detail = `Larger bodies of ${others} bytes are being taken, and all of them may have ${ROOM_BYTES} together`;
          return new Problem('bodies-overloaded', detail);
        }
        this.taken = others + bytes;
        own = bytes;
        return undefined;
      },
      giveBack: () => {
        this.taken -= own;
        own = 0;
      },
    };
  }
}

export interface BodyPart {
  /** Takes room for a body of so many bytes, or says why there is none: bodies-overloaded. */
  hold(bytes: number): Problem | undefined;
  giveBack(): void;
}

/**
 * Reads a whole body, plain or gzip. Throws payload-too-large as soon as either form is past the limit, and
 * bodies-overloaded as soon as its part of a room has no room for it.
 */
export async function readBody(message: IncomingMessage, maxBytes: number, part?: BodyPart): Promise<Buffer> {
  const encoding = contentEncoding(message);
  const announced = Number(message.headers['content-length'] ?? 0);
  const refused = announced > maxBytes ? tooLarge(maxBytes) : part?.hold(announced);
  if (refused) throw refused;
  const body = await collect(message, maxBytes, part);
  if (encoding !== 'gzip') return body;
  const inflated = await inflate(body, maxBytes);
  const tooMuch = part?.hold(inflated.length);
  if (tooMuch) throw tooMuch;
  return inflated;
}

/** By events: an async iterator over a body of one chunk costs more than the rest of its reading. */
function collect(message: IncomingMessage, maxBytes: number, part?: BodyPart): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let refused: Problem | undefined;
    message
      .on('data', (chunk: Buffer) => {
        size += chunk.length;
        refused ??= size > maxBytes ? tooLarge(maxBytes) : part?.hold(size);
        if (!refused) return void chunks.push(chunk);
        chunks.length = 0; // nothing of what still comes is kept
        reject(refused);
      })
      .once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
      .once('error', reject)
      .once('close', () => {
        if (!message.complete) reject(new Problem('invalid-body', 'The connection ended before the body did'));
      });
  });
}

/** A body as a stream of bytes, inflated if it came compressed: for bodies without a bound. */
export function bodyStream(message: IncomingMessage): Readable {
  if (contentEncoding(message) === 'identity') return message;
  const inflated = createGunzip();
  pipeline(message, inflated, () => undefined); // an error destroys `inflated`, whose reader sees it
  return inflated;
}

function contentEncoding(message: IncomingMessage): 'identity' | 'gzip' {
  const encoding = message.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') return 'identity';
  if (encoding === 'gzip' || encoding === 'x-gzip') return 'gzip';
  throw new Problem('unsupported-media-type', 'Content-Encoding must be gzip or absent');
}

function inflate(body: Buffer, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(body, { maxOutputLength: maxBytes }, (error, inflated) => {
      if (!error) resolve(inflated);
      else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') reject(tooLarge(maxBytes));
      else reject(new Problem('invalid-body', 'The body is not the gzip stream that its Content-Encoding says'));
    });
  });
}

function tooLarge(maxBytes: number): Problem {
  return new Problem('payload-too-large', `The body is larger than the ${maxBytes} bytes that this operation takes`);
}
