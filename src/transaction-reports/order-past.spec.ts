import { rowOf, referenceOf, type StatedValues } from '../../test/support/executions.js';
import { Random } from '../../test/support/random.js';
import { BANK, FIRM, FUND } from '../../test/support/transaction-reports.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import type { FactName } from '../reports/regimes/regime.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import { formatDecimal, parseDecimal } from '../reports/decimal.js';
import { versionsOf } from '../reports/versions.js';
import type { LifeEvent } from '../reports/whole-lives.js';
import { draftsOfTransaction } from './drafts.js';
import { contentsOf, isExecution, type HeldContent, type HeldFill } from './held-content.js';
import { OF_ONE_EXECUTION, ownFacts, takenOver, type KnownThen } from './taken-over.js';
import type { Stated } from './trace.js';
import { Facts, transactionsOf, type Transaction, type TransactionVersion } from './transactions.js';

const ACTIONS = [
  'create',
  'modify',
  'route',
  'cancel',
  'reject',
  'expire',
  'change_status',
  'partial_fill',
  'partial_fill',
  'fill',
];
const ALLOCATIONS = ['1', '2'].map((quantity) => [{ client_id: 'C-1', quantity, price: '9' }]);
/** Of each name two or three values: what is said again, and what becomes another, are both to happen. */
const VALUES: Readonly<StatedValues> = {
  ...{ symbol: ['SHARE', 'SWAP'], notional_change: ['increase', 'decrease'], complex_trade_id: ['X1', 'X2'] },
  ...{ isin: ['FR0000131104', 'EZ0000000003'], side: ['buy', 'sell'], quantity: ['1', '2'], price: ['9', '10'] },
  ...{ exchange: ['XPAR', 'XANO', 'XOFF'], segment_mic: ['XPAR', 'XREP'], central_counterparty: ['A', 'B'] },
  ...{ filled_quantity: ['1', '2'], order_type: ['limit', 'market'], desk: ['a', 'b'], currency: ['EUR', 'USD'] },
  ...{ order_receiver: ['A', BANK, FIRM], transmission: ['complete', 'incomplete', 'none'] },
  ...{ client_id: ['C-1', 'C-5', FUND], client_id_type: ['aggregated', 'none'], counterparty_id: ['C-1', 'C-9'] },
  ...{ trading_capacity: ['own_account', 'any_other'], execution_decision_maker: ['T-1', 'MM7'] },
  ...{ execution_decision_maker_type: ['algorithm', 'client'], swap_role: ['pays_fixed', 'receives_fixed'] },
  ...{ price_notation: ['percentage', 'yield'], cfi: ['SRCCSP', 'DBFTFB'] },
  ...{ executing_entity: [FIRM, BANK], transaction_nature: ['netting', 'trade'], allocations: ALLOCATIONS },
  ...{ short_sale: ['exempt', 'not_short'], transmitting_firm: [BANK], drop_copy: [true, false, false, false] },
  // before some cancels and after others, and after some of the days on which corrections are recorded
  execution_time: ['2026-06-02T08:00:03Z', '2026-06-02T08:00:06Z', '2026-06-04T08:00:00Z'],
};
const NAMES = Object.keys(VALUES) as FactName[];

/** The events of an order with all the contents that they had: corrections come between events, and are corrected too. */
function randomOrder(random: Random): StoredRow[][] {
  const rows: StoredRow[] = [];
  const originals = new Map<string, StoredRow>();
  const likely = NAMES.filter(() => !random.chance(3));
  for (let left = 4 + random.below(14); left > 0; left -= 1) {
    const corrected = rows.length > 1 && !random.chance(2) ? random.of(rows) : undefined;
    const action = corrected
      ? random.of(['void', 'bust', random.of(ACTIONS), ...Array<string>(4).fill(corrected.action)])
      : '';
    const stated = likely.filter(() => random.chance(4)).map((name) => [name, random.of(VALUES[name] as unknown[])]);
    const again = [corrected?.new_state, corrected?.metadata].flatMap((text = '{}') =>
      Object.entries(JSON.parse(text) as object),
    );
    const row = rowOf(
      rows.length + 1,
      { action: action || random.of(ACTIONS), ...Object.fromEntries([...again, ...stated]) },
      `08:00:0${random.below(10)}`,
    );
    row.corrects = corrected?.event_id ?? null;
    row.recorded_at = `2026-06-0${3 + Math.floor(rows.length / 8)} 08:00:00+00`;
    if (random.chance(20)) row.event_type = 'other';
    originals.set(row.event_id, corrected ? originals.get(corrected.event_id)! : row);
    rows.push(row);
  }
  return rows
    .filter(({ corrects }) => corrects === null)
    .map((row) =>
      versionsOf(
        row,
        rows.filter((each) => each !== row && originals.get(each.event_id) === row),
      ),
    );
}

