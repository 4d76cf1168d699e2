// What `npm run drill` asks of the log of backups: deploy/postgresql/backup-log.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';

const PREFIX = 'truetrail/db-1/';
const SEGMENT = /^wals\/[0-9A-F]{16}\/([0-9A-F]{24})\.gz$/;

const ENTRY_PATIENCE_MS = 30_000;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** What `backup-log list` prints, once it has these keys: a file's entry is written after the file, if it is. */
async function logWith(keys, site) {
  for (const until = Date.now() + ENTRY_PATIENCE_MS; ; await pause(1_000)) {
    const { stdout } = site.run(join(site.scripts, 'backup-log'), ['list']);
    const entries = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const there = new Set(entries.map(({ key }) => key));
    if (keys.every((key) => there.has(key)) || Date.now() > until) return entries;
  }
}

/** Every object of WAL is in the log with the digest of its content, by a reading of its own; and `check` says the same. */
export async function checkLog({ site, bucket, expect }) {
  const client = new S3Client({});
  const [wrong, timelines] = [[], new Set()];
  let files = 0;
  let entries;
  try {
    // the files before the log: the server goes on, and what it archives meanwhile would be in the log alone
    const keys = await keysOf(client, bucket, 'wals/');
    entries = await logWith(keys, site);
    const byKey = new Map(entries.filter(({ key }) => key).map((entry) => [entry.key, entry]));
    for (const key of keys) {
      const { Body, VersionId } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: PREFIX + key }));
      const content = gunzipSync(await Body.transformToByteArray());
      const entry = byKey.get(key);
      const isRight =
        entry?.sha256 === sha256(content) && entry.bytes === content.length && entry.version_id === VersionId;
      const isEncrypted = !site.isEncrypted || entry?.encryption === 'aws:kms';
      if (!isRight || !isEncrypted || entry?.lock !== 'COMPLIANCE') wrong.push(key);
      timelines.add(SEGMENT.exec(key)?.[1].slice(0, 8));
      files += 1;
    }
  } finally {
    client.destroy();
  }
  timelines.delete(undefined);
  expect(
    wrong.length === 0,
    `${files} files of WAL are in the log with their digests${site.isEncrypted ? ', encrypted' : ''}, ${wrong.join(', ') || 'none is not'}`,
  );
  expect(timelines.size === 2, 'those of the server that was restored are among them');
  const bases = entries.filter(({ objects }) => objects);
  expect(bases.length === 1, `the base backup is in the log with ${bases[0]?.objects.length} objects`);
  const isEncrypted = !site.isEncrypted || bases[0]?.objects.every(({ encryption }) => encryption === 'aws:kms');
  expect(isEncrypted, `the store encrypts the base backup: ${site.isEncrypted ? 'SSE-KMS' : 'not asked of it'}`);
  const { stderr } = site.run(join(site.scripts, 'backup-log'), ['check', '--all']);
  expect(/ 0 faults/.test(stderr), `backup-log check: ${stderr.trim()}`);
  const metrics = readFileSync(site.metricsFile, 'utf8');
  const ended = Number(/^truetrail_base_backup_end_timestamp_seconds (\S+)$/m.exec(metrics)?.[1]);
  expect(Math.abs(Date.now() / 1000 - ended) < 600, 'the metrics say when the base backup ended');
}

/** A segment that is changed, one that is hidden, one that nobody archived: each is named, and nothing else. */
export async function tamperWithBackups({ site, bucket, expect }) {
  const client = new S3Client({});
  try {
    const segments = (await keysOf(client, bucket, 'wals/')).filter((key) => SEGMENT.test(key));
    const [changed, hidden] = segments.slice(-3);
    const foreign = changed.replace(/[0-9A-F]{8}\.gz$/, '000000FE.gz');
    const at = (key) => ({ Bucket: bucket, Key: PREFIX + key });
    const { Body } = await client.send(new GetObjectCommand(at(changed)));
    const content = gunzipSync(await Body.transformToByteArray());
    content[content.length - 1] ^= 1;
    for (const key of [changed, foreign])
      await client.send(new PutObjectCommand({ ...at(key), Body: gzipSync(content) }));
    await client.send(new DeleteObjectCommand(at(hidden)));
    const { stdout } = site.run(join(site.scripts, 'backup-log'), ['check', '--all'], {}, [1]);
    const lines = stdout.trim().split('\n');
    const named = new Set(lines.map((line) => line.split(' ')[0]));
    expect(
      named.size === 3 && [changed, hidden, foreign].every((key) => named.has(key)),
      `a file of WAL that was changed, one that is hidden and one that is foreign are named: ${[...named].join(', ')}`,
    );
  } finally {
    client.destroy();
  }
}

/** A file that came to the store without encryption is named. */
export function nameUnencrypted({ site, expect }) {
  const name = '000000FE.history';
  const file = join(site.folder, name);
  writeFileSync(file, '1\t0/1000000\tof no server\n', { mode: 0o644 });
  site.run(join(site.scripts, 'archive-wal'), [file], { BACKUP_ENCRYPTION: 'off' });
  const { stdout } = site.run(join(site.scripts, 'backup-log'), ['check'], {}, [1]);
  expect(stdout.includes(`wals/${name}.gz is not encrypted`), 'a file that is not encrypted is named');
}

/** A base backup with one wrong bit, and a file of WAL under a name that is taken, do not get into the log. */
export async function refuseDamaged({ site, bucket, expect }) {
  const client = new S3Client({});
  try {
    const id = '20000101T000000';
    for (const key of await keysOf(client, bucket, 'base/')) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: PREFIX + key }));
      const bytes = await Body.transformToByteArray();
      if (key.endsWith('.gz')) bytes[bytes.length >> 1] ^= 1;
      const copy = PREFIX + key.replace(/^base\/[^/]+/, `base/${id}`);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: copy, Body: bytes }));
    }
    const bases = site.run(join(site.scripts, 'backup-log'), ['bases'], {}, [1]);
    const isLogged = (await keysOf(client, bucket, 'log/base/')).some((key) => key.includes(id));
    expect(bases.stderr.includes(`${id} cannot be read back`) && !isLogged, 'a damaged base backup is not logged');

    const segment = (await keysOf(client, bucket, 'wals/')).find((key) => SEGMENT.test(key));
    const file = join(site.folder, SEGMENT.exec(segment)[1]);
    writeFileSync(file, 'of another server', { mode: 0o644 });
    const archived = site.run(join(site.scripts, 'archive-wal'), [file], {}, [1]);
    expect(archived.stderr.includes('with another content'), 'a file of WAL does not go where another one is');
  } finally {
    client.destroy();
  }
}

async function keysOf(client, bucket, prefix) {
  const keys = [];
  for await (const { Contents = [] } of paginateListObjectsV2(
    { client },
    { Bucket: bucket, Prefix: PREFIX + prefix },
  )) {
    keys.push(...Contents.map(({ Key }) => Key.slice(PREFIX.length)));
  }
  return keys;
}
