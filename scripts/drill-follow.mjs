// What `npm run drill` asks of `backup-log follow`, which makes the log where somebody else archives: below a prefix of its own
// barman-cloud alone writes, as the Barman Cloud plugin of CloudNativePG has it do.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';

const SERVER = 'truetrail/db-1/';
const FOLLOWED = 'truetrail/db-2/';
const SEGMENT = /^wals\/[0-9A-F]{16}\/([0-9A-F]{24})\.gz$/;
const HISTORY = '000000FD.history';
/** So many files of WAL are enough for what is done to them. */
const FILES = 4;
const PATIENCE_MS = 60_000;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const keyOf = (name) => (name.includes('.') ? `wals/${name}.gz` : `wals/${name.slice(0, 16)}/${name}.gz`);

/**
 * Has barman-cloud bring files of WAL of the drill's server, and its base backup, below another prefix, and follows them: all
 * in the log with their digests. Then the ways in which somebody with the bucket's credentials could meddle: each is named.
 */
export async function followOthers({ site, bucket, expect }) {
  const client = new S3Client({});
  const server = new FollowedServer(client, site, bucket);
  try {
    await server.fill();
    const [again, overwritten, hidden, last] = server.segments;
    await server.killOneThatFollows();
    const both = await Promise.all([server.follow('--wals'), server.follow()]);
    const wrong = await server.notAsArchived();
    expect(
      both.every(({ status }) => status === 0) && wrong.length === 0,
      `what barman-cloud alone brought is in the log, by runs one of which was killed and two were at the same time; ${wrong.join(', ') || 'nothing'} lacks`,
    );
    await server.archive(again);
    const twice = await server.follow();
    const uploads = await server.versionsOf(`log/stored/${again}.json`);
    const entries = await server.versionsOf('log/');
    const checked = await server.follow('--check');
    expect(
      twice.status === 0 && uploads.length > 1 && checked.status === 0,
      `a file that a server archived again, with the same content, is in the log with both versions: ${checked.said}`,
    );
    expect((await server.versionsOf('log/')).length === entries.length, 'what is in the log is not logged again');

    const [free, beyond, foreign, odd] = [1, 2, 3, 4].map((distance) => following(last, distance));
    const { content } = server.archived.get(last);
    const changed = Buffer.from(server.archived.get(overwritten).content);
    changed[changed.length - 1] ^= 1;
    await server.put(keyOf(overwritten), gzipSync(changed));
    await client.send(new DeleteObjectCommand(server.at(keyOf(hidden))));
    await server.put(keyOf(beyond), gzipSync(moved(content, 2)));
    const gap = await server.follow();
    expect(
      gap.names([keyOf(overwritten), keyOf(hidden), free]),
      `a file that was overwritten, one that is hidden, and one that is missing are named: ${gap.said}`,
    );
    const other = keyOf(odd).replace(/gz$/, 'bz2');
    const [data] = (await server.keys('base/')).filter((key) => key.endsWith('.gz'));
    const half = 'base/20000101T000000';
    await server.put(keyOf(free), gzipSync(changed));
    await server.put(keyOf(foreign), gzipSync(moved(content, 3, 1n)));
    await server.put(other, Buffer.from('BZh9'));
    await server.put(data, Buffer.from('no backup'));
    await server.put(`${half}/backup.info`, Buffer.from('status=DONE\n'));
    const named = [keyOf(overwritten), keyOf(hidden), keyOf(free), keyOf(foreign), other, data, half];
    const all = await server.follow('--check'); // to which a name that is not in the log is missing
    expect(
      all.names([...named, free]),
      `so are one of another place in the WAL, one of another server, one not compressed by gzip, and base backups: ${all.said}`,
    );
    const logged = new Set((await server.list()).map(({ name }) => name));
    expect(logged.has(beyond) && !logged.has(free) && !logged.has(foreign), 'none of those is in the log');

    await server.put(keyOf(odd), gzipSync(moved(content, 4)), {});
    const asked = { BACKUP_RETENTION_DAYS: '30', BACKUP_ENCRYPTION: site.isEncrypted ? 'aws:kms' : 'AES256' };
    const kept = server.run(['follow', '--wals', '--settle', '0'], asked, [1]).stdout;
    expect(
      kept.includes(`${keyOf(odd)} is not encrypted\n`) && kept.includes(`${keyOf(odd)} is locked until`),
      'a file that is not encrypted, or locked for less than backups are kept, is named',
    );
  } finally {
    client.destroy();
  }
}

