// `npm run drill`: loses a database and gets it back, on a real PostgreSQL and a real S3, and says how long it took and what
// was lost. Usage: --help.
import { parseArgs } from 'node:util';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';

const USAGE = `npm run drill -- [--short] [--pg-bin FOLDER] [--kms-key KEY]

Records events without a pause, on a PostgreSQL of its own whose WAL goes to S3 by deploy/postgresql, takes a base backup,
kills the server at a moment of chance and removes its disk. Then: restore to the end of the WAL, the service that must
stay closed, \`truetrail recover\`, and \`truetrail verify\` before it opens; a restore to an earlier moment, which must be
noticed, and whose pages are checked; and a database from the archive alone. Prints times and losses; ends with 1 when something does not hold.

  --short          a quarter of a minute between files of WAL, and little load, for CI
  --pg-bin FOLDER  programs of PostgreSQL; /usr/lib/postgresql/15/bin without it
  --kms-key KEY    has the store encrypt what is backed up, by SSE-KMS with this key; without it nothing is asked of the store

Needs barman-cloud (Debian: barman-cli-cloud) and an S3 with Object Lock: AWS_ENDPOINT_URL_S3, AWS_REGION,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. The buckets that it makes stay there, locked for a day.
`;

try {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      'pg-bin': { type: 'string', default: '/usr/lib/postgresql/15/bin' },
      'kms-key': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(USAGE);
  else {
    await ensureInstalled();
    const build = ensureBuilt({ hold: true });
    const { drill } = await import('./drill-steps.mjs');
    const holds = await drill({ build, short: values.short, bin: values['pg-bin'], kmsKey: values['kms-key'] });
    process.stdout.write('', () => process.exit(holds ? 0 : 1));
  }
} catch (error) {
  console.error(error.stack);
  process.exitCode = 1;
}
