import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isEventsKind } from './archive-format.js';
import { readFooter } from './archive-object.js';
import type { ArchiveTask, ResultOf } from './archive-tasks.js';
import type { ArchiveThread } from './archive-thread.js';
import { withFile } from './local-file.js';
import type { ObjectDescription, ObjectStore } from './object-store.js';
import type { FoundObject, KnownObject } from './rebuild-choice.js';
import type { GroupToCopy, RowsToCopy } from './rows-to-copy.js';

/** Which events of an object are taken, and which of these stay in the archive. */
export interface Borders {
  /** of each ledger the last event that comes from the object of a month: early ones are taken from there on */
  monthEnds: ReadonlyMap<string, bigint>;
  /** of each ledger the last event of which the key alone is taken */
  archivedTo: ReadonlyMap<string, bigint>;
}

/** What is to be done next: rows of an object to be entered, or, once it has no more of them, the object itself. */
export type Step =
  | { found: FoundObject; rows: Promise<RowsToCopy> }
  | { found: FoundObject; described: Promise<ObjectDescription> }
  | { removed: NonNullable<KnownObject['removed']> };

export interface RowsMeans {
  store: ObjectStore;
  threads: readonly ArchiveThread[];
  /** for a file for each object that is being read */
  folder: string;
}

/** Of 2,048 events each, or some MB: a task is long enough that reading the footer again does not show. */
const GROUPS_PER_TASK = 2;
/** So many steps are begun before the first of them is waited for: each holds the rows of one task in memory. */
const STEPS_A_THREAD = 4;

/** The steps that enter these objects, in their order. Those to come are prepared on all threads while one is done. */
export async function* stepsOf(
  objects: readonly KnownObject[],
  borders: Borders,
  means: RowsMeans,
): AsyncGenerator<Step> {
  const threads = new SharedThreads(means.threads);
  const steps = beginSteps(objects, borders, means, threads);
  const begun: Promise<IteratorResult<Step>>[] = [];
  try {
    for (;;) {
      while (begun.length < STEPS_A_THREAD * means.threads.length) {
        const next = steps.next();
        next.catch(() => undefined); // whoever comes to it is told
        begun.push(next);
      }
      const next = await begun.shift()!;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await steps.return(undefined);
    await threads.idle();
  }
}

async function* beginSteps(
  objects: readonly KnownObject[],
  borders: Borders,
  { store, folder }: RowsMeans,
  threads: SharedThreads,
): AsyncGenerator<Step, undefined> {
  for (const { found, removed } of objects) {
    if (removed) {
      yield { removed };
      continue;
    }
    const described = store.describe(found.version);
    described.catch(() => undefined); // whoever comes to it is told
    if (holdsWanted(found, borders)) {
      const { bytes, manifest } = found.encoded;
      const file = join(folder, `rows-${manifest.number}`);
      await pipeline(Readable.from(store.read(found.version)), createWriteStream(file));
      const groups = await groupsToCopy(file, found, borders);
      const read: Promise<RowsToCopy>[] = [];
      for (let at = 0; at < groups.length; at += GROUPS_PER_TASK) {
        const part = groups.slice(at, at + GROUPS_PER_TASK);
        const rows = threads.run({ kind: 'rows-to-copy', file, bytes, groups: part });
        rows.catch(() => undefined);
        read.push(rows);
        yield { found, rows };
      }
      void Promise.allSettled(read).then(() => rm(file, { force: true }).catch(() => undefined));
    }
    yield { found, described };
  }
  return undefined;
}

function holdsWanted({ encoded }: FoundObject, { monthEnds }: Borders): boolean {
  const { kind, ranges } = encoded.manifest;
  if (!isEventsKind(kind)) return false;
  return kind === 'month' || ranges.some(({ ledger, to_sequence: to }) => BigInt(to) > (monthEnds.get(ledger) ?? 0n));
}

/** The row groups of an object of events of which something is taken. */
async function groupsToCopy(
  path: string,
  { encoded: { bytes, manifest } }: FoundObject,
  { monthEnds, archivedTo }: Borders,
): Promise<GroupToCopy[]> {
  const { row_groups: groups } = await withFile(path, bytes, async (file) => (await readFooter(file)).manifest);
  return groups.flatMap(({ ledger, from_sequence: from, events }, group) => {
    const keysFrom = manifest.kind === 'month' ? 1n : (monthEnds.get(ledger) ?? 0n) + 1n;
    const rowsFrom = (archivedTo.get(ledger) ?? 0n) + 1n;
    return BigInt(from) + BigInt(events) > keysFrom ? [{ group, keysFrom, rowsFrom }] : [];
  });
}

/** Gives each task to the first thread that is free. */
class SharedThreads {
  private readonly free: ArchiveThread[];
  private readonly waiting: ((thread: ArchiveThread) => void)[] = [];
  private readonly running = new Set<Promise<unknown>>();

  constructor(threads: readonly ArchiveThread[]) {
    this.free = [...threads];
  }

  run<T extends ArchiveTask>(task: T): Promise<ResultOf<T>> {
    const running = this.runOnOne(task);
    this.running.add(running);
    void running.catch(() => undefined).then(() => this.running.delete(running));
    return running;
  }

  /** Resolves once nothing is under way any more, however it ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.running);
  }

  private async runOnOne<T extends ArchiveTask>(task: T): Promise<ResultOf<T>> {
    const thread = this.free.pop() ?? (await new Promise<ArchiveThread>((resolve) => this.waiting.push(resolve)));
    try {
      return await thread.run(task);
    } finally {
      const next = this.waiting.shift();
      if (next) next(thread);
      else this.free.push(thread);
    }
  }
}
