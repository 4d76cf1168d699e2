import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  canonicalContent,
  contentHash,
  eventHash,
  toContent,
  type Receipt,
  type SentContent,
} from '../../src/integrity/event.js';
import { byEventTime, compareHistory, expectedHistories, type ExpectedEvent } from './expected-histories.js';
import { comparableExceptions, exceptionsOfFiles } from './exceptions-of-files.js';
import { isFeed, sharedDataFolder, type Source } from './sources.js';
import { startService, TEST_KEY, type TestService } from '../support/app.js';
import { checkTrail } from '../support/check-trail.js';
import { HAS_PYTHON, PYTHON } from '../support/python.js';
import { verify } from '../support/verification.js';

const BATCH = 500;
const READERS = 8;
/**
 * Of a feed with tens of thousands of orders so many histories are read, every day others; those of all of them are compared
 * by one walk through the ledger. TEST_ALL_HISTORIES=1 reads every one.
 */
const HISTORIES = process.env.TEST_ALL_HISTORIES ? Infinity : 1_000;

const today = Math.floor(Date.now() / 86_400_000);

/** What is needed for all of it, and is not on this machine. */
export const MISSING_FOR_ORDER_FLOW = [
  ...(sharedDataFolder() === undefined ? ['the recorded data (TRUETRAIL_SHARED, by default ../shared)'] : []),
  ...(HAS_PYTHON ? [] : ['python3']),
];
if (MISSING_FOR_ORDER_FLOW.length > 0 && !process.env.CI) {
  process.stderr.write(
    `test/real-data: not all order flow goes in, missing here: ${MISSING_FOR_ORDER_FLOW.join(' and ')}\n`,
  );
}

