// `npm run sizing -- --events-per-day N` prints how much of everything an installation of that size takes, and with unit prices
// what that costs a month. What goes in was measured (docs/performance.md, docs/where-time-goes.md, docs/backup-and-restore.md)
// or is an assumption, and each can be given otherwise: docs/sizing.md.
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';

/** What can be given, and what is taken without it. */
export const INPUTS = {
  'events-per-day': { unit: 'events of a trading day' },
  'days-per-year': { value: 252, unit: 'trading days' },
  'hours-per-day': { value: 9, unit: 'hours in which they come' },
  'peak-factor': { value: 10, unit: 'the busiest second, against the mean of those hours' },
  'online-months': { value: 12, unit: 'ONLINE_MONTHS' },
  'retention-years': { value: 7, unit: 'ARCHIVE_RETENTION_YEARS' },
  'backup-days': { value: 35, unit: 'days for which WAL is locked' },
  'base-backups': { value: 35, unit: 'base backups that are kept, one a night' },
  'database-copies': { value: 3, unit: 'PostgreSQL and its standbys' },
  replicas: { value: 3, unit: 'replicas of the service' },
  'row-bytes': { value: 1088, unit: 'B an event, table and indexes: measured' },
  'key-bytes': { value: 108, unit: 'B an event, its key: measured, with UUIDv7' },
  'wal-bytes': { value: 2746, unit: 'B of WAL an event: measured, batches of 500' },
  'archived-bytes': { value: 102, unit: 'B an event, archived: measured, of made events, which are alike' },
  'index-bytes': { value: 5, unit: 'B an event in the index of entities: measured, random ids, eight events each' },
  'single-rate': { value: 4125, unit: 'events/s of 64 clients, one each: measured' },
  'batch-rate': { value: 11371, unit: 'events/s in batches of 500: measured' },
  'verify-rate': { value: 44725, unit: 'events/s verified in PostgreSQL: measured' },
  'verify-archive-rate': { value: 29217, unit: 'events/s verified in the archive: measured' },
  'segment-seconds': { value: 2.2, unit: 's to archive a segment of WAL of 16 MiB: measured' },
};

/** What a price may be given for, and of which quantity it is the price. */
export const PRICES = {
  'database-gb': 'a GB of the database disk, a month',
  'backup-gb': 'a GB of WAL and base backups, a month',
  'archive-gb': 'a GB of the archive, a month',
  'put-1000': 'a thousand requests that write',
  'get-1000': 'a thousand requests that read',
  core: 'a processor core, a month',
  'memory-gb': 'a GB of memory, a month',
};

/** As written by the service: docs/archive.md. */
const EARLY_OBJECT_EVENTS = 32_768;
const MONTH_OBJECT_EVENTS = 250_000;
const EARLY_OBJECT_MINUTES = 5;
/** Early objects stay until 60 days after their month: its own and two more. */
const EARLY_MONTHS = 3;
const DIGEST_BYTES = 32;
/** Digests are kept for five years longer. */
const DIGEST_YEARS_MORE = 5;
const ANCHORS_PER_YEAR = 365 * 24 * 60;
/** Measured of one with the checkpoints of two ledgers. */
const ANCHOR_BYTES = 900;
/** An object is written, its versions are listed, and it is read back. */
const LISTS_AN_OBJECT = 1;
const VERIFIED_WITHIN_DAYS = 30;
const WAL_SEGMENT_BYTES = 16 * 2 ** 20;
/** What the chart asks for: helm/truetrail/values.yaml. */
const CORES_A_REPLICA = 0.5;
const MEMORY_A_REPLICA_GB = 2;
const CONNECTIONS_A_REPLICA = 40;
/** Of two cores, in batches of 500 and, for one event each, what service and PostgreSQL compute of one (where-time-goes.md). */
const CORE_SECONDS_AN_EVENT = { batches: 2 / 11371, single: 0.00097 + 0.00082 };

/**
 * The quantities of an installation, in events, bytes, seconds and whole requests, once it has run for as long as records are
 * kept. `inputs` has a number for each of INPUTS.
 */
