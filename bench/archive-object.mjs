// `node bench/archive-object.mjs`: the processor time that an archive object takes, without database and store: encoding
// it, recomputing it as a whole when it is read back, and reading one event of it; beside hashing the same records. Each
// round is printed, since the compiler sees the code for the first time in the first one, as an export's threads do.
import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { ensureInstalled } from '../scripts/install.mjs';
import { LIMIT_LEDGER, LimitRows } from './limit-rows.mjs';
import { OrderEvents } from './order-events.mjs';
import { Cleanup, importFrom, temporaryFolder } from './processes.mjs';

const USAGE = `node bench/archive-object.mjs [--events N] [--rounds N] [--build DIR]

  --events N    events of the object (40000)
  --rounds N    how often all is done (3)
  --build DIR   a build that was made earlier (dist/<digest>), to compare two
`;
const ORIGIN = 'localhost/bench/bench-limit';
/** Single events that are read in each round, and of which row of their row groups. */
const SINGLE_READS = 20;
const PLACE = 100;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '40000' },
    rounds: { type: 'string', default: '3' },
    build: { type: 'string' },
  },
});
const [events, rounds] = [Number(values.events), Number(values.rounds)];
if (!(events >= 1_000 && rounds >= 1)) {
  process.stderr.write(USAGE);
  process.exit(1);
}

await ensureInstalled();
const build = values.build === undefined ? ensureBuilt({ hold: true }) : resolve(values.build);
const load = (path) => importFrom(build, `src/${path}`);
const event = await load('integrity/event.js');
const { contentOf, envelopeOf } = await load('integrity/stored-event.js');
const { ArchiveObjectWriter, readFooter, readRowGroup, verifyObject } = await load('archive/archive-object.js');
const { loadCompression } = await load('archive/parquet-file.js');
await loadCompression();

const cleanup = new Cleanup();
try {
  const file = join(temporaryFolder(cleanup), 'object');
  const rows = await makeRows(events);
  for (let round = 1; round <= rounds; round++) {
    console.log(`round ${round}`);
    await timed('hashing', 'an event', events, () => hashAll(rows));
    await timed('encoding', 'an event', events, () => encode(file, rows));
    const bytes = statSync(file).size;
    const handle = await open(file);
    try {
      const source = { byteLength: bytes, slice: (from, to = bytes) => part(handle, from, to) };
      await timed('verifying', 'an event', events, () => verifyObject(source));
      await timed('metadata', 'an object', SINGLE_READS, () => many(() => readFooter(source)));
      const footer = await readFooter(source);
      await timed('one event', 'a read', SINGLE_READS, () =>
        many((i) => readRowGroup(source, footer, i % (footer.manifest.row_groups.length - 1), [PLACE])),
      );
    } finally {
      await handle.close();
    }
    console.log(`  ${(bytes / events).toFixed(1)} bytes an event`);
  }
} finally {
  await cleanup.run();
}

/** Rows as the exporter reads them, with true hashes. */
async function makeRows(count) {
  const [{ uuidv7 }, { parseTimestamp }, { readJson }, { storedJson }] = await Promise.all([
    load('database/uuidv7.js'),
    load('integrity/timestamp.js'),
    load('integrity/strict-json.js'),
    load('integrity/stored-json.js'),
  ]);
  // as jsonb prints it: a blank behind commas and colons; no text of these events has one
  const jsonb = (text) =>
    text === null ? null : storedJson(readJson(text)).replaceAll('":', '": ').replaceAll(',"', ', "');
  return new LimitRows(new OrderEvents(uuidv7), event).take(count).map((cells) => ({
    sequence: cells[1],
    recorded_at: parseTimestamp(cells[2]).micros,
    timestamp: parseTimestamp(cells[3]).micros,
    event_id: cells[4],
    corrects: cells[5],
    timestamp_nanos: cells[6],
    timestamp_digits: cells[7],
    event_type: cells[8],
    entity_type: cells[9],
    entity_id: cells[10],
    action: cells[11],
    user_id: cells[12],
    previous_state: jsonb(cells[13]),
    new_state: jsonb(cells[14]),
    metadata: jsonb(cells[15]),
    source: cells[16] ?? null,
    source_session: cells[17] ?? null,
    source_sequence: cells[18] ?? null,
    raw_media_type: null,
    raw_data: null,
    recorded_by: cells[21],
    salt: cells[22],
    content_hash: cells[23],
    previous_event_hash: cells[24],
    event_hash: cells[25],
  }));
}

/** What bench's limit of verification does. */
function hashAll(rows) {
  for (const row of rows) {
    const content = event.contentHash(row.salt, event.canonicalContent(contentOf(row)).text);
    const hash = event.eventHash({ ...envelopeOf(row, ORIGIN), content_hash: content.toString('hex') });
    if (!hash.equals(row.event_hash)) throw new Error(`event ${row.sequence} has another hash`);
  }
}

function encode(file, rows) {
  const writer = new ArchiveObjectWriter(file, { kind: 'early', number: 1n });
  writer.begin({ ledger: LIMIT_LEDGER, origin: ORIGIN, fromSequence: 1n, previousEventHash: null });
  for (const row of rows) writer.add(row);
  writer.finish();
}

async function part(handle, from, to) {
  const bytes = Buffer.alloc(to - from);
  await handle.read(bytes, 0, bytes.length, from);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}

async function many(work) {
  for (let i = 0; i < SINGLE_READS; i++) await work(i);
}

/** Prints the processor time of this process, all of its threads, for each of `count`. */
async function timed(what, each, count, work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  const micros = (user + system) / count;
  const shown = micros >= 1_000 ? `${(micros / 1_000).toFixed(1)} ms` : `${micros.toFixed(1)} µs`;
  console.log(`  ${what.padEnd(10)} ${shown} ${each}`);
}
