import {
  ENTRIES,
  referenceOf,
  rowOf,
  transactionOf,
  versionOf,
  type StatedValues,
} from '../../test/support/executions.js';
import { BANK, CLIENT, FIRM } from '../../test/support/transaction-reports.js';
import type { Draft, NotReportable } from './draft.js';
import { draftsOfTransaction } from './drafts.js';
import type { Transaction, TransactionVersion } from './transactions.js';

const OWN: StatedValues = {
  ...{ isin: 'FR0000131104', exchange: 'XPAR', side: 'buy', trading_capacity: 'own_account', quantity: '1' },
  ...{ price: '61.38', venue_transaction_id: 'TV1', investment_decision_maker: 'MM7', execution_decision_maker: 'T-1' },
  execution_time: '2026-06-02T08:00:00.5Z',
};
const AT = '2026-06-02T23:00:00Z';
const version = (sequence: number, more: StatedValues = {}) => versionOf(sequence, { ...OWN, ...more });
const nothing = (sequence: number) => {
  const row = rowOf(sequence, { action: 'void' });
  return { row, cause: row };
};

function drafts(...versions: Transaction['versions']): (Draft | NotReportable)[] {
  return draftsOfTransaction(transactionOf(...versions), FIRM, { at: () => referenceOf() }, AT);
}

function venueIn(each: Draft | NotReportable): string | undefined {
  return each.is === 'draft' && each.report.status === 'NEWT' ? each.report.venue : undefined;
}

function words(each: Draft | NotReportable): string {
  if (each.is === 'not-reportable') return `none v${each.version} by ${each.statedBy.sequence}`;
  const { version: of, leg, cause, statedBy } = each;
  return `${each.report.status} v${of} leg ${leg} of ${statedBy.sequence} after ${cause.sequence}`;
}

