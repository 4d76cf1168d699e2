import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../deploy/postgresql/restore-wal', import.meta.url));
const SETTINGS = { BACKUP_ENV_FILE: '', BACKUP_URL: 's3://bucket/prefix/server' };
const WAL = ['000000010000000000000001', '/nowhere'];

// To PostgreSQL 1 to 125 is the end of the WAL: it gives up the rest. Above, and it stops.
describe('restore-wal', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-restore-wal-'));
    const programs = {
      'barman-cloud-wal-restore': 'exit $RESTORED',
      'barman-cloud-backup-list': `echo '{"backups_list": ['"$LISTED"']}'`,
    };
    for (const [name, line] of Object.entries(programs)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${line}\n`);
      chmodSync(join(folder, name), 0o755);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const run = (env: Record<string, string>, args = WAL): number | null =>
    spawnSync('sh', [SCRIPT, ...args], { env: { PATH: `${folder}:${process.env.PATH}`, ...env } }).status;

  it.each([
    ['it is there', '0', '', 0],
    ['it is not there, and base backups are', '1', '{"backup_id": "b"}', 1],
    ['neither it nor a base backup is there', '1', '', 200],
    ['the bucket cannot be reached', '2', '', 200],
    ['barman-cloud fails otherwise', '4', '', 200],
  ])('%s', (_, restored, listed, status) => {
    expect(run({ ...SETTINGS, RESTORED: restored, LISTED: listed })).toBe(status);
  });

  it('is not told apart from the end by what is missing for it', () => {
    const there = { RESTORED: '0', LISTED: '' };
    expect(run({ ...there, BACKUP_ENV_FILE: join(folder, 'nobody') })).toBe(200);
    expect(run({ ...there, BACKUP_ENV_FILE: '' })).toBe(200);
    expect(run({ ...there, ...SETTINGS }, [])).toBe(200);
  });
});
