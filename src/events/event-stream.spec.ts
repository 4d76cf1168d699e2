import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setImmediate } from 'node:timers/promises';
import type { Principal } from '../access/principal.js';
import type { EventIntake } from './event-intake.js';
import { recordStream } from './event-stream.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Lines that are refused before anything is done with them. */
const LINES = 20;
const CHUNK = `{"no":"${'x'.repeat(900)}"}\n`.repeat(LINES);
const CHUNKS = 60;

describe('a stream of events', () => {
  it('keeps nothing of the lines that are answered, neither while it goes on nor afterwards', async () => {
    const service = new AbortController();
    // V8 keeps a few of the first ones that it sees for itself, on Node 24, however many streams follow
    await keptOf(service.signal);
    const { most, afterwards } = await keptOf(service.signal);
    expect(most).toBeLessThan(40); // what is buffered and under way
    expect(afterwards).toBeLessThan(3);
    expect(getEventListeners(service.signal, 'abort')).toEqual([]);
  });

  /** How many chunks of a stream are in memory, at most while it goes on, and when it is over. */
  async function keptOf(stopping: AbortSignal): Promise<{ most: number; afterwards: number }> {
    const chunks: WeakRef<ArrayBufferLike>[] = [];
    const alive = async (): Promise<number> => {
      await setImmediate(); // what was looked at in this turn counts as used
      collectGarbage();
      return chunks.filter((chunk) => chunk.deref()).length;
    };
    let most = 0;
    const body = Readable.from(
      (async function* () {
        for (let i = 0; i < CHUNKS; i++) {
          const chunk = Buffer.from(CHUNK);
          chunks.push(new WeakRef(chunk.buffer));
          yield chunk;
          if (i % 20 === 19) most = Math.max(most, await alive());
        }
      })(),
    );
    let answered = '';
    for await (const text of recordStream({ hasRoom: () => true } as unknown as EventIntake, {
      ...{ body, ledger: 'main', caller: {} as Principal, requestId: 'r', stopping },
      onFault: (error) => {
        throw error;
      },
    })) {
      answered = text;
    }
    expect(JSON.parse(answered)).toEqual({
      end: {
        lines: String(CHUNKS * LINES),
        recorded: '0',
        repeated: '0',
        refused: String(CHUNKS * LINES),
        reason: 'complete',
      },
    });
    return { most, afterwards: await alive() };
  }

  it('ends when the service stops, with the answers to what it has read', async () => {
    const service = new AbortController();
    const body = Readable.from(
      (async function* () {
        yield Buffer.from(CHUNK);
        await new Promise(() => undefined); // a client that says no more
      })(),
    );
    const answers: string[] = [];
    for await (const text of recordStream({ hasRoom: () => true } as unknown as EventIntake, {
      ...{ body, ledger: 'main', caller: {} as Principal, requestId: 'r', stopping: service.signal },
      onFault: () => undefined,
    })) {
      answers.push(text);
      if (answers.length === LINES / 2) service.abort();
    }
    expect(answers).toHaveLength(LINES + 1);
    expect(JSON.parse(answers.at(-1)!)).toMatchObject({ end: { lines: String(LINES), reason: 'shutting-down' } });
  });
});
