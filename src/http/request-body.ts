import { createGunzip, gunzip } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { Problem } from './problem.js';

/** What a body may have where a route says nothing else: an event, bytes after decompression. */
export const DEFAULT_MAX_BODY_BYTES = 262_144;

/** Reads a whole body, plain or gzip. Throws payload-too-large as soon as either form is past the limit. */
export async function readBody(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const encoding = contentEncoding(message);
  const announced = Number(message.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const body = await collect(message, maxBytes);
  return encoding === 'gzip' ? inflate(body, maxBytes) : body;
}

/** By events: an async iterator over a body of one chunk costs more than the rest of its reading. */
function collect(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    message
      .on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxBytes) chunks.push(chunk);
        else reject(tooLarge(maxBytes));
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
