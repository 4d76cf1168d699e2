import type pg from 'pg';
import { NoArchive } from '../src/archive/archive-reading.js';
import { POOL } from '../src/database/tokens.js';
import { piecesOfReport } from '../src/reports/report-pieces.js';
import { BANK, FIRM, MADE_TRANSACTIONS, OTHER_BANK, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { submitted } from './support/submissions.js';

const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
/** Its check digits are right, and nobody has it. */
const MISTYPED = '9695TESTTYPO00000058';
/** Of a firm for itself on a venue: one report, whichever firm it is. */
const TEMPLATE = MADE_TRANSACTIONS.filter(
  ({ entity_id: id, action }) => id === 'OWN' && (action === 'create' || action === 'fill'),
);

type Row = Record<string, string | null>;

describe('the list of what is due, of an installation with several firms', () => {
  let service: TestService;
  let number = 0;
  const idOf = (): string => `0197f3a1-6c00-7000-8000-${(0xa0_0000 + (number += 1)).toString(16).padStart(12, '0')}`;
  const fills = new Map<string, Record<string, unknown>>();

  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: 'Europe/Paris' },
    });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) await imported(kind, text);
    const was = 'valid_from,valid_to\n';
    await imported(
      'legal-entity',
      `lei,name,country,investment_firm,${was}${BANK},A bank,DE,yes,2018-01-03,2025-06-04\n`,
    );
    await imported(
      'legal-entity',
      `lei,name,country,investment_firm,${was}${OTHER_BANK},Gone,DE,yes,2018-01-03,2024-01-01\n`,
    );
    await imported('membership', `member_venue,reported_by,valid_from\n${BANK}/XPAR,firm,2018-01-03\n`);
    await traded('OURS', FIRM);
    await traded('BANKS', BANK);
    await traded('UNSAID', undefined);
    await traded('MISTYPED', MISTYPED);
    await traded('GONE', OTHER_BANK);
  });
  afterAll(() => service.close());

  const imported = (kind: string, text: string) =>
    service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
  const post = (event: object) => service.http().post('/v1/ledgers/main/events').send(event).expect(201);

  /** An order and its fill, which says who executed it. */
  async function traded(name: string, firm: string | undefined): Promise<void> {
    for (const event of TEMPLATE) {
      const isFill = event.action === 'fill';
      const metadata = { ...(event.metadata as object), ...(isFill && firm ? { executing_entity: firm } : {}) };
      const own = { ...event, entity_id: name, event_id: idOf(), metadata };
      if (isFill) fills.set(name, own);
      await post(own);
    }
  }

  const corrected = (name: string, firm: string) => {
    const fill = fills.get(name)!;
    const metadata = { ...(fill.metadata as object), executing_entity: firm };
    return post({ ...fill, event_id: idOf(), corrects: fill.event_id, metadata });
  };

  async function rows(query: Record<string, string> = {}): Promise<Row[]> {
    const { body } = await service
      .http()
      .get('/v1/ledgers/main/reports/transaction-ageing')
      .query({ ...DAY, at: '2025-06-03T12:00:00Z', reporting_as_of: '0', ...query })
      .expect(200);
    return body.rows as Row[];
  }

  const shown = (all: Row[]) =>
    all
      .filter(({ kind }) => kind === 'report')
      .map((row) => [row.order_id, row.executing_entity, row.timeliness, row.state, row.next].join(' '))
      .sort();

  it('is of every firm, and has what no firm reports once, where none is asked for', async () => {
    const all = await rows();
    expect(shown(all)).toEqual(
      [
        `OURS ${FIRM} due drafted send`,
        `UNSAID ${FIRM} due drafted send`,
        `BANKS ${BANK} due drafted send`,
        `UNSAID ${BANK} due drafted send`,
        `GONE ${OTHER_BANK} due held held`, // it must be made a firm again, or the execution be another's
        `MISTYPED ${MISTYPED} no-firm  `,
      ].sort(),
    );
    expect(all.find(({ order_id: order }) => order === 'MISTYPED')).toMatchObject({
      ...{ transaction_reference: null, deadline: null, version: null, leg: null },
      event_id: fills.get('MISTYPED')!.event_id,
      to_mend: `It was executed by ${MISTYPED}, which is not in the reference data: no firm here reports it`,
    });
    const totals = all.filter(({ kind, state }) => kind === 'total' && state === null);
    const counted = totals.filter(({ count }) => count !== '0');
    expect(counted.map((row) => [row.timeliness, row.executing_entity, row.count])).toEqual([
      ...[FIRM, BANK, OTHER_BANK].sort().map((firm) => ['due', firm, firm === OTHER_BANK ? '1' : '2']),
      ['no-firm', null, '1'],
      ['no-firm', MISTYPED, '1'],
    ]);
  });

  it('has what no firm reports in the list of each, with the reason', async () => {
    const ofFirm = await rows({ executing_entity: FIRM, timeliness: 'no-firm' });
    expect(shown(ofFirm)).toEqual([`GONE ${OTHER_BANK} no-firm  `, `MISTYPED ${MISTYPED} no-firm  `]);
    expect(ofFirm.find(({ order_id: order }) => order === 'GONE')!.to_mend).toBe(
      `It was executed by ${OTHER_BANK}, which is an investment firm by the reference data at other times, and was none then: no firm here reports it`,
    );
    expect(ofFirm.filter(({ kind, timeliness }) => kind === 'total' && timeliness === 'no-firm')).toMatchObject([
      { count: '2', executing_entity: null },
      ...[MISTYPED, OTHER_BANK].sort().map((lei) => ({ count: '1', executing_entity: lei })),
    ]);
    for (const filter of [{ state: 'held' }, { next: 'send' }, { timeliness: 'due' }]) {
      const listed = await rows({ executing_entity: FIRM, ...filter });
      expect(listed.filter(({ kind, timeliness }) => kind === 'report' && timeliness === 'no-firm')).toEqual([]);
    }
  });

  it('leaves out what was voided, and what is corrected to be of a firm', async () => {
    await traded('VOIDED', MISTYPED);
    await traded('MENDED', MISTYPED);
    await corrected('MENDED', FIRM);
    const fill = fills.get('VOIDED')!;
    await post({ ...fill, event_id: idOf(), action: 'void', corrects: fill.event_id, new_state: {}, metadata: {} });
    expect(shown(await rows({ timeliness: 'no-firm' }))).toEqual([`MISTYPED ${MISTYPED} no-firm  `]);
    expect(shown(await rows({ timeliness: 'due' }))).toContain(`MENDED ${FIRM} due drafted send`);
  });

  it('has what a former firm must cancel, whether the execution is of another firm now, voided, or the firm is no more', async () => {
    await traded('MOVED', BANK);
    await traded('BUSTED', BANK);
    await submitted(service, DAY, { executing_entity: BANK });
    const { body } = await service.http().get('/v1/ledgers/main/transaction-reports/submissions').expect(200);
    expect(body.submissions).toHaveLength(1);
    await corrected('MOVED', FIRM);
    const fill = fills.get('BUSTED')!;
    await post({ ...fill, event_id: idOf(), action: 'void', corrects: fill.event_id, new_state: {}, metadata: {} });
    const later = { at: '2025-07-01T00:00:00Z', reporting_as_of: '1' };
    const cancels = async () => shown(await rows({ ...later, timeliness: 'over-reported' }));
    const due = [`BUSTED ${BANK} over-reported sent send`, `MOVED ${BANK} over-reported sent send`];
    expect(await cancels()).toEqual(due);
    // nobody is asked for it by name any more: nothing says that it ever was a firm, but for what was sent
    const never = `lei,name,country,investment_firm,valid_from\n${BANK},A bank,DE,no,2018-01-03\n`;
    await imported('legal-entity', never);
    expect(await cancels()).toEqual(due);
    const { id } = await submitted(service, DAY, { executing_entity: BANK });
    const decided = await service
      .http()
      .get(`/v1/ledgers/main/transaction-reports/submissions/${id}/decisions?decision=send`)
      .expect(200);
    const sent = (decided.body.decisions as Row[]).map((each) => `${each.order_id} ${each.status}`);
    expect(sent.sort()).toEqual(['BUSTED CANC', 'MOVED CANC']);
    expect(shown(await rows({ ...later, reporting_as_of: '2', timeliness: 'over-reported' }))).toEqual([
      `BUSTED ${BANK} over-reported cancelling as-sent`,
      `MOVED ${BANK} over-reported cancelling as-sent`,
    ]);
  });

  it('takes for those of a former firm only what it reported, or is said to be its', async () => {
    const later = await rows({ at: '2025-07-01T00:00:00Z', reporting_as_of: '2' });
    const ofBank = shown(later).filter((row) => row.includes(BANK));
    await traded('UNSAID-LATER', undefined);
    const after = await rows({ at: '2025-07-01T00:00:00Z', reporting_as_of: '2' });
    expect(shown(after).filter((row) => row.includes(BANK))).toEqual(ofBank);
    expect(shown(after)).toContain(`UNSAID-LATER ${FIRM} overdue drafted send`);
  });
});

