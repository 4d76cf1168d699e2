import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CANCELLATION, SHARE } from '../../test/support/transaction-reports.js';
import { readReportRecords } from '../../test/support/report-records.js';
import { unzipped } from '../../test/support/unzipped.js';
import type { TransactionReport } from '../transaction-reports/transaction-report.js';
import { MAX_RAW_BYTES } from '../integrity/event.js';
import { unpackPiece } from '../integrity/zip.js';
import { zipOfReports, type ZipProgress } from './report-zip.js';
import type { FileMaking, WrittenFile, ZipPart } from './submission-read.js';

const SHARED = resolve(import.meta.dirname, '../..', process.env.TRUETRAIL_SHARED ?? '../shared');
const SCHEMAS = join(SHARED, 'reference/xsd');
const HAS_SCHEMAS = existsSync(join(SCHEMAS, 'head.003.001.01.xsd'));
const withSchemas = HAS_SCHEMAS ? it : it.skip;
if (!HAS_SCHEMAS) console.warn('skipped: a file that its schemas do not allow (they are missing here)');

const MAKING: FileMaking = {
  ...{ pattern: '{sender}_{sequence:6}', sender: 'TF', receiver: 'FR', from: { id: 'TF' }, to: { id: 'FR' } },
  ...{ createdAt: '2026-06-02T18:00:00Z', firstNumber: 7, limits: { transactions: 3_000, bytes: Infinity } },
  schemaFolder: undefined,
};
/** Of which so many are cancellations: one in ten. */
const REPORTS = 10_000;

function* reports(count = REPORTS): Generator<TransactionReport> {
  for (let i = 0; i < count; i++) {
    const transactionReference = `T${i}`;
    yield i % 10 === 9 ? { ...CANCELLATION, transactionReference } : { ...SHARE, transactionReference };
  }
}

async function made(all: Iterable<TransactionReport>, making = MAKING) {
  const [placed, files, pieces]: [[string, number][], WrittenFile[], Uint8Array[]] = [[], [], []];
  const parts: ZipPart[] = [];
  const progress: ZipProgress = {
    placed: (messageId, places) => void placed.push([messageId, places.length]),
    part: (part) => void parts.push(part),
    written: (file: WrittenFile) => void files.push(file),
  };
  for await (const piece of zipOfReports(all, making, progress)) pieces.push(piece);
  return { placed, files, parts, zip: Buffer.concat(pieces) };
}

it('holds each report once, in files whose digests and counts are told; the same reports give the same bytes', async () => {
  const { files, placed, zip } = await made(reports());
  const found = unzipped(zip);
  expect(files.map(({ messageId, number }) => [messageId, number])).toEqual([
    ...[7, 8, 9, 10].map((number) => [`TF_${String(number).padStart(6, '0')}`, number]),
  ]);
  expect([...found.keys()]).toEqual(files.map(({ messageId }) => `${messageId}.xml`));
  for (const { messageId, bytes, sha256, newReports, cancellations } of files) {
    const content = found.get(`${messageId}.xml`)!;
    expect([content.length, createHash('sha256').update(content).digest('hex')]).toEqual([bytes, sha256]);
    const counts = placed.filter(([of]) => of === messageId).map(([, count]) => count);
    const total = newReports + cancellations;
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(total);
    expect(cancellations).toBe(total / 10);
  }
  const references = [...found.values()].flatMap((file) =>
    readReportRecords(file).map((each) => each.transactionReference),
  );
  expect(references).toEqual([...reports()].map((each) => each.transactionReference));
  expect((await made(reports())).zip.equals(zip)).toBe(true);
});

it('is of parts of which each is unpacked by itself, and fits into an event whatever is in it', async () => {
  const random = function* (): Generator<TransactionReport> {
    // next to nothing of this can be packed
    for (let i = 0; i < 30; i++)
      yield {
        ...SHARE,
        venueTransactionId: randomBytes(20_000)
          .toString('latin1')
          .replace(/[^!-~]|[&<>]/g, '\u{10ffff}'),
      };
  };
  for (const [all, making] of [
    [reports(), MAKING],
    [random(), MAKING],
  ] as const) {
    const { files, parts, zip } = await made(all, making);
    expect(parts.every(({ packed }) => packed <= MAX_RAW_BYTES)).toBe(true);
    const found = new Map<string, Buffer[]>();
    let at = 0;
    for (const { packed, content } of parts) {
      if (content) {
        const { messageId, from, bytes } = content;
        const before = found.get(messageId) ?? [];
        expect(Buffer.concat(before).length).toBe(from);
        found.set(messageId, [...before, unpackPiece(zip.subarray(at, at + packed), bytes)]);
      }
      at += packed;
    }
    expect(at).toBe(zip.length);
    const digests = [...found].map(([id, pieces]) => [
      id,
      createHash('sha256').update(Buffer.concat(pieces)).digest('hex'),
    ]);
    expect(digests).toEqual(files.map(({ messageId, sha256 }) => [messageId, sha256]));
  }
});

it('is written as the reports come: of these some hundred are waiting, and not a file', async () => {
  let [taken, placed, most] = [0, 0, 0];
  const counted = function* (): Generator<TransactionReport> {
    for (const report of reports()) {
      taken += 1;
      most = Math.max(most, taken - placed);
      yield report;
    }
  };
  const progress: ZipProgress = {
    ...{ placed: (_, places) => void (placed += places.length), part: () => undefined, written: () => undefined },
  };
  const oneFile = { ...MAKING, limits: { transactions: Infinity, bytes: Infinity } };
  for await (const piece of zipOfReports(counted(), oneFile, progress)) expect(piece.length).toBeLessThan(2_000_000);
  expect([taken, placed]).toEqual([REPORTS, REPORTS]);
  expect(most).toBeLessThan(1_000);
});

it('is an empty zip without any report', async () => {
  const { files, zip } = await made([]);
  expect([files, unzipped(zip).size]).toEqual([[], 0]);
});

withSchemas('is refused with a record that the schemas do not allow, however far behind', async () => {
  const wrong = function* (): Generator<TransactionReport> {
    yield* reports(2_000);
    yield { ...SHARE, venue: 'too long' };
  };
  const making = { ...MAKING, schemaFolder: SCHEMAS };
  await expect(made(wrong(), making)).rejects.toMatchObject({
    slug: 'invalid-report-file',
    errors: [
      { pointer: '/files/TF_000007/lines/2', rule: 'schema', detail: expect.stringContaining('TradVn') as string },
    ],
  });
  await expect(made(reports(2_000), making)).resolves.toMatchObject({ files: [{ newReports: 1_800 }] });
});