async function transactionsIn(lives: readonly StoredRow[][]): Promise<Transaction[]> {
  const events = async function* (): AsyncGenerator<LifeEvent> {
    for (const versions of lives) {
      yield await Promise.resolve({ kind: 'event', row: versions[0]!, stated: versions.at(-1)!, versions });
    }
  };
  const found: Transaction[] = [];
  for await (const each of transactionsOf({ orderId: 'O-1', targets: new Set(), events })) found.push(each);
  return found;
}

/** As transactionsOf: at each correction of it or of an earlier event the whole order again, from its first event on. */
function transactionsAnew(lives: readonly StoredRow[][]): Transaction[] {
  const all = lives.map(contentsOf);
  return all.flatMap((contents, i): Transaction[] => {
    if (!contents.some(isTransaction)) return [];
    const [first] = contents as [HeldContent];
    const corrections = [...contents.slice(1), ...all.slice(0, i).flatMap((each) => each.slice(1))]
      .filter(({ from }) => from > first.from)
      .sort((a, b) => Number(a.from - b.from));
    const versions: Transaction['versions'][number][] = [];
    let said = '';
    for (const { from, row: cause } of [first, ...corrections]) {
      const held = contents.findLast((each) => each.from <= from)!;
      const known = knownOf(all.slice(0, i + 1), from);
      const now = JSON.stringify([held.row.sequence, isTransaction(held) && wordsOf(known, held)]);
      if (now === said) continue;
      said = now;
      const { row, stated } = held;
      if (!stated || !isTransaction(held)) {
        versions.push({ row, cause });
        continue;
      }
      const { content } = stated;
      const fill = isExecution(held) ? held : known.lastFill;
      versions.push({
        ...{ row, content, cause, facts: new Facts(ownFacts(held, known), takenOver(held, known)) },
        fill: fill && { row: fill.row, content: fill.stated.content },
        unlike: isExecution(held) || !known.lastFill ? new Map() : known.lastFill.unlike,
        isForSeveral: !isExecution(held) && known.lastFill?.isForSeveral === true,
        ...(!isExecution(held) && {
          overAllocation: overAllocationOf(held, known),
          undecided: known.lastFill?.undecided ?? [],
        }),
      });
    }
    return [{ orderId: 'O-1', eventId: first.row.event_id, versions }];
  });
}

function isTransaction(held: HeldContent): boolean {
  return isExecution(held) || held.stated?.facts.has('allocations') === true;
}

/** What an allocation comes to, where that is more than is left of what was executed. */
function overAllocationOf({ stated }: HeldContent, { lastFill }: KnownThen) {
  if (!lastFill?.left || ['create', 'decide'].includes(stated!.content.action)) return undefined;
  const [allocated, left] = [allocatedIn(stated!.facts), Number(formatDecimal(lastFill.left))];
  return allocated > left ? { allocated: String(allocated), executed: String(Math.max(left, 0)) } : undefined;
}

function allocatedIn(facts: KnownThen['facts']): number {
  const parts = JSON.parse(facts.get('allocations')?.text ?? '[]') as { quantity: string }[];
  return parts.reduce((sum, { quantity }) => sum + Number(quantity), 0);
}

function wordsOf(known: KnownThen, held: HeldContent): unknown {
  const { facts, lastFill, isFormerOpen } = known;
  const isToExecution = isExecution(held);
  const textsOf = (of: KnownThen['facts']) =>
    [...of]
      .map(([name, stated]) =>
        [name, changesOf(stated), ofTheLater.has(name) && stated.sequence, stated.saidOf].join(' '),
      )
      .sort();
  const { row, transmission, receiver, unlike, isForSeveral, facts: then } = lastFill ?? {};
  const ofFill = [row?.sequence, transmission?.text, receiver?.text, [...(unlike ?? [])], isForSeveral];
  if (isToExecution) return textsOf(facts);
  const ofAllocation = [overAllocationOf(held, known), lastFill?.undecided];
  return [textsOf(facts), ofFill, then && textsOf(then), isFormerOpen, ofAllocation];
}

