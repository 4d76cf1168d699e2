import { haveOneHiddenClass } from '../../test/support/hidden-class.js';
import { contentOf } from '../integrity/stored-event.js';
import { rowOf } from '../../test/support/executions.js';
import { factOf, notedEvent, writtenEvent, type NotedReport, type WrittenRecord } from './reporting-events.js';

const MADE = { maker: '0197f3a1-6c00-7000-8000-000000000001', principal: 'key:1', at: '2026-06-02T08:00:00.000000Z' };
const FIRM = '9695TESTFIRM00000112';
const EVENT_ID = '0197f3a1-6c00-7000-8000-000000000002';

function writtenRecord(number: number): WrittenRecord {
  return {
    executingEntity: FIRM,
    transactionReference: `TRN${number}`,
    status: 'NEWT',
    digest: 'a'.repeat(64),
    messageId: 'TF_FR_000001_26',
    eventId: EVENT_ID,
    version: 1,
    leg: 0,
    tradingTime: `2026-06-02T08:00:${10 + number}Z`,
    place: { from: number * 1_000, bytes: 1_000 },
  };
}

function noted(number: number): NotedReport {
  return {
    ledger: 'main',
    executingEntity: FIRM,
    transactionReference: `TRN${number}`,
    orderId: `O-${number}`,
    eventId: EVENT_ID,
    noted: 'held',
    why: 'held',
    toMend: `field ${number}`,
    valuesDigest: 'b'.repeat(64),
  };
}

describe('an event of the ledger of reports', () => {
  it.each([
    ['of a record in a file', (number: number) => writtenEvent(writtenRecord(number), MADE)],
    ['of a report that is not sent', (number: number) => notedEvent(noted(number), MADE)],
  ])('%s has the shape of every other, of which a submission makes very many', (_, make) => {
    const events = Array.from({ length: 20 }, (_, number) => make(number));
    const facts = events.map(({ content }) => factOf(content)!);
    for (const made of [events, facts]) {
      const last = made.slice(-10); // what the first ones look like, V8 learns of them
      expect(last.filter((each) => !haveOneHiddenClass(each, last[0]!))).toHaveLength(0);
    }
  });

  it('is what it was made of', () => {
    expect(factOf(writtenEvent(writtenRecord(1), MADE).content)).toEqual({
      ...{ is: 'written', maker: MADE.maker, record: writtenRecord(1) },
    });
    expect(factOf(notedEvent(noted(1), MADE).content)).toEqual({ is: 'noted', maker: MADE.maker, note: noted(1) });
    expect(factOf(contentOf(rowOf(1, { action: 'create' })))).toBeUndefined();
  });
});
