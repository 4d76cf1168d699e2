import { startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, record, runJob, verify } from './support/verification.js';

/** The day at noon in the middle of the month that lies so many months before the present one. */
function monthsAgo(back: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15, 12));
}

const firstOf = (back: number): string => `${monthsAgo(back).toISOString().slice(0, 7)}-01`;

describe('a month whose state somebody sets by SQL', () => {
  let service: TestService;
  const OLD = firstOf(3);
  beforeAll(async () => {
    service = await startService({ settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS } });
    await clockAt(monthsAgo(3));
    await runJob(service, 'partition-maintenance');
    await record(service, 5);
    await clockAt(new Date());
    await runJob(service, 'partition-maintenance');
    expect(await stateOf(OLD)).toBe('sealed');
  });
  afterAll(() => service.close());

  const clockAt = (time: Date): Promise<void> =>
    connected(service.database.adminUrl, (admin) => moveTrailClock(admin, time));
  const set = (sql: string): Promise<unknown> => query(service.database, sql);
  const stateOf = async (month: string): Promise<string> =>
    (await query<{ state: string }>(service.database, 'SELECT state FROM months WHERE month = $1', [month]))[0]!.state;
  /** `trail_now` is a test's own */
  const found = async (): Promise<string[]> =>
    (await runJob(service, 'schema-check')).outcome.findings
      .map(({ detail }) => detail)
      .filter((detail) => detail.startsWith('month '));

  it('to retired is found, and readers go on as before', async () => {
    await set(`UPDATE months SET state = 'retired', retired_at = now() WHERE month = '${OLD}'`);
    expect(await found()).toEqual([
      `month ${OLD} is retired in the catalogue, and events of main are read from the archive up to 0 alone, where it ` +
        'holds 1 to 5: its state was set by hand',
    ]);
    expect(await verify(service)).toMatchObject({ verdict: 'valid' });
    await set(`UPDATE months SET state = 'sealed', retired_at = NULL WHERE month = '${OLD}'`);
    expect(await found()).toEqual([]);
    // one that holds nothing, out of its turn
    await set(`UPDATE months SET state = 'retired', retired_at = now() WHERE month = '${firstOf(2)}'`);
    expect(await found()).toEqual([
      expect.stringContaining(
        `month ${firstOf(2)} is retired in the catalogue, and the month ${OLD} before it is sealed`,
      ),
    ]);
    await set(`UPDATE months SET state = 'sealed', retired_at = NULL WHERE month = '${firstOf(2)}'`);
  });

  it('back to sealed, once it has been retired, is found', async () => {
    await set(`UPDATE ledger_heads SET archived_to = 5 WHERE ledger = 'main'`); // as retire_month leaves it
    expect(await found()).toEqual([
      expect.stringContaining(
        `month ${OLD} is sealed in the catalogue, and events of main up to 5 are read from the archive`,
      ),
    ]);
    await set(`UPDATE ledger_heads SET archived_to = 0 WHERE ledger = 'main'`);
    expect(await found()).toEqual([]);
  });

  it.each([
    ['closed', 'closed_at = closed_at', 0],
    ['open', 'closed_at = NULL', 1],
  ] as const)(
    'back to %s is found, named by the job, and keeps no other month from going on',
    async (state, also, ahead) => {
      await set(`UPDATE months SET state = '${state}', sealed_at = NULL, ${also} WHERE month = '${OLD}'`);
      expect(await found()).toEqual([
        `month ${OLD} is ${state} in the catalogue, and its table is guarded as that of a sealed month: its state was set by hand`,
      ]);
      // the present month ends
      await clockAt(monthsAgo(-1 - ahead));
      const run = await runJob(service, 'partition-maintenance');
      expect(run).toMatchObject({
        status: 'failed',
        outcome: {
          error: expect.stringMatching(
            new RegExp(
              `^month ${OLD} is closed, and its state was set by hand, .*schema-check.*docs/archive.md.*already exists`,
            ),
          ),
        },
      });
      expect((run.outcome as unknown as { error: string }).error).not.toContain(firstOf(-ahead));
      expect(await stateOf(firstOf(-ahead))).toBe('closed');
      expect(await stateOf(firstOf(-4 - ahead))).toBe('open'); // made
      // as docs/archive.md says
      await set(
        `UPDATE months SET state = 'sealed', closed_at = coalesce(closed_at, now()), sealed_at = now() WHERE month = '${OLD}'`,
      );
      expect(await runJob(service, 'partition-maintenance')).toMatchObject({
        ...{ status: 'done', outcome: { sealed: expect.arrayContaining([firstOf(-ahead)]) } },
      });
      expect(await found()).toEqual([]);
    },
  );
});
