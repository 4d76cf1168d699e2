import { createHash } from 'node:crypto';
import { Problem } from '../http/problem.js';
import { MAX_RAW_BYTES } from '../integrity/event.js';
import { ZipWriter } from '../integrity/zip.js';
import { messageIdOf, MAX_MESSAGE_ID } from '../config/message-id.js';
import { FIELD_SETS, fieldSetOn, type FieldSet } from '../transaction-reports/field-sets.js';
import { SchemaPack, SchemaPackError } from '../transaction-reports/schema-pack.js';
import { schemaSetOn } from '../transaction-reports/schema-sets.js';
import {
  InvalidReportFileError,
  reportFiles,
  type FileChunk,
  type FileHeader,
  type RecordPlace,
  type ReportFile,
} from '../transaction-reports/transaction-report-file.js';
import type { TransactionReport } from '../transaction-reports/transaction-report.js';
import { BLOCK_BYTES, type FileMaking, type WrittenFile, type ZipPart } from './submission-read.js';

/** So much of the zip is handed on at once. */
const PIECE_BYTES = 1024 * 1024;
/** What is told while the files are written. */
export interface ZipProgress {
  /** The next of the reports are in this file, at these places, and none after them yet. */
  placed(messageId: string, places: readonly RecordPlace[]): void;
  /** The next so many bytes of the zip are one part of it. */
  part(part: ZipPart): void;
  /** The file is whole. */
  written(file: WrittenFile): void;
}

/**
 * A zip of files of reports, in pieces: however large the files are, of the reports some hundred are in memory at a time,
 * and of the zip a piece. It is of parts that MAX_RAW_BYTES can hold each. Throws invalid-report-file, schema-pack-unusable, what
 * reportFiles throws, and what the reports do.
 */
export async function* zipOfReports(
  reports: AsyncIterable<TransactionReport> | Iterable<TransactionReport>,
  making: FileMaking,
  progress: ZipProgress,
  sets: readonly FieldSet[] = FIELD_SETS,
): AsyncGenerator<Uint8Array, void, undefined> {
  const schemas = await schemasOf(making);
  const validate = schemas && ((document: Buffer) => schemas.validate(document));
  try {
    const form = fieldSetOn(making.createdAt.slice(0, 10), sets);
    const files = reportFiles(reports, headersOf(making), making.limits, validate, form);
    yield* inPieces(packed(files, making, progress));
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
  const part = (bytes: Buffer, content: ZipPart['content']): Buffer => {
    progress.part({ packed: bytes.byteLength, content });
    return bytes;
  };
  for await (const { number, header, chunks, counts } of files) {
    const { messageId } = header;
    const digest = createHash('sha256');
    const blocks = new Blocks(chunks, (places) => progress.placed(messageId, places));
    const content = async function* (): AsyncGenerator<Buffer, void, undefined> {
      for await (const block of blocks.all()) {
        digest.update(block);
        yield block;
      }
    };
    for await (const packed of zip.addStreamed(`${messageId}.xml`, content())) {
      const block = blocks.taken();
      yield part(packed, block && { messageId, ...block });
    }
    progress.written({
      ...{ messageId, number: number - 1 + firstNumber, bytes: blocks.bytes, sha256: digest.digest('hex') },
      ...{ newReports: counts.new, cancellations: counts.cancelled },
    });
  }
  const end = zip.end();
  for (let at = 0; at < end.byteLength; at += MAX_RAW_BYTES)
    yield part(end.subarray(at, at + MAX_RAW_BYTES), undefined);
}

/** A file in blocks of BLOCK_BYTES. */
class Blocks {
  /** handed out so far */
  bytes = 0;
  private last: RecordPlace | undefined;

  constructor(
    private readonly chunks: AsyncIterable<FileChunk>,
    private readonly placed: (places: readonly RecordPlace[]) => void,
  ) {}

  async *all(): AsyncGenerator<Buffer, void, undefined> {
    let rest = Buffer.alloc(0);
    for await (const { bytes, records } of this.chunks) {
      this.placed(records);
      rest = Buffer.concat([rest, bytes]);
      while (rest.byteLength >= BLOCK_BYTES) {
        yield this.next(rest.subarray(0, BLOCK_BYTES));
        rest = rest.subarray(BLOCK_BYTES);
      }
    }
    if (rest.byteLength > 0) yield this.next(rest);
  }

  /** Where the block stands in the file that was handed out since this was asked last; undefined for none. */
  taken(): RecordPlace | undefined {
    const { last } = this;
    this.last = undefined;
    return last;
  }

  private next(block: Buffer): Buffer {
    this.last = { from: this.bytes, bytes: block.byteLength };
    this.bytes += block.byteLength;
    return block;
  }
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
