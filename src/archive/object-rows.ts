import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isEventsKind } from './archive-format.js';
import { readFooter } from './archive-object.js';
import type { ArchiveThread } from './archive-thread.js';
import { withFile } from './local-file.js';
import type { ObjectDescription, ObjectStore } from './object-store.js';
import type { FoundObject, KnownObject } from './rebuild-choice.js';
import { bytesOfRows, type GroupToCopy, type RowsToCopy } from './rows-to-copy.js';
import { SharedThreads } from './shared-threads.js';

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
/** So many steps are begun before the first of them is waited for. */
const STEPS_A_THREAD = 4;
/** Of rows that wait to be entered: of events of 1 kB those of some fifteen tasks, of the largest ones those of one. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** The steps that enter these objects, in their order. Those to come are prepared on all threads while one is done. */
export async function* stepsOf(
  objects: readonly KnownObject[],
  borders: Borders,
  means: RowsMeans,
): AsyncGenerator<Step> {
  const threads = new SharedThreads(means.threads, MAX_HELD_BYTES, bytesOfRows);
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
      if ('rows' in next.value) threads.taken(await next.value.rows);
    }
  } finally {
    const closed = threads.close();
    await steps.return(undefined);
    await closed;
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
