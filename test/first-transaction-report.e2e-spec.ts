import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startService, TEST_KEY, type TestService } from './support/app.js';
import { unzipped } from './support/unzipped.js';

const DOCUMENT = new URL('../docs/transaction-reports.md', import.meta.url);

/** The commands of a section, as somebody would copy them. */
async function commandsOf(title: string): Promise<string> {
  const [, section] = (await readFile(DOCUMENT, 'utf8')).split(`\n## ${title}\n`) as [string, string];
  const [text] = section.split('\n## ') as [string];
  return text
    .split('\n')
    .filter((line) => line.startsWith('    '))
    .map((line) => line.slice(4))
    .join('\n');
}

describe('the first transaction report, by the commands of its document', () => {
  let service: TestService;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    folder = await mkdtemp(join(tmpdir(), 'truetrail-first-report-'));
  });
  afterAll(async () => {
    await service?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  it('comes from a fill to a file', async () => {
    const commands = `set -euo pipefail\n${await commandsOf('From a fill to a file')}`;
    const env = { PATH: process.env.PATH!, URL: service.url, KEY: TEST_KEY };
    const { stdout } = await promisify(execFile)('bash', ['-c', commands], { cwd: folder, env });
    expect(stdout).toMatch(/^reportable,/m);

    const table = (await readFile(join(folder, 'reports.csv'), 'utf8')).trim().split(/\r?\n/);
    expect(table).toHaveLength(2);
    expect(table[1]).toMatch(/^EXSEC_DATTRA_DE_000001-0-000000_\d\d,0197f3a1-6c00-7000-8000-0000000000b2,NEWT,/);

    const files = unzipped(await readFile(join(folder, 'reports.zip')));
    expect([...files.keys()]).toEqual([expect.stringMatching(/^EXSEC_DATTRA_DE_000001-0-000000_\d\d\.xml$/)]);
    const [file] = [...files.values()];
    expect(String(file)).toContain('<TradPlcMtchgId>V123</TradPlcMtchgId>');
  });
});
