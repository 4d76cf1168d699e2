import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import { folderOfArchive } from '../archive/archive-store.js';
import { CONFIG, type Config } from '../config/config.js';
import { Metrics, type Reading } from './metrics.js';

/** The file systems that a replica writes to. Of a volume with a limit of its own (`emptyDir`) it is that of the node. */
@Injectable()
export class Disks {
  private readonly folders: [name: string, path: string][];

  constructor(@Inject(CONFIG) config: Config, metrics: Metrics) {
    const archive = folderOfArchive(config);
    this.folders = [
      ...(config.DATA_DIR === undefined ? [] : [['data', config.DATA_DIR] as [string, string]]),
      ['tmp', tmpdir()],
      ...(archive === undefined ? [] : [['archive', archive] as [string, string]]),
    ];
    metrics.gauge(
      'truetrail_disk_available_bytes',
      'What this user may still write to the file system of DATA_DIR (data), of the folder for temporary files (tmp), of an archive in a folder (archive)',
      ['folder'],
      () => this.read(({ bavail, bsize }) => bavail * bsize),
    );
    metrics.gauge('truetrail_disk_size_bytes', 'All that this file system holds', ['folder'], () =>
      this.read(({ blocks, bsize }) => blocks * bsize),
    );
  }

  /** A folder that is not there yet, as an archive before its first object, has no reading. */
  private async read(figure: (of: { bavail: number; bsize: number; blocks: number }) => number): Promise<Reading[]> {
    const readings = this.folders.map(async ([folder, path]) => {
      const of = await statfs(path).catch(() => undefined);
      return of === undefined ? [] : [{ labels: { folder }, value: figure(of) }];
    });
    return (await Promise.all(readings)).flat();
  }
}