export function size(inputs) {
  const aYear = inputs['events-per-day'] * inputs['days-per-year'];
  const aMonth = aYear / 12;
  const mean = inputs['events-per-day'] / (inputs['hours-per-day'] * 3600);
  const peak = mean * inputs['peak-factor'];
  // a month leaves when so many have passed since its end: the current one, and those
  const online = aMonth * (inputs['online-months'] + 1);
  const kept = aYear * inputs['retention-years'];
  const archiveObjects = Math.ceil(kept / MONTH_OBJECT_EVENTS);
  const database = online * inputs['row-bytes'] + kept * inputs['key-bytes'];
  const wal = inputs['events-per-day'] * inputs['wal-bytes'];
  const earlyADay = Math.max(
    (inputs['hours-per-day'] * 60) / EARLY_OBJECT_MINUTES,
    inputs['events-per-day'] / EARLY_OBJECT_EVENTS,
  );
  // of a month's objects: events and digests
  const written = (earlyADay * inputs['days-per-year'] + (2 * aYear) / MONTH_OBJECT_EVENTS + ANCHORS_PER_YEAR) / 12;
  const archive =
    (kept + aMonth * EARLY_MONTHS) * inputs['archived-bytes'] +
    kept * inputs['index-bytes'] +
    aYear * (inputs['retention-years'] + DIGEST_YEARS_MORE) * DIGEST_BYTES +
    ANCHORS_PER_YEAR * inputs['retention-years'] * ANCHOR_BYTES;
  return {
    events: { aDay: inputs['events-per-day'], aYear, online, kept },
    rates: {
      mean,
      peak,
      ofSingles: peak / inputs['single-rate'],
      ofBatches: peak / inputs['batch-rate'],
      cores: { batches: peak * CORE_SECONDS_AN_EVENT.batches, single: peak * CORE_SECONDS_AN_EVENT.single },
    },
    database: {
      bytes: database,
      keyBytes: kept * inputs['key-bytes'],
      allCopies: database * inputs['database-copies'],
    },
    wal: {
      aDay: wal,
      atPeak: peak * inputs['wal-bytes'],
      kept: (wal * inputs['days-per-year'] * inputs['backup-days']) / 365,
      archivable: WAL_SEGMENT_BYTES / inputs['segment-seconds'],
    },
    baseBackups: { bytes: database * inputs['base-backups'] },
    archive: {
      bytes: archive,
      objects: archiveObjects,
      written,
      read: written + (2 * archiveObjects * 365) / 12 / VERIFIED_WITHIN_DAYS,
      listed: written * LISTS_AN_OBJECT,
    },
    hours: {
      verifyOnline: online / inputs['verify-rate'] / 3600,
      verifyArchived: Math.max(kept - online, 0) / inputs['verify-archive-rate'] / 3600,
      verifyThirtieth: kept / VERIFIED_WITHIN_DAYS / inputs['verify-archive-rate'] / 3600,
    },
    replicas: {
      cores: inputs.replicas * CORES_A_REPLICA,
      memoryGb: inputs.replicas * MEMORY_A_REPLICA_GB,
      connections: (inputs.replicas + 1) * CONNECTIONS_A_REPLICA,
    },
  };
}

/** What each priced quantity comes to a month, by the name of its price; in whatever money the prices are. */
export function monthlyCost(sizes, prices) {
  const gb = (bytes) => bytes / 1e9;
  const quantities = {
    'database-gb': gb(sizes.database.allCopies),
    'backup-gb': gb(sizes.wal.kept + sizes.baseBackups.bytes),
    'archive-gb': gb(sizes.archive.bytes),
    'put-1000': (sizes.archive.written + sizes.archive.listed) / 1000,
    'get-1000': sizes.archive.read / 1000,
    core: sizes.replicas.cores,
    'memory-gb': sizes.replicas.memoryGb,
  };
  return Object.entries(prices).map(([name, price]) => ({
    name,
    quantity: quantities[name],
    price,
    cost: quantities[name] * price,
  }));
}

/** Numbers for INPUTS and PRICES from a command line. Throws an Error whose message is for the caller. */
export function readInputs(args) {
  const options = Object.fromEntries(Object.keys(INPUTS).map((name) => [name, { type: 'string' }]));
  const { values } = parseArgs({ args, options: { ...options, price: { type: 'string', multiple: true } } });
  const inputs = {};
  for (const [name, { value }] of Object.entries(INPUTS)) {
    const given = values[name] === undefined ? value : positive(values[name]);
    if (given === undefined) throw new Error(`--${name} must be ${name in values ? 'a number above 0' : 'given'}`);
    inputs[name] = given;
  }
  const prices = {};
  for (const text of values.price ?? []) {
    const [name, price] = text.split('=');
    if (!(name in PRICES) || positive(price) === undefined) {
      throw new Error(`--price must be NAME=NUMBER, and NAME one of ${Object.keys(PRICES).join(', ')}: ${text}`);
    }
    prices[name] = positive(price);
  }
  return { inputs, prices };
}

