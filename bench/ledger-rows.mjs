// Rows about very many: ledgers in one signing round, and anchors that a database takes up after a restore or a rebuild.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { runRound } from './checkpoint-rows.mjs';
import { cpuSeconds } from './cpu-time.mjs';
import { importFrom } from './processes.mjs';
import { Trail, unexpected } from './trail.mjs';

const EVENTS_A_LEDGER = 3;
const CONNECTIONS = 8;
/** PostgreSQL tells of what a connection did within a second. */
const STATISTICS_MS = 1_500;

/** A round that signs very many ledgers for the first time, and one after each has got one more event. */
export async function measureLedgers(trail, { ledgers }) {
  // neither rounds of their own nor exports of so many ledgers beside them
  const env = { CHECKPOINT_SCHEDULE: 'off', ARCHIVE_EXPORT_AGE: '24h' };
  const own = await Trail.start({ ...trail, env });
  try {
    await own.owner.query(
      `SELECT create_ledger('many-' || i, log_origin || '/many-' || i) FROM deployment, generate_series(1, $1::integer) AS i`,
      [ledgers],
    );
    await post(own, ledgers, EVENTS_A_LEDGER);
    const rows = [await roundOf(own, `ledgers of ${EVENTS_A_LEDGER} events each, none signed before`)];
    await post(own, ledgers, 1);
    rows.push(await roundOf(own, 'of them with one more event each'));
    return rows;
  } finally {
    await own.stop();
  }
}

async function post(trail, ledgers, events) {
  let next = 1;
  await trail.withConnections(CONNECTIONS, (connections) =>
    Promise.all(
      connections.map(async (connection) => {
        while (next <= ledgers) {
          const body = `{"events":[${trail.events.take(events).join(',')}]}`;
          const request = connection.encode('POST', `/v1/ledgers/many-${next++}/events/batch`, body);
          const answer = await connection.send(request);
          if (answer.status !== 201) throw unexpected(answer);
        }
      }),
    ),
  );
}

async function roundOf(trail, what) {
  await pause(STATISTICS_MS);
  const before = { cpu: cpuSeconds(trail), transactions: await transactions(trail) };
  const { seconds, signed } = await runRound(trail);
  const cpu = cpuSeconds(trail);
  await pause(STATISTICS_MS);
  const detail = {
    signed,
    seconds,
    transactions: (await transactions(trail)) - before.transactions,
    serviceCpuSeconds: cpu && cpu.service - before.cpu.service,
    databaseCpuSeconds: cpu && cpu.PostgreSQL - before.cpu.PostgreSQL,
    servicePeakMb: peakMb(trail.service.pid),
  };
  return {
    row: 'ledgers',
    what: `one round that signs ${signed} ${what}`,
    unit: 's',
    ours: seconds,
    target: 'printed',
    met: null,
    note: noteOf(detail),
    detail,
  };
}

/** Of the service's database so far, whoever made them. */
async function transactions(trail) {
  const { rows } = await trail.owner.query(
    'SELECT xact_commit + xact_rollback AS count FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(rows[0].count);
}

function noteOf({ transactions: count, serviceCpuSeconds, databaseCpuSeconds, servicePeakMb }) {
  const cpu =
    serviceCpuSeconds === undefined
      ? ''
      : `${serviceCpuSeconds.toFixed(1)} + ${databaseCpuSeconds.toFixed(1)} processor seconds of service and database, `;
  return `${cpu}${count} transactions, ${servicePeakMb ?? '?'} MB of the service at most so far`;
}

/** undefined where there is no /proc. */
function peakMb(pid) {
  try {
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1e3);
  } catch {
    return undefined;
  }
}

/** Anchors that are in the store and not in the database, each of one checkpoint: taken up by one run of the job. */
export async function measureTakingUp(trail, { anchors }) {
  const own = await Trail.start({ ...trail, env: { CHECKPOINT_SCHEDULE: 'off', ARCHIVE_URL: 'file:archive' } });
  try {
    await writeAnchors(own, anchors);
    const before = cpuSeconds(own);
    const { outcome, seconds } = await runRound(own);
    const cpu = cpuSeconds(own);
    if (outcome.taken_up !== anchors) throw new Error(`${outcome.taken_up} anchors were taken up, of ${anchors}`);
    const detail = {
      anchors,
      seconds,
      serviceCpuSeconds: cpu && cpu.service - before.service,
      databaseCpuSeconds: cpu && cpu.PostgreSQL - before.PostgreSQL,
    };
    return [
      {
        row: 'anchors',
        what: `${anchors} anchors taken up from the store`,
        unit: 's',
        ours: seconds,
        target: 'printed',
        met: null,
        note:
          cpu &&
          `${detail.serviceCpuSeconds.toFixed(1)} + ${detail.databaseCpuSeconds.toFixed(1)} processor seconds of service and database`,
        detail,
      },
    ];
  } finally {
    await own.stop();
  }
}

/** As rounds would have written them, with the service's key. Of their trees only the roots are made up. */
async function writeAnchors({ build, dataDir, owner }, count) {
  const [{ AnchorStore }, { FilesystemObjectStore }, { KeyFile }, { checkpointText }, { formatNote }] =
    await Promise.all([
      importFrom(build, 'src/checkpoints/anchor-store.js'),
      importFrom(build, 'src/archive/filesystem-object-store.js'),
      importFrom(build, 'src/checkpoints/signer.js'),
      importFrom(build, 'src/integrity/checkpoint.js'),
      importFrom(build, 'src/integrity/signed-note.js'),
    ]);
  const signer = await KeyFile.readOrMake(join(dataDir, 'signing-key.pem'));
  const store = new AnchorStore(new FilesystemObjectStore(join(dataDir, 'archive')));
  const { rows } = await owner.query(`SELECT origin FROM ledgers WHERE ledger = 'main'`);
  const { origin } = rows[0];
  const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000);
  let previous = null;
  for (let number = 1n; number <= count; number++) {
    const text = checkpointText({ origin, size: number, rootHash: Buffer.alloc(32, Number(number % 251n)) });
    const note = formatNote({ text, signatures: [signer.sign(text, origin)] });
    const anchor = { number, previous, checkpoints: [{ sizeBefore: number - 1n, note }], successions: [] };
    const written = await store.write(anchor, signer.publicKey, until);
    if (!written) throw new Error(`anchor ${number} was there before`);
    previous = written.sha256;
  }
}
