// Rows about the archive in S3: on an endpoint that AWS_ENDPOINT_URL_S3 names, in a bucket made for them.
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { proveEvent, runRound } from './checkpoint-rows.mjs';
import { runExport } from './jobs.mjs';
import { importFrom } from './processes.mjs';
import { hashInMemory, NotThereYet, startHashWorkers } from './read-rows.mjs';
import { realEvents } from './real-events.mjs';
import { median, percentile } from './statistics.mjs';
import { LEDGER, Trail } from './trail.mjs';
import { rateRow } from './write-rows.mjs';

const AWS_VARIABLES = ['AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
/** What a reader fetches of an object for one record: its end, in builds that do not say how much of it, and a row group. */
const FOOTER_BYTES = 262_144;
const ROW_GROUP_ROWS = 2_048;

/** A service of its own, whose archive is in S3, with `s3Events` events that are not archived yet: real ones where they are here. */
export async function measureS3(trail, { s3Events, hashedRecords, hashMs, audits, auditedEvents, quietSingles }) {
  const { client, bucket, env } = await newBucket();
  const own = await Trail.start({ ...trail, env });
  try {
    await own.warmUp(2_000);
    const quiet = await singles(own, quietSingles);
    await runExport(own); // what is open before is not measured
    const real = await realEvents(trail.cleanup, s3Events);
    await own.withConnections(4, (connections) => {
      const [connection] = connections;
      const batches = real ? own.batchesOf(connection, real) : own.makeBatches(connection, s3Events);
      return own.postBatches(connections, batches);
    });
    const flow = real ? 'of real markets (test/real-data)' : 'of made order flow: the real one is not here';
    let isOver = false;
    const exporting = runExport(own).finally(() => (isOver = true));
    const busy = [];
    while (!isOver) busy.push(...(await singles(own, 100)));
    const { events, seconds } = await exporting;
    const workers = await startHashWorkers(own, Math.min(hashedRecords, own.recorded));
    const limit = await hashInMemory(workers, hashMs);
    await Promise.all(workers.map((worker) => worker.terminate()));
    return [
      rateRow(
        { ours: [events / seconds], limit: [limit] },
        {
          row: 's3',
          what: `export to S3, read back and recomputed, ${events} events ${flow} in ${seconds.toFixed(1)} s, while one client posts`,
          limitName: `parse + JCS + both hashes of records in memory on ${workers.length} cores`,
          least: 0.25,
        },
      ),
      {
        row: 's3',
        what: 'POST p99 during the export to S3',
        unit: 'ms',
        limitName: 'the same when quiet',
        limit: percentile(quiet, 0.99),
        ours: percentile(busy, 0.99),
        ratio: percentile(busy, 0.99) / percentile(quiet, 0.99),
        target: 'printed',
        met: null,
      },
      ...(await measureRecords(own, client, bucket, audits, auditedEvents)),
    ];
  } finally {
    client.destroy();
    await own.stop();
  }
}

/** A bucket made for a row, and the settings by which a service has its archive there. Throws NotThereYet. */
export async function newBucket() {
  if (process.env.AWS_ENDPOINT_URL_S3 === undefined) throw new NotThereYet('no S3: AWS_ENDPOINT_URL_S3 is not set');
  const client = new S3Client({});
  const bucket = `truetrail-bench-${randomBytes(6).toString('hex')}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
  const DefaultRetention = { Mode: 'COMPLIANCE', Days: 1 };
  await client.send(
    new PutObjectLockConfigurationCommand({
      Bucket: bucket,
      ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } },
    }),
  );
  await pause(100);
  const aws = Object.fromEntries(AWS_VARIABLES.map((name) => [name, process.env[name]]));
  return { client, bucket, env: { ...aws, ARCHIVE_URL: `s3://${bucket}/trail` } };
}

export function singles(trail, count) {
  return trail.withConnections(1, ([connection]) =>
    trail.postSingles([connection], trail.makeSingles(connection, count)),
  );
}

/** Random records, one a request with nothing kept of the object before, and many in one request. */
async function measureRecords(trail, client, bucket, audits, auditedEvents) {
  const path = `/v1/ledgers/${LEDGER}/archive/audits`;
  const { body: listed } = await trail.call('GET', `/v1/ledgers/${LEDGER}/archive/objects?limit=1000`);
  const objects = new Map(listed.objects.map((object) => [object.object_key, object]));
  const { bytesOfEnd = () => FOOTER_BYTES } = await importFrom(trail.build, 'src/archive/object-files.js');
  const ours = [];
  const limits = [];
  await runRound(trail); // a proof is against what was signed
  await trail.withConnections(1, async ([connection]) => {
    await connection.call('POST', path, { events: 1 }); // loads what reads the archive
    for (let i = 0; i < audits; i++) {
      const begun = performance.now();
      const { status, body } = await connection.call('POST', path, { events: 1 });
      if (status !== 200 || body.verdict !== 'valid') throw new Error(`an audit: ${status} ${JSON.stringify(body)}`);
      await proveEvent(connection, body.events[0].event_id);
      ours.push(performance.now() - begun);
      const object = objects.get(body.events[0].object_key);
      if (object) limits.push(await fetchSameBytes(client, bucket, object, bytesOfEnd(object)));
    }
  });
  const begun = performance.now();
  const { body } = await trail.call('POST', path, { events: auditedEvents });
  const all = performance.now() - begun;
  if (body.verdict !== 'valid' || body.events.length !== auditedEvents) throw new Error('not every record was right');
  return [
    {
      row: 's3',
      what: 'one archived record from S3 with its proof, recomputed, nothing kept of its object, over HTTP, p50',
      unit: 'ms',
      limitName: 'GET of the same bytes',
      limit: median(limits),
      ours: median(ours),
      ratio: median(ours) / median(limits),
      target: '≤ 2× and ≤ 50 ms',
      met: median(ours) / median(limits) <= 2 && median(ours) <= 50,
    },
    {
      row: 's3',
      what: `${auditedEvents} random archived records from S3, each recomputed`,
      unit: 'ms',
      ours: all,
      target: '≤ 2000 ms',
      met: all <= 2_000,
    },
  ];
}

/** Milliseconds for the end of an object and a row group of it, one after the other. */
async function fetchSameBytes(client, bucket, { object_key: key, version_id: VersionId, bytes, events }, endBytes) {
  const size = Number(bytes);
  const end = Math.max(0, size - endBytes);
  const group = Math.min(size, Math.ceil((size / Number(events)) * ROW_GROUP_ROWS));
  const begun = performance.now();
  for (const Range of [`bytes=${end}-${size - 1}`, `bytes=0-${group - 1}`]) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: `trail/${key}`, VersionId, Range }));
    await Body.transformToByteArray();
  }
  return performance.now() - begun;
}