/** The name of the file of WAL, of 16 MiB, that many after this one. */
function following(name, distance) {
  const number = Number.parseInt(name.slice(8, 16), 16) * 256 + Number.parseInt(name.slice(16), 16) + distance;
  const hex = (value) => value.toString(16).toUpperCase().padStart(8, '0');
  return `${name.slice(0, 8)}${hex(Math.floor(number / 256))}${hex(number % 256)}`;
}

/** A file of WAL as if it were that many files after itself; of another server by another system identifier. */
function moved(content, distance, addedToIdentifier = 0n) {
  const copy = Buffer.from(content);
  copy.writeBigUInt64LE(copy.readBigUInt64LE(8) + BigInt(distance * copy.length), 8);
  copy.writeBigUInt64LE(copy.readBigUInt64LE(24) + addedToIdentifier, 24);
  return copy;
}

/** What is below the prefix where barman-cloud alone writes, and what is asked of it. */
class FollowedServer {
  /** by name: the content of a file of WAL, and the bytes and version of its object */
  archived = new Map();

  constructor(client, site, bucket) {
    Object.assign(this, { client, site, bucket });
    this.folder = join(site.folder, 'followed');
    mkdirSync(this.folder, { mode: 0o755 });
    this.env = { BACKUP_URL: `s3://${bucket}/${FOLLOWED.slice(0, -1)}`, BACKUP_METRICS_FILE: '' };
    this.program = join(site.scripts, 'backup-log');
  }

  get segments() {
    return [...this.archived.keys()].filter((name) => !name.includes('.'));
  }

  at(key) {
    return { Bucket: this.bucket, Key: FOLLOWED + key };
  }

  async keys(prefix, server = FOLLOWED) {
    const keys = [];
    const pages = paginateListObjectsV2({ client: this.client }, { Bucket: this.bucket, Prefix: server + prefix });
    for await (const { Contents = [] } of pages) keys.push(...Contents.map(({ Key }) => Key.slice(server.length)));
    return keys;
  }

  async versionsOf(prefix) {
    const asked = new ListObjectVersionsCommand({ Bucket: this.bucket, Prefix: FOLLOWED + prefix });
    const { Versions = [] } = await this.client.send(asked);
    return Versions.map(({ VersionId }) => VersionId);
  }

  async read(key, server = FOLLOWED) {
    const { Body, VersionId } = await this.client.send(
      new GetObjectCommand({ Bucket: this.bucket, Key: server + key }),
    );
    return { bytes: Buffer.from(await Body.transformToByteArray()), version: VersionId };
  }

  /** Encrypted as the drill's backups are. */
  async put(key, body, encryption) {
    const asAll = this.site.isEncrypted
      ? { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: this.site.env.DRILL_KMS_KEY }
      : {};
    await this.client.send(new PutObjectCommand({ ...this.at(key), Body: body, ...(encryption ?? asAll) }));
  }

