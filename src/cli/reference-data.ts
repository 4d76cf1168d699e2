import { readFile } from 'node:fs/promises';
import type { Config } from '../config/config.js';
import { BulkReads } from '../events/bulk-reads.js';
import { csvLine } from '../http/csv.js';
import { formatMicros } from '../integrity/timestamp.js';
import { columnsOf, flatten, readInstant } from '../reference-data/change.js';
import { ReferenceData, type Imported } from '../reference-data/reference-data.js';
import { MAX_FILE_BYTES } from '../reference-data/reference-file.js';
import { withService } from './service-work.js';

const PAGE = 500;

/** Records the changes of a file. Throws an Error for the operator, and a Problem with every mistake. */
export async function importFile(config: Config, kindName: string, file: string, isDryRun: boolean): Promise<Imported> {
  const bytes = await readFile(file);
  if (bytes.length > MAX_FILE_BYTES)
    throw new Error(`${file} is larger than the ${MAX_FILE_BYTES} bytes that are taken`);
  return withService(config, ReferenceData, [BulkReads], async (data, operator) =>
    data.import(operator, data.kind(kindName), bytes, isDryRun),
  );
}

/** Prints the entries that are there at a time as CSV, or each as a line of JSON. */
export async function listEntries(
  config: Config,
  kindName: string,
  { validAt: at, asOf, json }: { validAt: string | undefined; asOf: string | undefined; json: boolean },
  print: (line: string) => void,
): Promise<void> {
  const instant = at === undefined ? { time: formatMicros(Date.now() * 1000) } : readInstant(at);
  if ('mistake' in instant) throw new Error(`--valid-at ${instant.mistake}`);
  await withService(config, ReferenceData, [BulkReads], async (data) => {
    const kind = data.kind(kindName);
    const upTo = await data.revision(asOf);
    const columns = columnsOf(kind);
    if (!json) print(csvLine(columns).trimEnd());
    for (let after = ''; ;) {
      const page = await data.list(kind, { validAt: instant.time, upTo, after, limit: PAGE });
      for (const entry of page) {
        const flat = flatten(kind, entry);
        print(json ? JSON.stringify(entry) : csvLine(columns.map((column) => flat[column] ?? null)).trimEnd());
      }
      if (page.length < PAGE) return;
      after = page.at(-1)!.entry_id;
    }
  });
}
