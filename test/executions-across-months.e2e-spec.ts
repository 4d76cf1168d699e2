import { uuidv7 } from '../src/database/uuidv7.js';
import { OWN, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { recordInThePast } from './support/months.js';
import { folderStore, onFolders, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS } from './support/trail-clock.js';
import { runJob } from './support/verification.js';

const DAY_MS = 86_400_000;

/** Of executions that two orders tell of, at the end of a month and at the beginning of the next one. */
onFolders('executions of which the first order has left PostgreSQL', () => {
  let test: TestStore;
  let service: TestService;
  /** of the month that stays, the first instant */
  const border = (() => {
    const now = new Date();
    return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 12, 1);
  })();
  const at = (ms: number): string => new Date(border + ms).toISOString();
  const day = at(-DAY_MS).slice(0, 10);

  beforeAll(async () => {
    test = folderStore();
    service = await startService({
      env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12', REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().put('/v1/ledgers/desk').expect(201);
  }, 60_000);
  afterAll(async () => {
    await service.close();
    test.close();
  });

  const fill = (order: string, id: string, told: number, executed = -3_600_000) => ({
    ...{ event_id: uuidv7(), event_type: 'order_lifecycle', entity_type: 'order', entity_id: order },
    ...{ timestamp: at(told), action: 'fill', user_id: 'T-2' },
    new_state: { quantity: '100', price: '61.38', symbol: 'SHR', side: 'buy', exchange: 'XPAR' },
    metadata: {
      ...OWN,
      execution_id: id,
      execution_time: at(executed),
      venue_transaction_id: `TV${order.replace('-', '')}`,
    },
  });

  async function drafts(): Promise<unknown[]> {
    const asked = { from_date: day, to_date: at(0).slice(0, 10) };
    const { body } = await service.http().get('/v1/ledgers/desk/reports/transactions').query(asked).expect(200);
    return (body.rows as Record<string, string>[]).map(({ order_id, status, to_mend }) => [order_id, status, to_mend]);
  }

  it('are held as they were before, wherever the others are', async () => {
    const hour = 3_600_000;
    await recordInThePast(service.database, 'desk', [
      {
        at: at(-hour / 2),
        events: [
          fill('A-1', 'X-1', -hour),
          fill('A-2', 'X-2', -hour),
          fill('B-2', 'X-2', -hour + 1),
          fill('A-3', 'X-3', -hour),
          fill('A-4', 'X-4', -hour),
        ],
      },
      // booked once more after midnight
      {
        at: at(hour),
        events: [fill('B-1', 'X-1', hour / 2), fill('C-2', 'X-2', hour / 2), fill('B-3', 'X-0', hour / 2)],
      },
    ]);
    const before = await drafts();
    const held = (first: string): unknown => expect.stringContaining(`of order ${first} tells of it already`);
    expect(before).toEqual(
      expect.arrayContaining([
        ['B-1', 'held', held('A-1')],
        ['B-2', 'held', held('A-2')],
        ['C-2', 'held', held('A-2')],
      ]),
    );
    expect(before.filter((row) => (row as string[])[1] === 'held')).toHaveLength(3);
    await runJob(service, 'partition-maintenance');
    await runJob(service, 'archive-export');
    const month = `${day.slice(0, 7)}-01`;
    expect((await runJob(service, 'retention')).outcome).toMatchObject({ dropped: [month] });
    expect(await drafts()).toEqual(before);
  }, 60_000);
});
