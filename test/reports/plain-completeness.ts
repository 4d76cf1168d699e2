import type { SentEvent } from './made-day.js';
import { correctionCells, Rulings } from './plain-computation.js';

type Row = Record<string, string | null>;
type Placed = SentEvent & { sequence: number };

const dayOf = ({ timestamp }: SentEvent): string => new Date(Date.parse(timestamp)).toISOString().slice(0, 10);
const hourOf = ({ timestamp }: SentEvent): number => new Date(Date.parse(timestamp)).getUTCHours();

function plusDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

const isWeekend = (day: string): boolean => [0, 6].includes(new Date(`${day}T00:00:00Z`).getUTCDay());

/** A counter, the event that has it first, and the day for which it counts. */
interface Used {
  number: number;
  event: Placed;
  day: string;
}

const isCounted = (event: Placed, source: string, session: string): boolean =>
  source !== '' &&
  event.source === source &&
  (event.source_session ?? '') === session &&
  event.source_sequence !== undefined;

/** Counters of events, and of corrections those that no event has. */
function withCorrections(
  events: readonly Placed[],
  { inside, outside }: { inside: readonly Placed[]; outside: readonly Placed[] },
  /** the highest sequence of the source's that is no correction */
  lastOfSource: number,
): Used[] {
  const byNumber = (list: readonly Placed[]): Placed[] =>
    [...list].sort((a, b) => Number(a.source_sequence) - Number(b.source_sequence));
  let used: Used[] = [];
  const take = (event: Placed, day: string): void => {
    const number = Number(event.source_sequence);
    if (used.some((each) => each.number === number)) return;
    used = [...used, { number, event, day }].sort((a, b) => a.number - b.number);
  };
  for (const event of events) take(event, dayOf(event));
  for (const [list, isOutside] of [[byNumber(inside), false] as const, [byNumber(outside), true] as const]) {
    const least = used[0]?.number ?? -1;
    for (const event of list) {
      const number = Number(event.source_sequence);
      const next = used.find((each) => each.number > number);
      if (number < least || (isOutside && !next)) continue;
      // sent nobody knows when: what came before it may be of another time
      const isNext = number <= (used.at(-1)?.number ?? 0) + 1;
      if (event.sequence > lastOfSource && !next && !isNext) continue;
      const last = used.at(-1)?.day ?? '';
      take(event, next ? next.day : last > dayOf(event) ? last : dayOf(event));
    }
    // down to the beginning of the session, or not at all
    const below = list.filter((event) => Number(event.source_sequence) < least);
    const numbers = [...new Set(below.map((event) => Number(event.source_sequence)))];
    const chain = Array.from({ length: Math.max(0, least) }, (_, i) => least - 1 - i);
    const end = chain.findIndex((number) => !numbers.includes(number));
    const whole = end < 0 ? chain : chain.slice(0, end);
    if (whole.length > 0 && whole.at(-1)! <= 1)
      for (const number of whole) {
        const event = below.filter((each) => Number(each.source_sequence) === number).at(-1)!;
        take(event, dayOf(event));
      }
  }
  return used;
}

const CLOCKS = ['Europe/Brussels', 'America/New_York'].map(
  (timeZone) => new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hour12: false }),
);

/** By how many hours an hour of the clock has moved in UTC from one day to another, where people keep summer time. */
function shiftsBetween(earlier: string, day: string): number[] {
  const noon = (at: string): Date => new Date(`${at}T12:00:00Z`);
  return [0, ...CLOCKS.map((clock) => Number(clock.format(noon(day))) - Number(clock.format(noon(earlier))))];
}

