// `node bench/evidence.mjs [--events 500000]`: how long a bundle of one trade date takes over HTTP, from the request to the
// last byte on disk, and to be verified by truetrail-verify from there; and the most that service and verifier held in
// memory meanwhile. The row `bundles` of `npm run bench` by itself. Prints JSON.
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { makeBundle } from './evidence-rows.mjs';
import { Cleanup } from './processes.mjs';
import { Trail } from './trail.mjs';

const { values } = parseArgs({
  options: { events: { type: 'string', default: '500000' }, build: { type: 'string' } },
});
const events = Number(values.events);
const build = values.build ?? ensureBuilt({ hold: true });
const cleanup = new Cleanup();
try {
  const env = { ARCHIVE_URL: 'file:archive', CHECKPOINT_SCHEDULE: 'off' };
  const trail = await Trail.start({ build, cleanup, log: (line) => console.error(line), env });
  await trail.fill(events);
  console.log(JSON.stringify(await makeBundle(trail, events), null, 2));
} finally {
  await cleanup.run();
}