describe('the reports of an execution', () => {
  it('are one of each version, and a cancellation of each that another took the place of', () => {
    const made = drafts(version(2), version(5, { price: '61.39' }), version(7, { price: '61.4' }));
    expect(made.map(words)).toEqual([
      'NEWT v1 leg 0 of 2 after 2',
      'CANC v1 leg 0 of 2 after 5',
      'NEWT v2 leg 0 of 5 after 5',
      'CANC v2 leg 0 of 5 after 7',
      'NEWT v3 leg 0 of 7 after 7',
    ]);
    const numbers = made.map((each) => (each.is === 'draft' ? each.report.transactionReference : ''));
    expect([numbers[1], numbers[3]]).toEqual([numbers[0], numbers[2]]);
    expect(new Set(numbers).size).toBe(3);
    expect(made.every((each) => each.is === 'draft' && each.toMend.length === 0 && each.findings.length === 0)).toBe(
      true,
    );
    expect(new Set(made.map(({ eventId }) => eventId)).size).toBe(1);
  });

  it('are held where a correction corrects nothing, or nobody can tell whose they are', () => {
    const lone = version(2);
    const corrects = '0197f3a1-6c00-7000-8000-000000000999';
    const [held] = drafts({ ...lone, row: { ...lone.row, corrects } });
    expect(held).toMatchObject({ toMend: [{ field: 1, text: expect.stringContaining(`corrects ${corrects}`) }] });
    const row = { ...version(5).row, corrects: lone.row.event_id };
    expect(drafts(lone, { ...version(5), row, cause: row })).toMatchObject([
      { toMend: [] },
      { toMend: [] },
      { toMend: [] },
    ]);
    const aggregate = { trading_capacity: 'any_other', client_id_type: 'aggregated', quantity: '10' };
    const allocated = (...quantities: string[]) =>
      drafts(version(2, { ...aggregate, allocations: quantities.map((quantity) => ({ client_id: 'C-1', quantity })) }))
        .filter((each) => each.is === 'draft' && each.leg > 0)
        .map((each) => each.is === 'draft' && each.toMend.map((mend) => `${mend.field}: ${mend.text}`));
    expect(allocated('4', '6.0')).toEqual([[], []]);
    expect(allocated('4', '9', '-3')[1]).toEqual([
      '30: allocations come to 13, which is more than the 10 that was executed',
    ]);
    expect(allocated('4', '6.1')).toEqual(
      Array(2).fill(['30: allocations come to 10.1, which is more than the 10 that was executed']),
    );
    const both = { client_id: 'C-1', client_id_type: 'none' };
    const told = 'client_id C-1 must not be stated with client_id_type none';
    expect(drafts(version(2, both))).toMatchObject([{ toMend: [{ field: 7, text: told }] }]);
    expect(drafts(version(2, { ...both, client_id: FIRM }))).toMatchObject([{ toMend: [] }]);
    for (const type of ['aggregated', 'pending_allocation']) {
      const [of] = drafts(version(2, { trading_capacity: 'any_other', client_id: 'C-1', client_id_type: type }));
      const text = `client_id C-1 must not be stated with client_id_type ${type}`;
      expect(of).toMatchObject({ toMend: [{ field: 7, text }] });
    }
    const [ofSeveral] = drafts(version(2, { trading_capacity: 'any_other', client_id: 'C-1', aggregated: true }));
    expect(ofSeveral).toMatchObject({
      toMend: [{ field: 7, text: 'client_id C-1 must not be stated with aggregated' }],
    });
    const grouped = { trading_capacity: 'any_other', client_id: 'C-1', aggregation_group: 'G-1' };
    const inGroup = (more: StatedValues) =>
      drafts(version(2, { ...grouped, investment_decision_maker: undefined, ...more }));
    expect(inGroup({})).toMatchObject([{ toMend: [{ field: 7, text: expect.stringMatching(/^drop_copy must say/) }] }]);
    expect(inGroup({ drop_copy: false })).toMatchObject([{ toMend: [] }]);
    expect(inGroup({ drop_copy: true })).toMatchObject([{ is: 'not-reportable' }]);
    const unlike = (texts: Record<string, string[]>, more: StatedValues = {}) => {
      const allocation = version(3, {
        ...aggregate,
        action: 'modify',
        allocations: [{ client_id: 'C-1', quantity: '1', price: '9' }],
        ...more,
      });
      return drafts({
        ...allocation,
        fill: version(2).fill,
        unlike: new Map(Object.entries(texts)) as TransactionVersion['unlike'],
      });
    };
    const unknown = [{ field: 4, text: expect.stringMatching(/^executing_entity must be stated with the allocation/) }];
    expect(unlike({ executing_entity: ['', BANK] })).toMatchObject([
      { toMend: expect.arrayContaining([expect.objectContaining(unknown[0])]) },
    ]);
    // what does not depend on it is decided
    expect(unlike({ transmission: ['', 'complete'] }, { client_id: 'C-1', client_id_type: undefined })).toMatchObject([
      { is: 'not-reportable' },
    ]);
    expect(unlike({ executing_entity: ['', BANK] }, { drop_copy: true })).toMatchObject([{ is: 'not-reportable' }]);
    // of a client's order to the firm, and what was executed before its order began
    const toFirm = unlike(
      {},
      { client_id: 'C-1', client_id_type: undefined, allocations: [{ client_id: FIRM, quantity: '1', price: '9' }] },
    );
    expect(toFirm[0]).toMatchObject({
      toMend: expect.arrayContaining(
        [{ field: 7, text: expect.stringMatching(/^allocations name /) }].map((each) => expect.objectContaining(each)),
      ),
    });
    expect(drafts({ ...version(2), isOfFormer: true })).toMatchObject([
      { toMend: [{ field: 28, text: expect.stringMatching(/^an execution must not be before its order began/) }] },
    ]);
    const text = 'executing_entity ZZ must be an LEI';
    expect(drafts(version(2, { executing_entity: 'ZZ' }))).toMatchObject([{ toMend: [{ field: 4, text }] }]);
  });

  it('name who submits for the firm when they are sent, and know who ever did', () => {
    const submitted = (at: string) => {
      const entries = (by: string) => ({
        ...ENTRIES,
        'legal-entity': { [FIRM]: { country: 'FR', submitting_entity: by } },
      });
      const timelines = { at: (time: string) => referenceOf(entries(time < '2027' ? BANK : CLIENT)) };
      const [first] = draftsOfTransaction(transactionOf(version(2)), FIRM, timelines, at) as [Draft];
      return [first.report.submittingEntity, first.submitters];
    };
    expect(submitted('2026-06-03T08:00:00Z')).toEqual([BANK, [FIRM, BANK]]);
    expect(submitted('2027-06-03T08:00:00Z')).toEqual([CLIENT, [FIRM, CLIENT]]);
  });

  it('of the part of an aggregate that the firm itself gets are on own account', () => {
    const of = (part: Record<string, string>) =>
      drafts(
        version(2, {
          ...{ trading_capacity: 'any_other', client_id_type: 'aggregated', side: 'sell', short_sale: 'not_exempt' },
          ...{ quantity: '10', transmission: 'incomplete', order_receiver: BANK },
          allocations: [
            { client_id: 'C-1', quantity: '4' },
            { client_id: FIRM, quantity: '6', ...part },
          ],
        }),
      ).flatMap((each) => {
        if (each.is !== 'draft' || each.leg === 0 || each.report.status !== 'NEWT') return [];
        const { isTransmitted, tradingCapacity, investmentDecision, shortSelling, quantity } = each.report;
        return [
          [isTransmitted, tradingCapacity, investmentDecision?.is, shortSelling, quantity?.value, each.toMend.length],
        ];
      });
    expect(of({ short_sale: 'not_short' })).toEqual([
      [true, 'AOTC', undefined, 'SESH', '4', 0],
      [false, 'DEAL', 'algorithm', 'SELL', '6', 0],
    ]);
    // what is said of the clients' sale is not said of the firm's
    expect(of({})[1]).toEqual([false, 'DEAL', 'algorithm', undefined, '6', 1]);
  });

  it('are cancelled where it never happened, and made again where that is corrected', () => {
    expect(drafts(version(2), nothing(3), version(4)).map(words)).toEqual([
      'NEWT v1 leg 0 of 2 after 2',
      'CANC v1 leg 0 of 2 after 3',
      'NEWT v3 leg 0 of 4 after 4',
    ]);
  });

  it('are none of what is no transaction, from when that is known', () => {
    const netting = { transaction_nature: 'netting' };
    expect(drafts(version(2), version(3, netting), version(4)).map(words)).toEqual([
      'NEWT v1 leg 0 of 2 after 2',
      'CANC v1 leg 0 of 2 after 3',
      'none v2 by 3',
      'NEWT v3 leg 0 of 4 after 4',
    ]);
  });

  it('are cancelled leg by leg', () => {
    const both = { client_id: 'C-1' };
    expect(drafts(version(2, { ...both, short_sale: 'not_short' }), version(3)).map(words)).toEqual([
      'NEWT v1 leg 0 of 2 after 2',
      'NEWT v1 leg 1 of 2 after 2',
      'CANC v1 leg 0 of 2 after 3',
      'CANC v1 leg 1 of 2 after 3',
      'NEWT v2 leg 0 of 3 after 3',
    ]);
  });

  it('are new ones where an earlier event was corrected, if that makes a difference', () => {
    const told = (sequence: number, more: StatedValues) => ({ ...version(2, more), cause: rowOf(sequence, {}) });
    const made = drafts(version(2), told(3, { desk: 'equities' }), told(4, { exchange: 'XANO' }));
    expect(made.map((each) => [words(each), venueIn(each)])).toEqual([
      ['NEWT v1 leg 0 of 2 after 2', 'XPAR'],
      ['CANC v1 leg 0 of 2 after 4', undefined],
      ['NEWT v3 leg 0 of 2 after 4', 'XANO'],
    ]);
  });

  it('stay the same where an earlier event says whose they are, or says so no more: that is known of them then', () => {
    const told = (sequence: number, more: StatedValues) => ({ ...version(2, more), cause: rowOf(sequence, {}) });
    const stated = { executing_entity: FIRM };
    const isStated = (...versions: Transaction['versions']) =>
      drafts(...versions).map((each) => [words(each), each.is === 'draft' && each.isFirmStated]);
    const only = 'NEWT v1 leg 0 of 2 after 2';
    expect(isStated(version(2))).toEqual([[only, false]]);
    expect(isStated(version(2, stated))).toEqual([[only, true]]);
    expect(isStated(version(2), told(3, stated))).toEqual([[only, true]]);
    expect(isStated(version(2, stated), told(3, {}))).toEqual([[only, false]]);
  });

  it('are judged on the day on which the event was recorded: a time after it is found', () => {
    const [early] = drafts(version(2, { execution_time: '2026-06-04T08:00:00.5Z' }));
    expect(early).toMatchObject({ findings: [{ rule: 'TR-028-3', severity: 'error' }] });
  });

  it('of allocations are held too where neither venue nor list says that the instrument is traded', () => {
    const allocations = [{ client_id: 'C-1', quantity: '1', price: '9' }];
    const venue = (isin: string) => {
      const more = { isin, exchange: 'ZZZZ', trading_capacity: 'any_other', client_id_type: 'aggregated', allocations };
      const made = drafts(version(2, { ...more, investment_decision_maker: '' }));
      const [, part] = made as Draft[];
      return [part!.leg, part!.report.status === 'NEWT' && part!.report.venue, part!.toMend.map(({ field }) => field)];
    };
    expect(venue('FR0000131104')).toEqual([2, 'XOFF', []]);
    expect(venue('FR0000000028')).toEqual([2, 'ZZZZ', [36]]);
  });

  it('are held where an index is named alone, unless something else that it is on is on the list', () => {
    const off = { exchange: 'XOFF', counterparty_id: BANK, quantity_notation: 'units', currency: 'EUR' };
    const told = (isin: string) =>
      (drafts(version(2, { ...off, isin })) as Draft[]).flatMap(({ toMend }) => toMend.map(({ text }) => text));
    expect(told('EZ0000000099')).toEqual([expect.stringMatching(/^the ISIN of index STOXX 50 must be named/)]);
    expect(told('EZ0000000107')).toEqual([]);
  });

  it('say what no rule on reports would find: codes that nobody knows', () => {
    const [draft] = drafts(
      version(2, { transaction_nature: 'give_up', transmission: 'Complete', price_notation: 'money' }),
    );
    expect(draft).toMatchObject({ toMend: [{ field: 25 }, { field: 33 }, { field: 65 }] });
  });
});