/** Of which it matters what was said last. */
const ofTheLater = new Set<string>(['isin', 'symbol', 'short_sale', 'firm_short_sale']);

type Changed = Stated & {
  since?: string;
  isEnd?: boolean;
  sinceNanos?: bigint;
  before?: Stated | undefined;
  receiver?: Stated | undefined;
};

/** With when it changed, of a transmission, and what held before. */
function changesOf({ text, since, isEnd, before, receiver }: Changed): string {
  return since === undefined
    ? text
    : `${text} since ${since} ${isEnd} before ${before ? changesOf(before) : ''} to ${receiver?.text}`;
}

/** What was known before the last of some events, but not of another order than begins with it. */
function knownOf(events: readonly (readonly HeldContent[])[], sequence: bigint): KnownThen {
  const facts = new Map<FactName, Stated>();
  let lastFill: KnownThen['lastFill'];
  /** what the executions say that may be allocated together */
  let since: Partial<Record<FactName, string>>[] = [];
  let areAllocated = false;
  let hasFill = false;
  let hasRest = false;
  /** what they come to, less what is allocated of them; NaN where that is not known */
  let left = 0;
  /** of corrections that do not say what became of one of them, by which */
  let undecided: (readonly [row: StoredRow, action: string])[] = [];
  let isFormerOpen = false;
  /** events that are executions: where these alone say for whom the order is, the last one does */
  const ofExecutions = new Set<string>();
  for (const contents of events) {
    const held = contents.findLast(({ from }) => from <= sequence)!;
    if (!held.stated || held.stated.facts.get('drop_copy')?.text === 'true') continue;
    const { content, facts: own } = held.stated;
    if (isExecution(held)) ofExecutions.add(content.event_id);
    if (isAnew(events, events.indexOf(contents), held)) {
      const ofSeveral = (name: FactName, text: string) => since.every((each) => each[name] === text);
      const isForOthers = ofSeveral('client_id', '') && !ofSeveral('trading_capacity', 'own_account');
      const isForClients = isForOthers || ofSeveral('aggregated', 'true') || ofSeveral('client_id_type', 'several');
      isFormerOpen = since.length > 0 && (!areAllocated || hasRest) && isForClients;
      facts.clear();
      [lastFill, since, areAllocated, hasFill, hasRest, left, undecided] = [undefined, [], false, false, false, 0, []];
    }
    if (contents === events.at(-1)) break;
    const hadFill = hasFill;
    const [before, receiver] = [facts.get('transmission') as Changed | undefined, facts.get('order_receiver')];
    const isOfAllocation = own.has('allocations') && hadFill;
    const transmission = isExecution(held) || isOfAllocation ? before : saidOfTransmission(held, before, receiver);
    if (isExecution(held)) {
      const said = own.get('transmission');
      const then = said ? { transmission: said, receiver: undefined } : transmissionAt(before, held);
      const [whom, own_whom] = [then.receiver ?? receiver, own.get('order_receiver')];
      const isElsewhere = !said && whom !== undefined && own_whom !== undefined && whom.text !== own_whom.text;
      const meaning = (name: FactName, meant: string, text = own.get(name)?.text ?? facts.get(name)?.text ?? '') =>
        text === meant ? '' : text;
      hasFill = true;
      const isSeveral = (name: FactName) =>
        ['aggregated', 'pending_allocation'].includes(meaning(name, '')) ? 'several' : '';
      const isOpen: boolean = since.length > 0 && !areAllocated;
      // what is left of one that allocates itself, and of what was allocated before, may be allocated later
      const isByItself = own.has('allocations');
      const executed = Number(own.get('quantity')?.text ?? NaN);
      const rest: number = isByItself ? Math.max(executed - allocatedIn(own), 0) : executed;
      const leavesRest: boolean = isByItself && rest > 0;
      const isToCome: boolean = isOpen || hasRest;
      // of no account to those before it, but for what it leaves
      if (isByItself && isOpen && leavesRest) left += rest;
      if (isByItself && !isToCome && !leavesRest) [since, lastFill, left, undecided] = [[], undefined, 0, []];
      const counts = isByItself ? !isOpen && leavesRest : true;
      if (counts) {
        if (!isToCome) [since, left, undecided] = [[], 0, []];
        left += rest;
        areAllocated = isByItself;
        hasRest = leavesRest;
        if (held.row.action !== content.action) undecided.push([held.row, held.row.action]);
        since.push({
          ...{ aggregated: meaning('aggregated', 'false'), client_id_type: isSeveral('client_id_type') },
          client_id:
            meaning('client_id', '') === '' || ['none', 'aggregated'].includes(meaning('client_id_type', ''))
              ? ''
              : 'one',
          ...{ currency: meaning('currency', ''), notional_change: meaning('notional_change', '') },
          ...{ received_currency: meaning('received_currency', ''), swap_role: meaning('swap_role', '') },
          symbol: meaning('isin', '') === '' ? meaning('symbol', '') : '',
          ...{
            executing_entity: meaning('executing_entity', ''),
            isin: meaning('isin', ''),
            side: meaning('side', ''),
          },
          ...{ sftr_exempt: meaning('sftr_exempt', 'false'), trading_capacity: meaning('trading_capacity', '') },
          transaction_nature: meaning('transaction_nature', 'trade'),
          transmission: meaning('transmission', 'none', isElsewhere ? '' : (then.transmission?.text ?? '')),
        });
      }
      const unlike = new Map<FactName, string[]>();
      for (const name of Object.keys(since[0] ?? {}).sort() as FactName[]) {
        const texts = [...new Set(since.map((each) => each[name]!))].sort();
        if (texts.length > 1) unlike.set(name, texts);
      }
      const several = { aggregated: 'true', client_id_type: 'several', client_id: '' } as const;
      const isForSeveral = (['aggregated', 'client_id_type', 'client_id'] as const).some((name) =>
        since.every((each) => each[name] === several[name]),
      );
      if (counts)
        lastFill = { ...held, ...then, facts: new Map(facts), unlike, isForSeveral, left: undefined, undecided: [] };
    } else if (own.has('allocations') && lastFill) {
      if (!['create', 'decide'].includes(content.action)) left -= allocatedIn(own);
      [areAllocated, hasRest] = [true, left > 0];
    }
    if (lastFill) {
      const { row } = lastFill;
      lastFill.left = parseDecimal(String(left));
      const last = undecided.filter(([each]) => each === row).map(([, action]) => action);
      lastFill.undecided = [...new Set(undecided.map(([, action]) => action))]
        .filter((each) => !last.includes(each))
        .sort();
    }
    const allocates = !isExecution(held) && own.has('allocations') && hadFill;
    // of who and what is named elsewhere: what was said of another one
    const isAnother = (name: FactName): boolean =>
      own.has(name) && facts.has(name) && own.get(name)!.text !== facts.get(name)!.text;
    const isOtherInstrument = isAnother(own.has('isin') ? 'isin' : 'symbol');
    const mayBeOther = isAnother(own.has('isin') && facts.has('isin') ? 'isin' : 'symbol');
    const isUnnamed = (['isin', 'symbol'] as const).every((name) => !own.has(name) && !facts.has(name));
    const isOtherOfExecution = (mayBeOther || (isUnnamed && isAnother('cfi'))) && isExecution(held);
    const ofInstrument: FactName[] = ['isin', 'symbol', 'swap_role', 'price_notation', 'currency', 'cfi'];
    // by an LEI beside an id it may be the same client
    const ofClientAlone: FactName[] = ['client_id_type', 'transmitting_firm', 'short_sale'];
    const client = facts.get('client_id')?.text;
    const isNamedOtherwise = isAnother('client_id') && (own.get('client_id')!.text === FUND) !== (client === FUND);
    const lost: FactName[] = [
      ...(isOtherInstrument && !isOtherOfExecution ? ofInstrument : []),
      ...(isAnother('side') && !isOtherOfExecution ? (['swap_role'] as const) : []),
      ...(isAnother('client_id') && !isNamedOtherwise ? ofClientAlone : []),
      ...(isAnother('execution_decision_maker') ? (['execution_decision_maker_type'] as const) : []),
    ];
    const wasOfNobody = facts.get('execution_decision_maker_type')?.text === 'client';
    if (own.has('execution_decision_maker') && wasOfNobody) lost.push('execution_decision_maker_type');
    const isOrderPlaced = !isExecution(held) && !allocates;
    if (isOrderPlaced && own.has('exchange') && own.get('exchange')!.text !== facts.get('exchange')?.text)
      lost.push('segment_mic');
    if (isOrderPlaced && (isAnother('exchange') || isAnother('segment_mic'))) lost.push('central_counterparty');
    // an execution names a client where the order is for several or nobody, another one, or says that it is for nobody
    const isOfNobody =
      ['aggregated', 'none'].includes(facts.get('client_id_type')?.text ?? '') ||
      (!facts.has('client_id') && facts.has('allocations'));
    const ofWhom = (['client_id', 'client_id_type', 'allocations'] as const).flatMap((name) => facts.get(name) ?? []);
    const isOtherClient =
      isExecution(held) &&
      ofWhom.some(({ event_id: id }) => !ofExecutions.has(id)) &&
      (isOfNobody
        ? own.has('client_id') || isAnother('client_id_type')
        : facts.has('client_id') && (isAnother('client_id') || own.has('client_id_type')));
    const ofClient: FactName[] = ['client_id', 'client_id_type', 'transmitting_firm', 'short_sale'];
    const capacities = [own, facts].map((each) => each.get('trading_capacity')?.text);
    const isOtherCapacity = isExecution(held) && capacities[0] !== undefined && capacities[0] !== capacities[1];
    const ofDecision: FactName[] = ['execution_decision_maker', 'execution_decision_maker_type'];
    const stated = new Set(own.keys());
    if (isOtherCapacity) for (const name of ofDecision) stated.delete(name);
    // of two names of the instrument the one that is said again stays
    const stays = (name: FactName): boolean => !own.has(name) && !isAnother(name === 'isin' ? 'symbol' : 'isin');
    if (isOtherClient) for (const name of ofClient) stated.delete(name);
    const stay = [...(isOtherCapacity ? ofDecision : []), ...(isOtherClient ? ofClient : [])];
    for (const name of allocates ? [] : lost.filter((each) => !stay.includes(each)))
      if (!own.has(name) && !((name === 'isin' || name === 'symbol') && stays(name))) facts.delete(name);
    for (const name of isNamedOtherwise && !isOtherClient && !allocates ? ofClientAlone : []) {
      const said = facts.get(name);
      if (said && !own.has(name)) facts.set(name, { saidOf: client!, ...said });
    }
    for (const [name, value] of own) {
      const isOfOne = isExecution(held) ? OF_ONE_EXECUTION.has(name) : allocates && name !== 'allocations';
      const isOfOther = isOtherOfExecution && [...ofInstrument, 'side'].includes(name);
      if (!isOfOne && !isOfOther && stated.has(name)) facts.set(name, value);
    }
    if (isExecution(held) || isOfAllocation) facts.delete('transmission');
    if (transmission ?? before) facts.set('transmission', (transmission ?? before)!);
    else if (own.has('transmission') && !isExecution(held) && !isOfAllocation)
      throw new Error(`nothing came of ${content.event_id}`);
  }
  return { facts, lastFill, isFormerOpen };
}