describe('the list of what is due of several firms', () => {
  const ORDERS = 450;
  let service: TestService;
  beforeAll(async () => {
    service = await startService({
      env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_TIME_ZONE: 'Europe/Paris' },
    });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) await imported(kind, text);
    const events = Array.from({ length: ORDERS }, (_, n) =>
      TEMPLATE.map((event, i) => ({
        ...{ ...event, entity_id: `O-${n}` },
        event_id: `0197f3a1-6c00-7000-8000-${(0xb0_0000 + 2 * n + i).toString(16).padStart(12, '0')}`,
        metadata: { ...(event.metadata as object), ...(n % 3 === 0 ? {} : { executing_entity: FIRM }) },
      })),
    ).flat();
    await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
  });
  afterAll(() => service.close());

  const imported = async (kind: string, text: string): Promise<string> => {
    const { body } = await service
      .http()
      .post(`/v1/reference/${kind}/imports`)
      .set('content-type', 'text/csv')
      .send(text)
      .expect(201);
    return (body as { revision: string }).revision;
  };

  it('reads the events of the period once, however many these are', async () => {
    const alone = await listed('1000');
    const others = ['A', 'B', 'C', 'D'].map((letter) => leiOf(`9695TESTFIRM${letter}00000`));
    const entries = others.map((lei) => `${lei},Another,DE,yes,2018-01-03\n`).join('');
    await imported('legal-entity', `lei,name,country,investment_firm,valid_from\n${entries}`);
    const together = await listed('1000');
    // what no event says whose it is may be anybody's
    const count = (text: string, firm: string) =>
      text.split(/\r?\n/).filter((line) => line.startsWith('report') && line.endsWith(firm)).length;
    expect(count(together.text, FIRM)).toBe(ORDERS);
    for (const firm of others) expect(count(together.text, firm)).toBe(ORDERS / 3);
    const ownIn = (text: string) => text.split(/\r?\n/).filter((line) => line.endsWith(FIRM));
    expect(ownIn(together.text)).toEqual(ownIn(alone.text));
    expect(together.read).toEqual(alone.read);
    expect(alone.read).toContain(`whole lives of orders (entity_type order): ${2 * ORDERS}`);
    expect(together.ofEvents).toBe(alone.ofEvents);
    expect(together.ofReports).toBe(alone.ofReports);
    // reference data of four firms more, by sets
    expect(together.statements - alone.statements).toBeLessThan(20);
  });

  /** The list, what of the trail it says that it read, and how many statements that were. */
  async function listed(referenceAsOf: string) {
    const seen: string[] = [];
    const pool = counted(service.app.get<pg.Pool>(POOL), {
      connect: async (connect) => {
        const client = (await connect()) as pg.PoolClient;
        return counted(client, {
          query: (ask, asked) => {
            seen.push(typeof asked === 'string' ? asked : (asked as { text: string }).text);
            return ask();
          },
        });
      },
    });
    const pieces = piecesOfReport(
      pool,
      new NoArchive(),
      60_000,
      {
        ...{ report: 'transaction-ageing', format: 'csv', ledger: 'main', asOf: BigInt(2 * ORDERS), deleted: [] },
        period: { from: { time: '2025-06-03T00:00:00Z', nanos: 0 }, to: { time: '2025-06-04T00:00:00Z', nanos: 0 } },
        parameters: {
          ...{ at: '2025-06-03T12:00:00Z', time_zone: 'Europe/Paris' },
          ...{ reporting_as_of: '0', reference_as_of: referenceAsOf },
        },
      },
      new AbortController().signal,
    );
    let text = '';
    for (let piece = await pieces.next(); ; piece = await pieces.next()) {
      if (piece.done) {
        const read = piece.value.readRanges.map(({ of, events }) => `${of}: ${events}`);
        const ofEvents = seen.filter((each) => /FROM audit_events/.test(each)).length;
        const ofReports = seen.filter((each) => /FROM reporting_records/.test(each)).length;
        return { text, read, ofEvents, ofReports, statements: seen.length };
      }
      text += 'text' in piece.value ? piece.value.text : '';
    }
  }
});

/** The same, with some of its methods told of each call. */
function counted<T extends object>(
  of: T,
  methods: Record<string, (call: () => unknown, first: unknown) => unknown>,
): T {
  return new Proxy(of, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      const own = methods[String(name)];
      return (...given: unknown[]): unknown => {
        const call = (): unknown => Reflect.apply(member, target, given);
        return own ? own(call, given[0]) : call();
      };
    },
  });
}

/** With its check digits (ISO 17442), of its first 18 characters. */
function leiOf(begin: string): string {
  const digits = [...begin.padEnd(18, '0'), '0', '0'].map((each) => parseInt(each, 36)).join('');
  return begin.padEnd(18, '0') + String(98n - (BigInt(digits) % 97n)).padStart(2, '0');
}
