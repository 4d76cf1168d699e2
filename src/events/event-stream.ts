import type { Readable } from 'node:stream';
import type { Principal } from '../access/principal.js';
import { lineTooLong, linesOf, type Line } from '../http/lines.js';
import { Problem } from '../http/problem.js';
import { toProblem } from '../http/problem.filter.js';
import { readJsonBody } from '../http/dto.pipe.js';
import type { Appended } from './append-queue.js';
import type { EventIntake } from './event-intake.js';
import { MAX_EVENT_BYTES, readEvent } from './event-reader.js';

/** Lines that may be under way at once: enough to fill commits, little enough to hold in memory. */
const WINDOW_LINES = 4_096;

export interface StreamOptions {
  body: Readable;
  ledger: string;
  caller: Principal;
  requestId: string;
  /** aborted when the service stops: what was taken is answered, and no more is read */
  stopping: AbortSignal;
  onFault: (error: unknown) => void;
}

type Outcome = { appended: Appended } | { problem: Problem };

/**
 * Records the events of a body of lines and yields the answer in pieces of text: a line for each line, in order, then
 * the end. Reading goes on while earlier lines are on their way to the disk; a full window or queue slows it down.
 */
export async function* recordStream(intake: EventIntake, options: StreamOptions): AsyncGenerator<string> {
  const { body, ledger, caller, requestId, stopping } = options;
  const underWay: { number: number; outcome: Promise<Outcome> }[] = [];
  let wake: () => void = () => undefined;
  let reason: string | undefined;

  const recordLine = async ({ bytes }: Line): Promise<Outcome> => {
    try {
      if (bytes === undefined) throw lineTooLong(MAX_EVENT_BYTES);
      const event = readEvent(readJsonBody(bytes), () => {
        const detail = 'event_id is required in a stream: it is what makes sending again safe';
        throw new Problem('invalid-event', detail, { errors: [{ pointer: '/event_id', rule: 'required', detail }] });
      });
      return { appended: await intake.recordEvent(ledger, event, caller) };
    } catch (error) {
      const problem = toProblem(error);
      if (problem.status >= 500) options.onFault(error);
      return { problem };
    }
  };

  const read = async (): Promise<void> => {
    const groups = linesOf(body, MAX_EVENT_BYTES)[Symbol.asyncIterator]();
    // Of each wait anew: a promise that lasts as long as the service would keep what every race against it came to.
    let stopWaiting: (stopped: 'stopped') => void = () => undefined;
    const stop = (): void => stopWaiting('stopped');
    stopping.addEventListener('abort', stop);
    try {
      for (;;) {
        const next = await new Promise<IteratorResult<Line[]> | 'stopped'>((resolve, reject) => {
          stopWaiting = resolve;
          if (stopping.aborted) stop();
          else groups.next().then(resolve, reject);
        });
        if (next === 'stopped' || next.done) {
          // The body is left as it is: destroying it would take the connection with it, and the answer's end.
          reason = next === 'stopped' ? 'shutting-down' : 'complete';
          break;
        }
        for (const line of next.value) {
          while (underWay.length >= WINDOW_LINES || (underWay.length > 0 && !intake.hasRoom(ledger)))
            await underWay[0]!.outcome.then(turn);
          underWay.push({ number: line.number, outcome: recordLine(line) });
        }
        wake();
      }
    } catch {
      reason = 'body-failed';
    } finally {
      stopping.removeEventListener('abort', stop);
      wake();
    }
  };
  const reading = read();

  let lines = 0;
  let recorded = 0;
  let repeated = 0;
  let refused = 0;
  for (;;) {
    const next = underWay[0];
    if (next === undefined) {
      if (reason !== undefined) break;
      await new Promise<void>((resolve) => (wake = resolve));
      continue;
    }
    const outcome = await next.outcome;
    underWay.shift();
    lines += 1;
    if ('problem' in outcome) {
      refused += 1;
      yield `${JSON.stringify({ line: next.number, problem: outcome.problem.toJSON(requestId) })}\n`;
    } else {
      if (outcome.appended.repeated) repeated += 1;
      else recorded += 1;
      yield `{"line":${next.number},"receipt":${JSON.stringify(outcome.appended.receipt)}}\n`;
    }
  }
  await reading;
  const count = {
    lines: String(lines),
    recorded: String(recorded),
    repeated: String(repeated),
    refused: String(refused),
  };
  yield `${JSON.stringify({ end: { ...count, reason } })}\n`;
}

/** Lets the answers of settled lines go out before more are read. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