type Events = readonly (readonly HeldContent[])[];

/** Whether an order begins of whose id another one had come to its end, as far as was known when this was recorded. */
function isAnew(events: Events, index: number, { stated }: HeldContent): boolean {
  if (stated?.content.action !== 'create') return false;
  const end = endBefore(events, index, events[index]![0]!.from);
  return end !== undefined && parseTimestamp(stated.content.timestamp).micros >= end;
}

function endBefore(events: Events, index: number, sequence: bigint): number | undefined {
  let end: number | undefined;
  for (const [i, contents] of events.slice(0, index).entries()) {
    const held = contents.findLast(({ from }) => from <= sequence);
    if (!held?.stated || held.stated.facts.get('drop_copy')?.text === 'true') continue;
    const { action, timestamp } = held.stated.content;
    if (isAnew(events, i, held)) end = undefined;
    if (['fill', 'cancel', 'expire', 'reject'].includes(action)) end = parseTimestamp(timestamp).micros;
  }
  return end;
}

/** What an event that is no execution makes of how the order is transmitted; undefined where that stays. */
function saidOfTransmission(
  { row, stated }: HeldContent,
  before: Changed | undefined,
  receiver: Stated | undefined,
): Changed | undefined {
  const { content, facts } = stated!;
  const { timestamp: since, event_id } = content;
  const sinceNanos = BigInt(parseTimestamp(since).micros) * 1_000n;
  const said = facts.get('transmission');
  const next = facts.get('order_receiver');
  const isToAnother = !!receiver && !!next && receiver.text !== next.text;
  const wasTransmitted = before !== undefined && before.text !== 'none';
  if (said) {
    if (!isToAnother && (before === undefined || said.text === before.text))
      return before?.since === undefined ? said : before;
    return { ...said, since, isEnd: false, sinceNanos, before, receiver };
  }
  const isEnd = ['cancel', 'expire', 'reject'].includes(content.action);
  const isAgain = next !== undefined && before?.isEnd === true;
  if (!isEnd && (isToAnother || isAgain) && next?.text !== 'A') {
    const unsaid = { text: 'unsaid', name: 'transmission', event_id, sequence: row.sequence } as const;
    return { ...unsaid, since, isEnd, sinceNanos, before, receiver };
  }
  if (!isEnd && !isToAnother) return undefined;
  const isNoneLater = before?.since !== undefined && parseTimestamp(before.since).micros > parseTimestamp(since).micros;
  if (!wasTransmitted && !isNoneLater && !(before === undefined && receiver)) return undefined;
  const wasSent = before ? wasTransmitted : receiver !== undefined && receiver.text !== 'A';
  const text = isEnd && wasSent && !isToAnother ? 'ended' : 'none';
  return { text, name: 'transmission', event_id, sequence: row.sequence, since, isEnd, sinceNanos, before, receiver };
}

