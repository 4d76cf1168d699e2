// Rows about transaction reports: files of very many of them, and submissions of very many executions. Only when named.
// REPORTING_SCHEMAS names the folder of the authority's schemas, against which files are held then.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { importFrom } from './processes.mjs';
import { NotThereYet, peakOf } from './read-rows.mjs';
import { BATCH_EVENTS, BATCH_PATH, BATCHES_IN_FLIGHT, LEDGER, Trail } from './trail.mjs';

const SCHEMAS = process.env.REPORTING_SCHEMAS;
const HELD = SCHEMAS === undefined ? 'not held against schemas' : 'each piece held against the schemas';
/** As the thread has with the settings that the service ships with. */
const HEAP_MB = 512;
/** The most that settings allow. */
const MOST_MB = 4_000;
const MOST_REPORTS = 1_000_000;

/** Writes files of so many reports in a process of its own. */
async function writeFiles(trail, reports, fileReports) {
  const asked = { build: trail.build, reports, fileReports, fileMb: MOST_MB, schemas: SCHEMAS ?? null };
  const script = join(import.meta.dirname, 'report-file-run.mjs');
  const args = [`--max-old-space-size=${HEAP_MB}`, script, JSON.stringify(asked)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const made = JSON.parse(stdout);
  if (made.placed !== reports) throw new Error(`${made.placed} of ${reports} reports were written`);
  if (made.peakMb === null) throw new NotThereYet('peak memory is read from /proc, which only Linux has');
  return made;
}

/** Time, bytes and peak memory of so many reports in one file, and split; beside the peak of a tenth of them. */
export async function measureReportFiles(trail, { reportedInFile, reportedASplit }) {
  const small = Math.floor(reportedInFile / 10);
  const few = await writeFiles(trail, small, MOST_REPORTS);
  const rows = [];
  for (const [name, fileReports] of [
    ['one file', MOST_REPORTS],
    [`files of ${reportedASplit}`, reportedASplit],
  ]) {
    const made = await writeFiles(trail, reportedInFile, fileReports);
    const row = { row: 'report-files', target: 'printed', met: null };
    rows.push(
      {
        ...{ ...row, what: `auth.016 of ${reportedInFile} transactions in ${name}`, unit: 's', ours: made.seconds },
        note: `${HELD}; files ${made.files}, ${made.bytes} bytes, zip ${made.zipBytes} bytes`,
      },
      {
        ...{ ...row, what: 'the same: peak memory of the process', unit: 'MiB', ours: made.peakMb },
        ...{ limitName: `peak at ${small} transactions`, limit: few.peakMb, ratio: made.peakMb / few.peakMb },
        ...{ target: '≤ that + 64 MiB', met: made.peakMb <= few.peakMb + 64 },
        note: `resident at each tenth: ${made.residentMbByTenth.join(', ')}; highest heap ${made.heapPeakMb.toFixed(0)}`,
      },
    );
  }
  return rows;
}

const FIRM = '9695TESTFIRM00000112';
const SINCE = { valid_from: '2018-01-03' };
const ISIN = 'FR0000131104';
const REFERENCE = [
  ['legal-entity', { lei: FIRM, name: 'Test Firm', country: 'FR', investment_firm: 'yes' }],
  ['algorithm', { algorithm_id: 'MM7', version: '1', name: 'Market maker', purpose: 'both' }],
  [
    'venue',
    {
      ...{ mic: 'XPAR', name: 'A venue', operating_mic: 'XPAR', segment: 'OPRT', country: 'FR', category: 'RMKT' },
      central_counterparty: '9695TESTCCP000000149',
    },
  ],
  ['membership', { member_venue: `${FIRM}/XPAR`, reported_by: 'firm' }],
  ['instrument', { isin: ISIN, name: 'A share', cfi: 'ESVUFR', currency: 'EUR', listed_from: '2018-01-03' }],
];

function executionOf(eventId, day, number) {
  return {
    ...{ event_id: eventId, event_type: 'order_lifecycle', entity_type: 'order', entity_id: `${day}/${number}` },
    timestamp: `${day}T${String(8 + (number % 9)).padStart(2, '0')}:15:30.${String(number % 1_000_000).padStart(6, '0')}Z`,
    ...{ action: 'fill', user_id: 'trader-1' },
    new_state: { isin: ISIN, side: 'buy', exchange: 'XPAR', quantity: '250', price: '61.38', currency: 'EUR' },
    metadata: {
      ...{ trading_capacity: 'own_account', client_id_type: 'none', venue_transaction_id: `TV${number}` },
      execution_id: `X${number}`,
      ...{ investment_decision_maker: 'MM7', investment_decision_maker_type: 'algorithm' },
      ...{ execution_decision_maker: 'MM7', execution_decision_maker_type: 'algorithm' },
    },
  };
}

/** A day with so many executions. */
async function postDay(trail, day, count) {
  const { uuidv7 } = await importFrom(trail.build, 'src/database/uuidv7.js');
  trail.log(`  ${count} executions on ${day}`);
  await trail.withConnections(BATCHES_IN_FLIGHT, async (connections) => {
    for (let number = 0; number < count;) {
      const batches = [];
      for (let i = 0; i < BATCHES_IN_FLIGHT && number < count; i++) {
        const events = [];
        while (events.length < BATCH_EVENTS && number < count) events.push(executionOf(uuidv7(), day, number++));
        const request = connections[0].encode('POST', BATCH_PATH, JSON.stringify({ events }));
        batches.push({ request, events: events.length });
      }
      await trail.postBatches(connections, batches);
    }
  });
}

/** Seconds until a submission of a day is over. */
async function submit(trail, day, count) {
  const path = `/v1/ledgers/${LEDGER}/transaction-reports/submissions`;
  const begun = performance.now();
  const asked = await trail.call('POST', path, { from_date: day, to_date: day });
  if (asked.status !== 202) throw new Error(`${path}: ${asked.status} ${JSON.stringify(asked.body)}`);
  for (;;) {
    const { body } = await trail.call('GET', `${path}/${asked.body.id}`);
    if (body.status === 'done') {
      if (body.records !== String(count)) throw new Error(`${body.records} of ${count} reports were sent`);
      return (performance.now() - begun) / 1000;
    }
    if (body.status === 'failed') throw new Error(`the submission failed: ${body.error}`);
    await pause(200);
  }
}

/** Bytes that the ledger _reporting holds: of files, and as rows with their parts out of line, without indexes. */
async function keptOf(trail) {
  const { rows } = await trail.owner.query(`
    SELECT sum(octet_length(raw_data)) FILTER (WHERE action = 'part') AS files, sum(pg_column_size(e.*)) AS events,
           count(*) FILTER (WHERE action = 'written') AS reports
      FROM audit_events AS e WHERE ledger = '_reporting'`);
  return Object.fromEntries(Object.entries(rows[0]).map(([name, value]) => [name, Number(value)]));
}

/** A submission from the first event read until it counts as sent, and the peak memory of the service that makes it. */
export async function measureSubmissions(trail, { submitted }) {
  if (process.platform !== 'linux') throw new NotThereYet('peak memory is read from /proc, which only Linux has');
  const small = Math.floor(submitted / 10);
  const settings = {
    ...{ REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', ARCHIVE_EXPORT_AGE: '24h', CHECKPOINT_SCHEDULE: 'off' },
    ...{ REPORTING_FILE_REPORTS: String(MOST_REPORTS), REPORTING_FILE_MB: String(MOST_MB) },
  };
  const env = SCHEMAS === undefined ? settings : { ...settings, REPORTING_SCHEMAS: SCHEMAS };
  const own = await Trail.start({ ...trail, env });
  try {
    for (const [kind, entry] of REFERENCE) {
      const { status, body } = await own.call('POST', `/v1/reference/${kind}`, { ...entry, ...SINCE });
      if (status !== 201) throw new Error(`${kind}: ${status} ${JSON.stringify(body)}`);
    }
    await postDay(own, '2025-06-02', small);
    await postDay(own, '2025-06-03', submitted);
    let seconds;
    const limit = await peakOf(own, () => submit(own, '2025-06-02', small));
    const ours = await peakOf(own, async () => {
      seconds = await submit(own, '2025-06-03', submitted);
    });
    const row = { row: 'submissions', target: 'printed', met: null };
    const kept = await keptOf(own);
    const what = `submission of ${submitted} executions, from the first event to the act`;
    return [
      { ...row, what, unit: 's', ours: seconds, note: HELD },
      {
        ...{ ...row, what: 'the same: peak memory of the service', unit: 'MiB', ours },
        ...{ limitName: `peak at ${small} executions`, limit, ratio: ours / limit },
        ...{ target: '≤ that + 64 MiB', met: ours <= limit + 64 },
      },
      {
        ...row,
        what: 'the file as it was sent, kept in _reporting, a report',
        unit: 'B',
        ours: kept.files / kept.reports,
      },
      {
        ...row,
        what: 'all events of _reporting in the database, a report',
        unit: 'B',
        ours: kept.events / kept.reports,
      },
    ];
  } finally {
    await own.stop();
  }
}
