import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareRows, expectedReports, type ActualRow, type ExpectedReport } from './real-data/expected-reports.js';
import { sampleSources, sources, type Source } from './real-data/sources.js';
import { executionsTwice, messagesAsEvents, type OtherContent } from './real-data/told-otherwise.js';
import { startService, type TestService } from './support/app.js';
import { HAS_PYTHON } from './support/python.js';

const BATCH = 500;
/**
 * Of the two long feeds so many events are recorded, so that this takes seconds. TEST_ALL_HISTORIES=1 records all of them;
 * the digests are of the parts, and are not looked at then.
 */
const MOST = new Map([
  ['lobster-aapl-2012-06-21', 2_000],
  ['bitstamp-btcusd-2015-05-01', 2_000],
]);
const OF_ALL = process.env.TEST_ALL_HISTORIES !== undefined;

/** Reports that the scripts answer of every source. */
const ASKED = [
  ...['activity', 'aggregation-allocation', 'clock-sync', 'completeness', 'mifid2-trades', 'order-reconstruction'],
  ...['order-records', 'replay', 'user-activity'],
];

/** The recorded data must not be published: of the answers only how many there are, their rows, and a digest. */
const DIGESTS = join(import.meta.dirname, 'real-data', 'report-digests.json');

type Digests = Record<string, { answers: number; rows: number; sha256: string }>;

/** Those of a ledger as they are on file; `UPDATE_GOLDEN_FILES=1` writes what is found. */
function golden(ledger: string, found: Digests): Digests | undefined {
  const all = existsSync(DIGESTS) ? (JSON.parse(readFileSync(DIGESTS, 'utf8')) as Record<string, Digests>) : {};
  if (process.env.UPDATE_GOLDEN_FILES) {
    all[ledger] = found;
    const sorted = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
    writeFileSync(DIGESTS, `${JSON.stringify(sorted, null, 2)}\n`);
  }
  return all[ledger];
}

describe('reports on recorded order flow', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  /** Records what is told, in this order, in a ledger of its own. Returns the ids of the events by their places. */
  async function record(ledger: string, told: AsyncIterable<{ event_id: string }>, most = Infinity): Promise<string[]> {
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    const ids: string[] = [];
    let batch: { event_id: string }[] = [];
    const flush = async (): Promise<void> => {
      if (batch.length > 0)
        await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events: batch }).expect(201);
      batch = [];
    };
    for await (const event of told) {
      ids.push(event.event_id);
      batch.push(event);
      if (batch.length === BATCH) await flush();
      if (ids.length === most) break;
    }
    await flush();
    return ids;
  }

  /** Asks each question, and holds the answer against the one expected. Returns the names of the reports. */
  async function compare(
    ledger: string,
    expected: AsyncIterable<ExpectedReport>,
    ids: readonly string[],
  ): Promise<Set<string>> {
    const reports = new Set<string>();
    const told: Record<string, { answers: number; rows: number; hash: ReturnType<typeof createHash> }> = {};
    for await (const { report, parameters, rows } of expected) {
      const answer = await service.http().get(`/v1/ledgers/${ledger}/reports/${report}`).query(parameters);
      const question = `${report} ${JSON.stringify(parameters)}`;
      expect([question, answer.status]).toEqual([question, 200]);
      const actual = answer.body.rows as ActualRow[];
      expect([question, ...compareRows(rows, actual).slice(0, 10)]).toEqual([question]);
      // what the service itself made: the event that is at that place
      for (const { event_id: id, sequence } of actual) {
        if (id !== undefined && id !== null) expect(id).toBe(ids[Number(sequence) - 1]);
      }
      reports.add(report);
      const of = (told[report] ??= { answers: 0, rows: 0, hash: createHash('sha256') });
      of.answers += 1;
      of.rows += rows.length;
      of.hash.update(`${JSON.stringify({ report, parameters, rows })}\n`);
    }
    const digests = Object.fromEntries(
      Object.entries(told).map(([report, { hash, ...counts }]) => [report, { ...counts, sha256: hash.digest('hex') }]),
    );
    if (!OF_ALL) expect(digests).toEqual(golden(ledger, digests));
    return reports;
  }

  const withFiles = (source: Source): typeof it => (source.folder() === undefined || !HAS_PYTHON ? it.skip : it);
  const ledgerOf = (kind: string, { name }: Source): string =>
    `${kind}-${name}`.replaceAll(/[^a-z0-9-]/g, '-').slice(0, 63);
  const all = [...sampleSources, ...sources];

  for (const source of all) {
    withFiles(source)(
      `${source.name}: every answer is what a plain script reads from the files`,
      async () => {
        const most = OF_ALL ? undefined : MOST.get(source.name);
        const ledger = ledgerOf('orders', source);
        const ids = await record(ledger, source.convert(), most);
        expect(ids.length).toBe(most ?? Object.values(source.expectedCounts).reduce((sum, count) => sum + count, 0));
        const reports = await compare(ledger, expectedReports(source, most ?? 0), ids);
        expect([...reports].sort()).toEqual(ASKED);
      },
      OF_ALL ? 1_200_000 : 300_000,
    );
  }

  async function* ofFiles(source: Source, tell: (path: string) => AsyncGenerator<OtherContent>) {
    for (const file of source.files) yield* tell(join(source.folder()!, file));
  }

  for (const source of all.filter(({ name }) => name.includes('fix'))) {
    withFiles(source)(
      `${source.name}: what is missing, repeated or silent among its messages, by their own numbers`,
      async () => {
        const ledger = ledgerOf('messages', source);
        const ids = await record(ledger, ofFiles(source, messagesAsEvents));
        const reports = await compare(ledger, expectedReports(source, 'messages'), ids);
        expect([...reports]).toEqual(['completeness']);
      },
      120_000,
    );
  }

  for (const source of all.filter(({ name }) => name.includes('databento'))) {
    withFiles(source)(`${source.name}: fills and public prints of the same executions, reconciled`, async () => {
      const ledger = ledgerOf('executions', source);
      const ids = await record(ledger, ofFiles(source, executionsTwice));
      expect(ids.length).toBeGreaterThan(5);
      const reports = await compare(ledger, expectedReports(source, 'executions'), ids);
      expect([...reports]).toEqual(['drop-copy-reconciliation']);
    });
  }

  it('has in CI all that it needs', () => {
    const missing = all.filter((source) => source.folder() === undefined).map(({ name }) => name);
    expect(process.env.CI ? { missing, hasPython: HAS_PYTHON } : {}).toEqual(
      process.env.CI ? { missing: [], hasPython: true } : {},
    );
  });
});
