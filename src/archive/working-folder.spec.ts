import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { clearLeftFolders, makeWorkingFolder } from './working-folder.js';

it('working folders of processes that are gone are taken away, those of others are not', async () => {
  const own = await makeWorkingFolder('export');
  const { pid: gone } = spawnSync(process.execPath, ['--version']);
  const of = (pid: number, host = basename(own).split('-')[2]!): string => {
    const folder = join(dirname(own), `truetrail-export-${host}-${pid}-abcDEF`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'object'), 'x');
    return folder;
  };
  const [left, living, elsewhere] = [of(gone), of(process.ppid), of(gone, '00000000')];
  try {
    await clearLeftFolders();
    // an earlier process of this number has left it: this one has made none yet when it starts
    expect([own, left, living, elsewhere].map((folder) => existsSync(folder))).toEqual([false, false, true, true]);
  } finally {
    for (const folder of [own, left, living, elsewhere]) rmSync(folder, { recursive: true, force: true });
  }
});
