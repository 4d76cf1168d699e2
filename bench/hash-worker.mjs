// One core's share of the limit of verification: its records are in memory before the clock starts.
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { importFrom } from './processes.mjs';

const { build, connection, statement, from, to, origin } = workerData;
const { connectionOptions } = await importFrom(build, 'src/database/connection.js');
const { canonicalContent, contentHash, eventHash } = await importFrom(build, 'src/integrity/event.js');
const { contentOf, envelopeOf } = await importFrom(build, 'src/integrity/stored-event.js');

const client = new pg.Client(connectionOptions(connection));
await client.connect();
const { rows } = await client.query(statement, [from, to]);
await client.end();
parentPort.postMessage({ ready: rows.length });

parentPort.on('message', ({ milliseconds }) => {
  const begun = performance.now();
  let checked = 0;
  while (performance.now() - begun < milliseconds) {
    for (const row of rows) {
      const content = contentHash(row.salt, canonicalContent(contentOf(row)).text);
      const event = eventHash({ ...envelopeOf(row, origin), content_hash: content.toString('hex') });
      if (!event.equals(row.event_hash)) throw new Error(`event ${row.sequence} has another hash`);
    }
    checked += rows.length;
  }
  parentPort.postMessage({ rate: (checked * 1000) / (performance.now() - begun) });
});
