import { createHash } from 'node:crypto';
import { Problem } from '../http/problem.js';
import { ZipWriter } from '../integrity/zip.js';
import { messageIdOf, MAX_MESSAGE_ID } from '../config/message-id.js';
import { SchemaPack, SchemaPackError } from '../transaction-reports/schema-pack.js';
import { schemaSetOn } from '../transaction-reports/schema-sets.js';
import {
  InvalidReportFileError,
  reportFiles,
  type FileHeader,
  type ReportFile,
} from '../transaction-reports/transaction-report-file.js';
import type { TransactionReport } from '../transaction-reports/transaction-report.js';
import type { FileMaking, WrittenFile } from './submission-read.js';

/** So much of the zip is handed on at once. */
const PIECE_BYTES = 1024 * 1024;

/** What is told while the files are written. */
export interface ZipProgress {
  /** The next so many of the reports are in this file, and none after them yet. */
  placed(messageId: string, count: number): void;
  /** The file is whole. */
  written(file: WrittenFile): void;
}

/**
 * A zip of files of reports, in pieces: however large the files are, of the reports some hundred are in memory at a time,
 * and of the zip a piece. The same reports give the same bytes. Throws invalid-report-file, schema-pack-unusable, what
 * reportFiles throws, and what the reports do.
 */
export async function* zipOfReports(
  reports: AsyncIterable<TransactionReport> | Iterable<TransactionReport>,
  making: FileMaking,
  progress: ZipProgress,
): AsyncGenerator<Uint8Array, void, undefined> {
  const schemas = await schemasOf(making);
  const validate = schemas && ((document: Buffer) => schemas.validate(document));
  try {
    yield* inPieces(packed(reportFiles(reports, headersOf(making), making.limits, validate), making, progress));
  } catch (error) {
    throw error instanceof InvalidReportFileError ? asProblem(error) : error;
  } finally {
    schemas?.close();
  }
}

async function* packed(
  files: AsyncIterable<ReportFile>,
  { firstNumber }: FileMaking,
  progress: ZipProgress,
): AsyncGenerator<Buffer, void, undefined> {
  const zip = new ZipWriter();
  for await (const { number, header, chunks, counts } of files) {
    const { messageId } = header;
    const digest = createHash('sha256');
    let [bytes, placed] = [0, 0];
    const content = async function* (): AsyncGenerator<Buffer, void, undefined> {
      for await (const chunk of chunks) {
        digest.update(chunk);
        bytes += chunk.byteLength;
        const count = counts.new + counts.cancelled;
        progress.placed(messageId, count - placed);
        placed = count;
        yield chunk;
      }
    };
    yield* zip.addStreamed(`${messageId}.xml`, content());
    progress.written({
      ...{ messageId, number: number - 1 + firstNumber, bytes, sha256: digest.digest('hex') },
      ...{ newReports: counts.new, cancellations: counts.cancelled },
    });
  }
  yield zip.end();
}

function headersOf({ pattern, sender, receiver, from, to, createdAt, firstNumber }: FileMaking) {
  return (n: number): FileHeader => {
    const sequence = firstNumber + n - 1;
    const parts = { sender, receiver, sequence, version: 0, previous: sequence - 1, day: createdAt.slice(0, 10) };
    return { from, to, messageId: messageIdOf(pattern, parts, MAX_MESSAGE_ID), createdAt };
  };
}

async function schemasOf({ schemaFolder, createdAt }: FileMaking): Promise<SchemaPack | undefined> {
  if (schemaFolder === undefined) return undefined;
  const set = schemaSetOn(createdAt.slice(0, 10));
  if (!set) throw new Problem('schema-pack-unusable', `No schemas are known for ${createdAt.slice(0, 10)}`);
  try {
    return await SchemaPack.load(schemaFolder, set);
  } catch (cause) {
    if (!(cause instanceof SchemaPackError)) throw cause;
    throw new Problem('schema-pack-unusable', cause.message, { cause });
  }
}

function asProblem(error: InvalidReportFileError): Problem {
  const errors = error.findings.slice(0, 100).map(({ message, line }) => ({
    ...{ pointer: `/files/${error.messageId}/lines/${line}`, rule: 'schema', detail: message },
  }));
  return new Problem('invalid-report-file', error.message, { errors, cause: error });
}

/** With memory of their own, so that they can change threads. */
async function* inPieces(all: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array, void, undefined> {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const joined = (): Uint8Array => {
    const piece = new Uint8Array(waitingBytes);
    let at = 0;
    for (const each of waiting) {
      piece.set(each, at);
      at += each.byteLength;
    }
    [waiting, waitingBytes] = [[], 0];
    return piece;
  };
  for await (const bytes of all) {
    waiting.push(bytes);
    waitingBytes += bytes.byteLength;
    if (waitingBytes >= PIECE_BYTES) yield joined();
  }
  if (waitingBytes > 0) yield joined();
}
