import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

function run(script: string, ...given: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', script), ...given], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('what npm runs, given arguments that it does not take', () => {
  it('npm start says how it is set, and starts nothing', () => {
    const told = run('start.mjs', '--help');
    expect(told).toMatchObject({ status: 0, stderr: '' });
    expect(told.stdout).toMatch(/environment\nvariables.*DATABASE_URL.*PORT=3001 npm start/s);
    expect(run('start.mjs', '--port', '3001')).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^npm start takes no arguments: --port 3001\n.*PORT=3000/s),
    });
  });

  it('npm run verifier:pack takes no option for the name of a folder', () => {
    expect(run('pack-verifier.mjs', '--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('FOLDER') });
    for (const given of [['--force'], ['a', 'b']]) {
      expect(run('pack-verifier.mjs', ...given)).toMatchObject({ status: 2, stdout: '', stderr: expect.any(String) });
    }
    for (const name of ['--help', '--force', 'a']) expect(existsSync(join(root, name))).toBe(false);
  });
});