/** The rows of completeness: each list looked through anew for each question. `sent` are all events up to as_of. */
export function expectedCompleteness(
  sent: readonly SentEvent[],
  days: readonly string[],
  lookBackDays: number,
  usualDays: number,
  knownTo = Infinity,
): Row[] {
  const first = plusDays(days[0]!, -lookBackDays);
  const last = plusDays(days.at(-1)!, 1);
  const placed = sent.map((event, i): Placed => ({ ...event, sequence: i + 1 }));
  const all = placed.filter((event) => dayOf(event) >= first && dayOf(event) <= last);
  const sequences = all.map(({ sequence }) => sequence);
  const [lowest, highest] = [Math.min(...sequences), Math.max(...sequences)];
  const outside = placed.filter(
    (event) => !all.includes(event) && event.sequence >= lowest && event.sequence <= highest,
  );
  const events = all.filter(({ entity_type }) => entity_type !== 'source_total');
  const inTime = [...events].sort(
    (a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp) || a.sequence - b.sequence,
  );
  const stated = all.filter(({ entity_type }) => entity_type === 'source_total');
  // when a correction was recorded is masked in what is compared
  const rulings = new Rulings(stated.map((event) => ({ ...event, recorded_at: 'RECORDED_AT' })));
  const totals = stated.filter(({ event_id }) => !stated.some(({ corrects }) => corrects === event_id));
  const sources = new Set([...events.map(({ source }) => source ?? ''), ...totals.map(({ source }) => source ?? '')]);
  const rows: Row[] = [];
  for (const day of days) {
    for (const source of [...sources].sort()) {
      const own = events.filter((event) => (event.source ?? '') === source);
      const today = own.filter((event) => dayOf(event) === day);
      const found: Row[] = [];
      const tell = (kind: string, session: string, more: Row): void => {
        found.push({
          day,
          source: source === '' ? null : source,
          source_session: session === '' ? null : session,
          kind,
          ...{ from: null, to: null, count: null, expected: null, found: null },
          ...{ after_sequence: null, before_sequence: null, verdict: null },
          ...{ correction_user_id: null, correction_reason: null, corrections: null },
          ...more,
        });
      };
      const sessions = [...new Set(own.map(({ source_session }) => source_session ?? ''))].sort();
      const counted = (session: string): Placed[] =>
        inTime.filter((event) => event.corrects === undefined && isCounted(event, source, session));
      const corrections = (session: string): { inside: Placed[]; outside: Placed[] } => {
        const mine = (list: readonly Placed[]): Placed[] =>
          list.filter((event) => event.corrects !== undefined && isCounted(event, source, session));
        return { inside: mine(inTime), outside: mine(outside) };
      };
      /** Each counter once, ascending, with the event and the day that it counts for. */
      const firsts = own.filter(({ corrects }) => corrects === undefined).map(({ sequence }) => sequence);
      const used = (session: string): Used[] =>
        withCorrections(counted(session), corrections(session), Math.max(0, ...firsts));
      for (const session of sessions) {
        const numbers = used(session);
        numbers.slice(1).forEach(({ number, event, day: itsDay }, i) => {
          const { number: before, event: eventBefore } = numbers[i]!;
          if (number === before + 1 || itsDay !== day) return;
          tell('gap', session, {
            from: String(before + 1),
            to: String(number - 1),
            count: String(number - before - 1),
            expected: 'every counter',
            found: 'none of them',
            after_sequence: String(eventBefore.sequence),
            before_sequence: String(event.sequence),
          });
        });
      }
      for (const session of sessions) {
        const known = counted(session);
        const again = known.filter((event, i) =>
          known.slice(0, i).some(({ source_sequence }) => source_sequence === event.source_sequence),
        );
        // one after the other on one day they are one range
        const ranges: Placed[][] = [];
        for (const event of again) {
          const range = ranges.at(-1);
          const end = range?.at(-1);
          const joins =
            end && dayOf(end) === dayOf(event) && Number(end.source_sequence) + 1 === Number(event.source_sequence);
          if (range && joins) range.push(event);
          else ranges.push([event]);
        }
        const todays = ranges
          .filter(([event]) => dayOf(event!) === day)
          .sort(([a], [b]) => Number(a!.source_sequence) - Number(b!.source_sequence) || a!.sequence - b!.sequence);
        for (const range of todays) {
          tell('repeat', session, {
            from: range[0]!.source_sequence!,
            to: range.at(-1)!.source_sequence!,
            count: String(range.length),
            expected: 'each counter once',
            found: 'once more',
            before_sequence: String(range[0]!.sequence),
          });
        }
      }
      for (const session of sessions) {
        const [beginning] = used(session);
        if (!beginning || beginning.number <= 1 || beginning.day !== day) continue;
        const { number: least } = beginning;
        tell('late-start', session, {
          from: String(least),
          expected: 'a session that begins at 0 or 1',
          found: `begins at ${least}`,
          before_sequence: String(beginning.event.sequence),
        });
      }
      const compared = Array.from({ length: lookBackDays }, (_, i) => plusDays(day, -i - 1)).filter(
        (each) => isWeekend(each) === isWeekend(day),
      );
      const hadIn = (hour: number): number =>
        compared.filter((each) =>
          shiftsBetween(each, day).every((shift) => {
            const at = Date.parse(`${each}T00:00:00Z`) + (hour + shift) * 3_600_000;
            return own.some(({ timestamp }) => Date.parse(timestamp) >= at && Date.parse(timestamp) < at + 3_600_000);
          }),
        ).length;
      // all of them, where there are fewer; one alone is no custom
      const needed = usualDays <= compared.length ? usualDays : Math.min(usualDays, Math.max(2, compared.length));
      const isSilent = (hour: number): boolean =>
        hour < 24 &&
        Date.parse(`${day}T00:00:00Z`) + (hour + 1) * 3_600_000 <= knownTo &&
        !today.some((event) => hourOf(event) === hour) &&
        hadIn(hour) >= needed;
      for (let hour = 0; hour < 24; hour++) {
        if (!isSilent(hour)) continue;
        const from = hour;
        while (isSilent(hour)) hour++;
        const hours = Array.from({ length: hour - from }, (_, i) => from + i);
        const at = (each: number): string =>
          new Date(Date.parse(`${day}T00:00:00Z`) + each * 3_600_000).toISOString().replace('.000', '');
        tell('silence', '', {
          from: at(from),
          to: at(hour),
          count: String(hours.length),
          expected: `events, as on at least ${Math.min(...hours.map(hadIn))} of the ${compared.length} days compared`,
          found: 'none',
        });
      }
      const todaysTotals = totals
        .filter((event) => (event.source ?? '') === source && event.new_state.day === day)
        .sort((a, b) => {
          const session = ({ new_state: { source_session } }: SentEvent): string =>
            String((source_session as string | undefined) ?? '');
          return session(a) < session(b) ? -1 : session(a) > session(b) ? 1 : a.sequence - b.sequence;
        });
      for (const total of todaysTotals) {
        const { new_state: state, sequence } = total;
        const recorded = today.filter(
          (event) =>
            (event.corrects === undefined || event.sequence < sequence) &&
            (state.source_session === undefined || event.source_session === state.source_session) &&
            (state.event_type === undefined || event.event_type === state.event_type),
        ).length;
        const isNumber = /^\d+$/.test(String(state.events));
        const said = isNumber ? String(state.events) : 'a total that can be read';
        tell('total', String((state.source_session as string | undefined) ?? ''), {
          count: String(recorded),
          expected: state.event_type === undefined ? said : `${said} of ${state.event_type as string}`,
          found: isNumber ? String(recorded) : String(state.events),
          before_sequence: String(sequence),
          ...correctionCells(rulings, rulings.byId(total.event_id)!),
        });
      }
      if (today.length === 0 && found.length === 0) continue;
      const kinds = (kind: string): number => found.filter((row) => row.kind === kind).length;
      const readable = found.filter(({ kind, expected }) => kind === 'total' && /^\d/.test(expected!));
      const difference = (row: Row): number => Number(/^\d+/.exec(row.expected!)![0]) - Number(row.count);
      const why: string[] = [];
      let verdict = 'incomplete';
      if (kinds('gap') > 0) why.push(`gaps: ${kinds('gap')}`);
      if (readable.some((row) => difference(row) > 0)) why.push('less recorded than the source says it sent');
      const isTotalled = found.some(
        (row) => row.kind === 'total' && row.source_session === null && /^\d+$/.test(row.expected!),
      );
      if (why.length === 0) {
        verdict = 'undecided';
        if (kinds('repeat') > 0) why.push(`repeats: ${kinds('repeat')}`);
        if (kinds('silence') > 0) why.push(`silences: ${kinds('silence')}`);
        if (kinds('late-start') > 0) why.push('a session that begins late');
        if (readable.some((row) => difference(row) < 0) || readable.length < kinds('total'))
          why.push('another total than the source says');
        const isOver = Date.parse(`${plusDays(day, 1)}T00:00:00Z`) <= knownTo;
        if (!isTotalled && !isOver) why.push('the day was not over when the last event was recorded');
        const isUncounted = today.some(({ source_sequence }) => source === '' || source_sequence === undefined);
        if (why.length === 0 && !isTotalled && isUncounted) why.push('events without a counter, and no total');
      }
      if (why.length === 0) {
        verdict = 'complete';
        why.push(isTotalled ? 'the total agrees' : 'counters without a gap');
      }
      tell('day', '', { count: String(today.length), found: why.join('; '), verdict });
      rows.push(...found);
    }
  }
  return rows;
}
