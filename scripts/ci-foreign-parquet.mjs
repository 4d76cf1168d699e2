// What only CI has: the archive's files read by a Parquet reader that is none of ours and shares no line with it (the
// Parquet and Arrow implementations in Rust, as parquet-wasm). Starts the service on a folder of its own, records events
// of every form, some of them in a month that is over and sealed, exports them, and compares each row of the shipped files
// with what the API says of the event: early objects, those of the month, and the index of its entities. Takes the
// folder in which parquet-wasm and apache-arrow are installed.
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';

const PAST_EVENTS = 2_500; // more than a row group
const EVENTS = 5_000; // more than two

const [readers] = process.argv.slice(2);
if (readers === undefined) throw new Error('usage: node scripts/ci-foreign-parquet.mjs <folder with the readers>');
const require = createRequire(join(readers, 'package.json'));
const { readParquet } = require('parquet-wasm/node');
const { tableFromIPC } = require('apache-arrow');

/** Events of every form that the columns distinguish. */
function eventOf(i) {
  const second = String(i % 60).padStart(2, '0');
  return {
    event_id: randomUUID(),
    timestamp: `2026-06-02T08:15:${second}${['', '.5', '.123456', '.123456789', '.000000001'][i % 5]}Z`,
    event_type: ['order_lifecycle', 'user_action'][i % 2],
    entity_type: 'order',
    entity_id: `O-${i % 97} é \u{1F600}`,
    action: 'create',
    user_id: `trader-${i % 7}`,
    previous_state: i % 3 === 0 ? { quantity: '1' } : null,
    new_state: { symbol: 'AAPL', price: '585.33', n: i / 7, nested: [null, true, { deep: 'é' }] },
    metadata: i % 4 === 0 ? {} : { reason: `number ${i} "\\ \u{1F600}`, large: 1.5e21, small: 1e-7 },
    ...(i % 9 === 0 ? { source: 'oms', source_session: '2026-06-02', source_sequence: '9223372036854775807' } : {}),
    ...(i % 10 === 0 ? { raw: { media_type: 'text/plain', data: Buffer.from(`raw ${i}`).toString('base64') } } : {}),
    ...(i % 11 === 0 ? { corrects: randomUUID() } : {}),
  };
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const uuid = (bytes) => hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** Of a time as apache-arrow gives it, milliseconds with a fraction that is exact to the microsecond, and what is below. */
function timeOf(milliseconds, nanos, digits) {
  const whole = BigInt(Math.round(milliseconds * 1000));
  const seconds = new Date(Number(whole / 1_000_000n) * 1000).toISOString().slice(0, 19);
  const decimals = String(whole % 1_000_000n).padStart(6, '0') + String(nanos).padStart(3, '0');
  return `${seconds}${digits === 0 ? '' : `.${decimals.slice(0, digits)}`}Z`;
}

/** A row as docs/archive.md describes it, in the form in which the API shows the event. */
function shown(row) {
  const given = (name, value) => (row[name] === null ? {} : { [name]: value ?? String(row[name]) });
  return {
    event_id: uuid(row.event_id),
    timestamp: timeOf(row.timestamp, row.timestamp_nanos, Number(row.timestamp_digits)),
    ...Object.fromEntries(
      ['event_type', 'entity_type', 'entity_id', 'action', 'user_id', 'recorded_by'].map((name) => [name, row[name]]),
    ),
    previous_state: row.previous_state === null ? null : JSON.parse(row.previous_state),
    new_state: row.new_state === null ? null : JSON.parse(row.new_state),
    metadata: JSON.parse(row.metadata),
    ...given('source'),
    ...given('source_session'),
    ...given('source_sequence'),
    ...(row.corrects === null ? {} : { corrects: uuid(row.corrects) }),
    ...(row.raw_data === null
      ? {}
      : { raw: { media_type: row.raw_media_type, data: Buffer.from(row.raw_data).toString('base64') } }),
    sequence: String(row.sequence),
    recorded_at: timeOf(row.recorded_at, 0, 6),
    content_hash: hex(row.content_hash),
    salt: hex(row.salt),
    event_hash: hex(row.event_hash),
  };
}

/** Records events as though it were done at the earlier time, by the function that the service records with. */
async function recordInThePast(admin, build, at, events) {
  const { importFrom } = await import('../bench/processes.mjs');
  const { appendEvents } = await importFrom(build, 'src/events/appender.sql.js');
  const { prepareEvent } = await importFrom(build, 'src/events/prepared-event.js');
  const { toContent } = await importFrom(build, 'src/integrity/event.js');
  await admin.query(`CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
    SET search_path = pg_catalog
    AS $$ SELECT coalesce(nullif(current_setting('test.now', true), '')::timestamptz, clock_timestamp()) $$`);
  await admin.query('SELECT create_month($1::date)', [`${at.slice(0, 7)}-01`]);
  await admin.query(`SELECT set_config('test.now', $1, false)`, [at]);
  const prepared = events.map((event) => prepareEvent(toContent(event), 'service'));
  const requests = prepared.map((_, i) => i);
  await appendEvents(admin, { ledger: 'main', maxAheadMs: 1_000, events: prepared, requests });
}

/** The rows of every file of a kind, of one ledger. */
function* rowsOf(folder, kind) {
  const names = readdirSync(join(folder, 'archive', kind)).filter((name) => name.endsWith('.parquet'));
  for (const name of names) {
    const table = tableFromIPC(readParquet(readFileSync(join(folder, 'archive', kind, name))).intoIPCStream());
    for (const each of table) {
      const row = each.toJSON();
      if (row.ledger === 'main') yield { name, row };
    }
  }
}

/** Throws unless the files of a kind hold the events from 1 to `count`, each as the API shows it. */
function compareEvents(folder, kind, answered, count) {
  const compared = new Set();
  for (const { name, row } of rowsOf(folder, kind)) {
    const fromArchive = shown(row);
    const { format, origin, previous_event_hash: previous, ...fromApi } = answered.get(fromArchive.sequence) ?? {};
    if (!isDeepStrictEqual(fromArchive, fromApi)) {
      throw new Error(
        `event ${fromArchive.sequence} of ${name} is\n${JSON.stringify(fromArchive)}\nnot\n${JSON.stringify(fromApi)}`,
      );
    }
    // what no column holds is the file's own: the link, which is the hash of the row before
    const before = answered.get(String(BigInt(fromArchive.sequence) - 1n))?.event_hash ?? null;
    if (format !== 'truetrail/1' || !origin || previous !== before)
      throw new Error(`event ${fromArchive.sequence} is not linked`);
    compared.add(fromArchive.sequence);
  }
  requireAll(kind, compared, count);
}

/** Throws unless the index lists the events from 1 to `count`, each under its entity. */
function compareEntities(folder, answered, count) {
  const compared = new Set();
  for (const { name, row } of rowsOf(folder, 'entities')) {
    const event = answered.get(String(row.sequence));
    const own = [row.entity_type, row.entity_id, row.is_correction];
    if (!isDeepStrictEqual(own, [event?.entity_type, event?.entity_id, event?.corrects !== undefined]))
      throw new Error(`event ${row.sequence} of ${name} is listed as ${own}`);
    compared.add(String(row.sequence));
  }
  requireAll('entities', compared, count);
}

function requireAll(kind, compared, count) {
  if (compared.size !== count) throw new Error(`${compared.size} events are in the files of ${kind}, not ${count}`);
}

await ensureInstalled();
const build = ensureBuilt({ hold: true });
const { Cleanup, KEY, startDatabase, startService, temporaryFolder } = await import('../bench/processes.mjs');
const { default: pg } = await import('pg');
const cleanup = new Cleanup();
try {
  const folder = temporaryFolder(cleanup);
  const database = await startDatabase({ build, dataDir: join(folder, 'data'), cleanup });
  const env = { ARCHIVE_URL: `file:${join(folder, 'archive')}`, LOG_LEVEL: 'warn' };
  const { url } = await startService({ build, database, folder, cleanup, env });
  const call = async (method, path, { body, accept = 'application/json' } = {}) => {
    const headers = { authorization: `Bearer ${KEY}`, accept };
    if (body) headers['content-type'] = 'application/json';
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
    return text;
  };
  const runJob = async (job) => {
    const { id } = JSON.parse(await call('POST', `/v1/jobs/${job}/runs`));
    for (let run; run?.status !== 'done'; await new Promise((resolve) => setTimeout(resolve, 200))) {
      run = JSON.parse(await call('GET', `/v1/jobs/${job}/runs/${id}`));
      if (!['queued', 'running', 'done'].includes(run.status)) throw new Error(`${job}: ${JSON.stringify(run)}`);
    }
  };
  const events = Array.from({ length: EVENTS }, (_, i) => eventOf(i));
  const now = new Date();
  const past = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 15, 12)).toISOString();
  const admin = new pg.Client({ connectionString: adminUrl(database), options: '-c TimeZone=UTC' });
  await admin.connect();
  try {
    await recordInThePast(admin, build, past, events.slice(0, PAST_EVENTS));
  } finally {
    await admin.end();
  }
  await call('POST', '/v1/ledgers/main/events/batch', { body: { events: events.slice(PAST_EVENTS) } });
  await runJob('partition-maintenance');
  await runJob('archive-export');
  const answered = new Map(
    (await call('GET', '/v1/ledgers/main/events', { accept: 'application/x-ndjson' }))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .filter(({ sequence }) => sequence !== undefined)
      .map((event) => [event.sequence, event]),
  );
  if (answered.size !== EVENTS) throw new Error(`the API answers with ${answered.size} events of ${EVENTS}`);

  compareEvents(folder, 'early', answered, EVENTS);
  compareEvents(folder, 'month', answered, PAST_EVENTS);
  compareEntities(folder, answered, PAST_EVENTS);
  console.log(
    `a foreign reader finds all ${EVENTS} events, and the ${PAST_EVENTS} of a sealed month once more and in its index, as the API shows them`,
  );
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await cleanup.run();
}

/** As the superuser, in the service's database. */
function adminUrl({ adminUrl: url, ownerUrl }) {
  return Object.assign(new URL(url), { pathname: new URL(ownerUrl).pathname }).href;
}
