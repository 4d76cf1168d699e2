import { HOLIDAY, type MadeAct, type MadeTrade } from './made-ageing.js';
import { madeId } from './made-day.js';
import { FIRM } from './made-transactions.js';

type Row = Record<string, string | null>;

/** An act as it was recorded: when, and of a submission its file. */
export type RecordedAct = MadeAct & { recordedAt: string; messageId?: string };

const COLUMNS =
  'kind timeliness state count deadline working_days_late transaction_reference next to_mend rules trading_time sent_at message_id order_id event_id version leg executing_entity';

const STANDINGS =
  'contradicted overdue over-reported unanswered due awaiting late in-time cancelled other-entity other-ledger';
const STATES = 'held rejected drafted cancelled cancelling pending sent accepted';
const HELD = 'field 7: client C-99 is not in the reference data';
export const RULE = 'CON-411';

/** A report or cancellation that was sent. */
interface Sent {
  isNew: boolean;
  at: string;
  messageId: string;
  answers: string[];
}

const millis = (time: string): number => Date.parse(time.replace(/(\.\d{3})\d+/, '$1'));
const plusDay = (day: string): string => new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);

/** The days of the authority, each looked at by itself. */
export class Days {
  private readonly local: Intl.DateTimeFormat;

  constructor(
    zone: string,
    private readonly holidays: readonly string[] = [HOLIDAY],
  ) {
    this.local = new Intl.DateTimeFormat('en-US', { timeZone: zone, dateStyle: 'short' });
  }

  of(time: string): string {
    const parts = this.local.formatToParts(millis(time));
    const part = (type: string): string => parts.find((each) => each.type === type)!.value.padStart(2, '0');
    return `20${part('year')}-${part('month')}-${part('day')}`;
  }

  isOff(day: string): boolean {
    return this.holidays.includes(day) || [0, 6].includes(new Date(`${day}T12:00:00Z`).getUTCDay());
  }

  workingDayAfter(day: string): string {
    const next = plusDay(day);
    return this.isOff(next) ? this.workingDayAfter(next) : next;
  }

  /** The first full hour that is past the working day after that of a time. */
  deadline(time: string): string {
    const due = this.workingDayAfter(this.of(time));
    let at = Date.parse(`${due}T00:00:00Z`);
    while (this.of(new Date(at).toISOString()) <= due) at += 3_600_000;
    return new Date(at).toISOString().replace('.000Z', '.000000Z');
  }

  /** Working days past the day on which it was due, those off taken for the working day that follows. */
  late(time: string, until: string): number {
    let day = this.workingDayAfter(this.of(time));
    let days = 0;
    for (const end = this.of(until); day < end; days++) day = this.workingDayAfter(day);
    return days;
  }
}

export function referenceOf(number: number): string {
  const id = BigInt(`0x${madeId(number).replaceAll('-', '')}`);
  return `${id.toString(36).toUpperCase().padStart(25, '0')}0010000`;
}

/** What of a trade was sent and answered by the acts. */
function sentOf({ name, time, client }: MadeTrade, acts: readonly RecordedAct[]): Sent[] {
  const sent: Sent[] = [];
  let isVoid = false;
  for (const act of acts) {
    if ('record' in act) isVoid ||= act.record === 'voids';
    else if ('answer' in act) {
      const answer = act.answer[name];
      if (answer !== undefined) sent.at(-1)!.answers.push(answer);
    } else {
      const day = time.slice(0, 10);
      if (client === 'C-99' || day < act.submit.from_date || day > act.submit.to_date) continue;
      const state = stateOf(sent);
      const isDue = state === 'unsent' || (state === 'rejected' && act.submit.repeat_rejected === 'yes');
      const isGone = isVoid && ['sent', 'pending', 'accepted'].includes(state);
      const entry = { at: act.recordedAt, messageId: act.messageId!, answers: [] };
      if (isVoidTrade(name) && isGone) sent.push({ ...entry, isNew: false });
      else if (isDue && !(isVoid && isVoidTrade(name))) sent.push({ ...entry, isNew: true });
    }
  }
  return sent;
}

const isVoidTrade = (name: string): boolean => name.startsWith('VOID');

/** A second final answer changes nothing. */
function stateOf(sent: readonly Sent[]): string {
  const last = sent.at(-1);
  if (!last) return 'unsent';
  const final = last.answers.find((answer) => answer !== 'PDNG');
  if (last.isNew)
    return final === 'ACPT' ? 'accepted' : final === 'RJCT' ? 'rejected' : last.answers[0] ? 'pending' : 'sent';
  return final === 'ACPT' ? 'cancelled' : final === 'RJCT' ? stateOf(sent.slice(0, -1)) : 'cancelling';
}