function positive(text) {
  return /^\d+(\.\d+)?$/.test(text ?? '') && Number(text) > 0 ? Number(text) : undefined;
}

/** The lines that are printed. */
export function report(inputs, prices) {
  const sizes = size(inputs);
  const { events, rates, database, wal, baseBackups, archive, hours, replicas } = sizes;
  const lines = [
    ['events a year; online at most; kept', `${count(events.aYear)}; ${count(events.online)}; ${count(events.kept)}`],
    ['rate: mean of the hours; peak', `${count(rates.mean)}/s; ${count(rates.peak)}/s`],
    [
      'the peak, of one ledger by single events; by batches',
      `${percent(rates.ofSingles)}; ${percent(rates.ofBatches)}`,
    ],
    [
      'cores at the peak, service and PostgreSQL: batches; one client',
      `${rates.cores.batches.toFixed(1)}; ${rates.cores.single.toFixed(1)}`,
    ],
    [
      'PostgreSQL: each copy (keys in it); all copies',
      `${bytes(database.bytes)} (${bytes(database.keyBytes)}); ${bytes(database.allCopies)}`,
    ],
    ['WAL: a day; kept; at the peak', `${bytes(wal.aDay)}; ${bytes(wal.kept)}; ${bytes(wal.atPeak)}/s`],
    ['WAL that one archiver gets away (measured)', `${bytes(wal.archivable)}/s`],
    ['base backups, uncompressed', bytes(baseBackups.bytes)],
    ['archive', bytes(archive.bytes)],
    ['archive: objects of months (and as many of digests)', count(archive.objects)],
    [
      'archive: written; listed; read a month',
      `${count(archive.written)}; ${count(archive.listed)}; ${count(archive.read)}`,
    ],
    [
      'hours to verify: online; archived; a thirtieth of all',
      `${hours.verifyOnline.toFixed(1)}; ${hours.verifyArchived.toFixed(1)}; ${hours.verifyThirtieth.toFixed(1)}`,
    ],
    [
      'replicas ask for: cores; memory at most; connections',
      `${replicas.cores}; ${replicas.memoryGb} GB; ${replicas.connections}`,
    ],
  ];
  const costs = monthlyCost(sizes, prices);
  for (const { name, quantity, price, cost } of costs) {
    lines.push([`${name}: quantity × price`, `${quantity.toFixed(1)} × ${price} = ${cost.toFixed(2)}`]);
  }
  if (costs.length > 0)
    lines.push(['a month, of what has a price', costs.reduce((sum, { cost }) => sum + cost, 0).toFixed(2)]);
  const width = Math.max(...lines.map(([what]) => what.length));
  return lines.map(([what, is]) => `${what.padEnd(width)}  ${is}`).join('\n');
}

function count(number) {
  return (number < 100 ? Number(number.toPrecision(3)) : Math.round(number)).toLocaleString('en-US');
}

function percent(share) {
  return `${(share * 100).toFixed(0)} %`;
}

function bytes(number) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(Math.max(Math.floor(Math.log10(number) / 3), 0), units.length - 1);
  return `${Number((number / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const { inputs, prices } = readInputs(process.argv.slice(2));
    console.log(report(inputs, prices));
  } catch (error) {
    const list = (of) => Object.entries(of).map(([name, text]) => `  ${name.padEnd(20)} ${text}`);
    console.error(
      `${error.message}\n\nnpm run sizing -- --events-per-day N [--NAME NUMBER]... [--price NAME=NUMBER]...`,
    );
    const inputs = Object.entries(INPUTS).map(([name, { value, unit }]) => [name, `${value ?? ''} ${unit}`.trim()]);
    console.error([...list(Object.fromEntries(inputs)), 'prices:', ...list(PRICES)].join('\n'));
    process.exitCode = 2;
  }
}