/** Tests of order flow from files: each source goes in, and all of it is found again as the files have it. */
export function describeOrderFlow(flow: readonly Source[]): void {
  describe('recorded order flow', () => {
    let service: TestService;
    const agent = new Agent({ keepAlive: true, maxSockets: READERS });
    beforeAll(async () => {
      service = await startService();
    });
    afterAll(async () => {
      agent.destroy();
      await service.close();
    });

    it('has in CI all that it needs', () => {
      expect(process.env.CI ? MISSING_FOR_ORDER_FLOW : []).toEqual([]);
    });

    function send(
      method: string,
      path: string,
      body?: unknown,
      accept = 'application/json',
    ): Promise<{ status: number; text: string }> {
      return new Promise((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${TEST_KEY}`,
          accept,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        };
        const request = httpRequest(service.url + path, { method, agent, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }));
          response.on('error', reject);
        });
        request.on('error', reject);
        request.end(body === undefined ? undefined : JSON.stringify(body));
      });
    }

    async function record(ledger: string, source: Source): Promise<{ events: number; entities: Set<string> }> {
      await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
      const entities = new Set<string>();
      let events = 0;
      let batch: SentContent[] = [];
      const flush = async (): Promise<void> => {
        const { status, text } = await send('POST', `/v1/ledgers/${ledger}/events/batch`, { events: batch });
        if (status !== 201) throw new Error(`${status}: ${text.slice(0, 1000)}`);
        const { receipts } = JSON.parse(text) as { receipts: Receipt[] };
        receipts.forEach((receipt, i) => {
          const { content } = toContent(batch[i]!);
          const recomputed = contentHash(Buffer.from(receipt.salt, 'hex'), canonicalContent(content).text).toString(
            'hex',
          );
          if (recomputed !== receipt.content_hash || eventHash(receipt).toString('hex') !== receipt.event_hash) {
            throw new Error(`the receipt of ${receipt.event_id} does not recompute`);
          }
        });
        events += batch.length;
        batch = [];
      };
      for await (const event of source.convert()) {
        entities.add(event.entity_id);
        batch.push(event as unknown as SentContent);
        if (batch.length === BATCH) await flush();
      }
      if (batch.length > 0) await flush();
      return { events, entities };
    }

    /** What differs between the ledger, walked through once by event time, and what is expected of each order. */
    async function walkThrough(ledger: string, expected: ReadonlyMap<string, ExpectedEvent[]>): Promise<string[]> {
      const path = `/v1/ledgers/${ledger}/events?sort=timestamp`;
      const { status, text } = await send('GET', path, undefined, 'application/x-ndjson');
      expect(status).toBe(200);
      const histories = new Map<string, { entity_id: string }[]>();
      for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('{"end"'))) {
        const event = JSON.parse(line) as { entity_id: string };
        const history = histories.get(event.entity_id);
        if (history) history.push(event);
        else histories.set(event.entity_id, [event]);
      }
      expect(histories.size).toBe(expected.size);
      return [...expected].flatMap(([order, history]) =>
        compareHistory(byEventTime(history), histories.get(order) ?? []).map((each) => `${order}: ${each}`),
      );
    }

    describe.each(flow.map((source) => [source.name, source] as const))('%s', (name, source) => {
      const withBoth = source.folder() === undefined || !HAS_PYTHON ? it.skip : it;

      withBoth(
        "goes in; every order's history is what the file says; the chain verifies; exceptions are the file's",
        async () => {
          const ledger = `data-${name}`
            .toLowerCase()
            .replaceAll(/[^a-z0-9-]/g, '-')
            .slice(0, 63);
          const [{ events, entities }, expected] = await Promise.all([
            record(ledger, source),
            expectedHistories(source),
          ]);
          expect(events).toBe(Object.values(source.expectedCounts).reduce((sum, count) => sum + count, 0));

          expect(new Set(expected.keys())).toEqual(entities);
          const step = Math.max(1, Math.ceil(expected.size / HISTORIES));
          const queue = [...expected].filter((_each, i) => i % step === today % step);
          const differences: string[] = [];
          const reader = async (): Promise<void> => {
            for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
              const [order, history] = next;
              const { status, text } = await send(
                'GET',
                `/v1/ledgers/${ledger}/orders/${encodeURIComponent(order)}/history`,
              );
              if (status !== 200) differences.push(`${order}: ${status} ${text}`);
              else
                differences.push(
                  ...compareHistory(history, (JSON.parse(text) as { events: object[] }).events).map(
                    (each) => `${order}: ${each}`,
                  ),
                );
              if (differences.length > 20) return;
            }
          };
          await Promise.all(Array.from({ length: READERS }, reader));
          expect(differences).toEqual([]);
          expect(await walkThrough(ledger, expected)).toEqual([]);

          const verified = await verify(service, {}, ledger);
          expect(verified).toMatchObject({
            status: 'done',
            verdict: 'valid',
            checked: String(events),
            findings: [],
          });
          expect((await checkTrail(service.database.adminUrl, ledger)).size).toBe(BigInt(events));

          const bounds = ['1970-01-01T00:00:00Z', '2026-01-01T00:00:00Z'] as const;
          const path = `/v1/ledgers/${ledger}/reports/lifecycle-exceptions?from=${bounds[0]}&to=${bounds[1]}`;
          const { rows } = JSON.parse((await send('GET', path)).text) as { rows: Record<string, string | null>[] };
          expect(comparableExceptions(rows)).toEqual(exceptionsOfFiles(source, expected, bounds));
        },
        300_000,
      );
    });

    // Python would take minutes for a feed
    const sample = flow.find((source) => !isFeed(source));
    if (sample === undefined) return;
    const withPython = HAS_PYTHON ? it : it.skip;
    withPython('verifies by the second implementation, from what the API says', async () => {
      const ledger = `data-${sample.name}`.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
      await service.http().put(`/v1/ledgers/${ledger}`);
      const { text, status } = await send(
        'GET',
        `/v1/ledgers/${ledger}/events?sort=sequence`,
        undefined,
        'application/x-ndjson',
      );
      expect(status).toBe(200);
      const folder = mkdtempSync(join(tmpdir(), 'truetrail-ndjson-'));
      try {
        writeFileSync(join(folder, 'events.ndjson'), text);
        const verify = (file: string) =>
          spawnSync(PYTHON, ['test/vectors/verify.py', '--whole', join(folder, file)], { encoding: 'utf8' });
        const whole = verify('events.ndjson');
        expect([whole.status, whole.stderr]).toEqual([0, '']);
        writeFileSync(join(folder, 'changed.ndjson'), text.replace('"action":"create"', '"action":"cancel"'));
        expect(verify('changed.ndjson').status).toBe(1);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
}