function isContradicted(sent: readonly Sent[]): boolean {
  return sent.some(({ answers }) => answers.includes('ACPT') && answers.includes('RJCT'));
}

/** The rows of transaction-ageing at a time, by what was recorded, sent and answered before it. */
export function expectedAgeing(
  recorded: readonly MadeTrade[],
  all: readonly RecordedAct[],
  at: string,
  zone: string,
): Row[] {
  const days = new Days(zone);
  const acts = all.filter(({ recordedAt }) => recordedAt <= at);
  const areVoid = acts.some((act) => 'record' in act);
  const reports = recorded.flatMap((trade): Row[] => {
    const { name, number, time, client } = trade;
    const sent = sentOf(trade, acts);
    const state = stateOf(sent);
    const lastNew = sent.filter(({ isNew }) => isNew).at(-1);
    const isGone = areVoid && trade.isVoid;
    const isHeld = client === 'C-99';
    const told = sent
      .filter(
        ({ answers }) =>
          stateOf([{ isNew: true, at: '', messageId: '', answers }]) === 'rejected' ||
          (answers.includes('PDNG') && answers.length === 1),
      )
      .at(-1);
    const common = {
      ...{ kind: 'report', count: null, transaction_reference: referenceOf(number) },
      ...{ rules: told ? RULE : null, trading_time: time, sent_at: lastNew?.at ?? null },
      ...{ message_id: sent.at(-1)?.messageId ?? null, order_id: name, event_id: madeId(number) },
      ...{ version: '1', leg: '0', executing_entity: FIRM },
    };
    const nothingDue = { deadline: null, working_days_late: null };
    if (isContradicted(sent)) {
      return [{ ...common, ...nothingDue, timeliness: 'contradicted', state, next: 'contradicted', to_mend: null }];
    }
    if (isGone) {
      if (state === 'unsent' || state === 'rejected') return [];
      const timeliness = state === 'cancelled' ? 'cancelled' : 'over-reported';
      const isToBeCancelled = ['sent', 'pending', 'accepted'].includes(state);
      return [
        { ...common, ...nothingDue, timeliness, state, next: isToBeCancelled ? 'send' : 'as-sent', to_mend: null },
      ];
    }
    const deadline = days.deadline(time);
    const inTime = lastNew !== undefined && millis(lastNew.at) < millis(deadline);
    let timeliness = millis(at) < millis(deadline) ? 'due' : 'overdue';
    let late = days.late(time, at);
    if (state === 'accepted') {
      timeliness = inTime ? 'in-time' : 'late';
      late = days.late(time, lastNew!.at);
    } else if ((state === 'sent' || state === 'pending') && inTime) {
      const until = state === 'sent' ? millis(days.deadline(lastNew.at)) : millis(lastNew.at) + 7 * 86_400_000;
      timeliness = millis(at) < until ? 'awaiting' : 'unanswered';
      late = 0;
    }
    const shown = state === 'unsent' ? (isHeld ? 'held' : 'drafted') : state;
    const next = state === 'unsent' ? (isHeld ? 'held' : 'send') : state === 'rejected' ? 'rejected' : 'as-sent';
    const to_mend = isHeld ? HELD : null;
    return [{ ...common, timeliness, state: shown, deadline, working_days_late: String(late), next, to_mend }];
  });
  const count = (wanted: (row: Row) => boolean): string => String(reports.filter(wanted).length);
  const nothing = Object.fromEntries(COLUMNS.split(' ').map((name) => [name, null]));
  const totals = STANDINGS.split(' ').flatMap((timeliness): Row[] => {
    const total = { ...nothing, kind: 'total', timeliness, executing_entity: FIRM };
    const states = STATES.split(' ').filter((state) =>
      reports.some((row) => row.timeliness === timeliness && row.state === state),
    );
    return [
      { ...total, count: count((row) => row.timeliness === timeliness) },
      ...states.map((state) => ({
        ...total,
        state,
        count: count((row) => row.timeliness === timeliness && row.state === state),
      })),
    ];
  });
  const place = (row: Row): [number, string, number, string] => [
    STANDINGS.split(' ').indexOf(row.timeliness!),
    row.deadline ?? row.trading_time!,
    STATES.split(' ').indexOf(row.state!),
    row.transaction_reference!,
  ];
  const sorted = reports.sort((a, b) => {
    const [left, right] = [place(a), place(b)];
    const i = left.findIndex((each, at) => each !== right[at]);
    return i === -1 ? 0 : left[i]! < right[i]! ? -1 : 1;
  });
  const ofNoFirm = { ...nothing, kind: 'total', timeliness: 'no-firm', count: '0' };
  return [...totals, ofNoFirm, ...sorted];
}