  /** The drill's base backup, the first files of WAL that it needs, and one of a timeline's history. */
  async fill() {
    const [info] = (await this.keys('base/', SERVER)).filter((key) => key.endsWith('/backup.info'));
    const fields = (await this.read(info, SERVER)).bytes.toString();
    const field = (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(fields)[1];
    this.systemId = field('systemid');
    this.backup = info.split('/')[1];
    const objects = await this.keys(`base/${this.backup}/`, SERVER);
    for (const key of objects) await this.put(key, (await this.read(key, SERVER)).bytes);
    const names = (await this.keys('wals/', SERVER)).map((key) => SEGMENT.exec(key)?.[1]).filter((name) => name);
    const needed = names.filter((name) => name >= field('begin_wal')).toSorted();
    for (const name of needed.slice(0, FILES)) {
      const { bytes } = await this.read(keyOf(name), SERVER); // which barman-cloud wrote as well
      if (this.archived.size === 0) await this.archive(name, gunzipSync(bytes));
      else await this.copy(name, bytes);
    }
    await this.archive(HISTORY, Buffer.from('1\t0/3000000\tno recovery target specified\n'));
  }

  /** As the plugin does: by barman-cloud, and nothing else. */
  async archive(name, content = this.archived.get(name).content) {
    const file = join(this.folder, name);
    writeFileSync(file, content, { mode: 0o644 });
    this.site.run('barman-cloud-wal-archive', [
      ...['--cloud-provider', 'aws-s3', '--endpoint-url', this.site.env.AWS_ENDPOINT_URL_S3, '--gzip'],
      ...(this.site.isEncrypted ? ['--encryption', 'aws:kms'] : []),
      ...[`s3://${this.bucket}/truetrail`, FOLLOWED.split('/')[1], file],
    ]);
    await this.keep(name);
  }

  async copy(name, object) {
    await this.put(keyOf(name), object);
    await this.keep(name);
  }

  async keep(name) {
    const { bytes, version } = await this.read(keyOf(name));
    this.archived.set(name, { content: gunzipSync(bytes), object: bytes, version });
  }

  /** What of all that was archived is not in the log as it is, by a reading of its own. */
  async notAsArchived() {
    const entries = await this.list();
    const wrong = [...this.archived].filter(([name, { content, object, version }]) => {
      const entry = entries.find((each) => each.name === name);
      return !(
        entry?.source === 'store' &&
        entry.sha256 === sha256(content) &&
        entry.bytes === content.length &&
        entry.object_sha256 === sha256(object) &&
        entry.version_id === version &&
        entry.lock === 'COMPLIANCE' &&
        entry.systemid === (name === HISTORY ? null : this.systemId) &&
        (!this.site.isEncrypted || entry.encryption === 'aws:kms')
      );
    });
    const isBaseThere = entries.some(({ name, objects }) => objects && name === this.backup);
    return [...wrong.map(([name]) => name), ...(isBaseThere ? [] : [this.backup])];
  }

  run(args, env = {}, codes = [0]) {
    return this.site.run(this.program, args, { ...this.env, ...env }, codes);
  }

  async list() {
    const { stdout } = this.run(['list']);
    return stdout
      .split('\n')
      .filter((line) => line)
      .map((line) => JSON.parse(line));
  }

  start(args) {
    const asUser = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];
    const [command, ...rest] = [...asUser, this.program, ...args];
    return spawn(command, rest, { cwd: '/', env: { ...this.site.env, ...this.env } });
  }

  /** Ends it by SIGKILL as soon as anything is in the log. */
  async killOneThatFollows() {
    const child = this.start(['follow']);
    const ended = new Promise((resolve) => child.once('close', resolve));
    for (const begun = Date.now(); (await this.keys('log/wals/')).length === 0; await pause(20)) {
      if (Date.now() - begun > PATIENCE_MS) throw new Error('nothing comes into the log');
    }
    child.kill('SIGKILL');
    await ended;
  }

  /** Its status, and whether it names these things and no others. */
  async follow(...args) {
    const child = this.start(['follow', '--settle', '0', ...args]);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    const status = await new Promise((resolve) => child.once('close', resolve));
    if (status > 1) throw new Error(`follow ended with ${status}: ${stderr}`);
    const lines = stdout.split('\n').filter((line) => line);
    const named = new Set(lines.map((line) => line.split(' ')[0]));
    const names = (wanted) => status === 1 && named.size === wanted.length && wanted.every((name) => named.has(name));
    return { status, names, said: lines.join('; ') || stderr.trim().replaceAll('\n', ', ') };
  }
}