function transmissionAt(stated: Changed | undefined, { stated: { content } }: HeldFill) {
  const { micros } = parseTimestamp(tradeTimeOf(content).time);
  let [transmission, receiver]: [Changed | undefined, Stated | undefined] = [stated, undefined];
  const isBefore = ({ since, isEnd }: Changed): boolean =>
    micros < parseTimestamp(since!).micros || (isEnd === true && micros === parseTimestamp(since!).micros);
  while (transmission?.since !== undefined && isBefore(transmission)) {
    [transmission, receiver] = [transmission.before, transmission.receiver];
  }
  return { transmission, receiver };
}

const AT = '2026-06-30T12:00:00Z';
const SAID = [...NAMES, 'order_quantity', 'limit_price', 'created_at'] as const;

/** All that the versions say, a line each. */
function told({ versions }: Transaction): string[] {
  return versions.map(({ row, cause, ...version }) => {
    const { facts, fill, unlike, overAllocation, undecided } = version as Partial<TransactionVersion>;
    const said = SAID.map((name) => facts?.get(name)).filter((stated) => stated !== undefined);
    const stated = said.map(({ name, text, sequence, saidOf }) => `${name} ${text} of ${sequence} ${saidOf ?? ''}`);
    const ofAllocation = JSON.stringify([[...(unlike ?? [])], overAllocation, undecided]);
    return [row.sequence, cause.sequence, fill?.row.sequence, ...stated, ofAllocation].join(', ');
  });
}

describe('what is known of an order whose events were corrected', () => {
  it('is what all of its events come to, from the first on, at the time of each correction', async () => {
    const random = new Random(20_261_128);
    for (let n = 0; n < 1_500; n += 1) {
      const lives = randomOrder(random);
      const found = await transactionsIn(lives);
      expect(found.map(told)).toEqual(transactionsAnew(lives).map(told));
    }
  });

  it('gives the reports that come of it where each version is derived', async () => {
    const random = new Random(20_261_129);
    let derivations = 0;
    const timelines = { at: () => (derivations++, referenceOf()) };
    const counted = { fast: 0, all: 0 };
    for (let n = 0; n < 200; n += 1) {
      for (const transaction of await transactionsIn(randomOrder(random))) {
        // of copied rows nothing is known to be the same
        const versions = transaction.versions.map((version) => {
          const row = { ...version.row };
          return { ...version, row, cause: version.cause === version.row ? row : version.cause };
        });
        const before = derivations;
        const found = draftsOfTransaction(transaction, FIRM, timelines, AT);
        counted.fast += derivations - before;
        const between = derivations;
        expect(found).toEqual(draftsOfTransaction({ ...transaction, versions }, FIRM, timelines, AT));
        counted.all += derivations - between;
      }
    }
    expect(counted.all - counted.fast).toBeGreaterThan(100);
  });
});
