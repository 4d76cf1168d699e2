import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { jest } from '@jest/globals';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/database/embedded-postgres.js';

/** One cluster for all tests but those that must make one: each test leaves it stopped, and whole. */
const root = mkdtempSync(join(tmpdir(), 'truetrail-embedded-'));
const dataDir = join(root, 'data');
const isRoot = process.getuid!() === 0;
const children = new Set<ChildProcess>();
let messages: string[] = [];

/** A test takes up to 2 s, half of it initdb's fsyncs, or waiting for a slow init to bury a killed server. */
jest.setTimeout(60_000);

beforeAll(async () => {
  chmodSync(root, 0o711);
  const first = await start();
  try {
    await query(first.ownerUrl, 'CREATE TABLE kept (value int)');
  } finally {
    await first.stop();
  }
});

beforeEach(() => {
  messages = [];
});

afterEach(async () => {
  await Promise.all([...children].map(killed));
  children.clear();
});

afterAll(async () => {
  for (const folder of readdirSync(root)) {
    const pid = postmasterPid(join(root, folder));
    if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGQUIT');
    await until(() => pid === undefined || !isAlive(pid));
  }
  rmSync(root, { recursive: true, force: true });
});

function start(folder = dataDir, settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    dataDir: folder,
    log: (message) => messages.push(message),
    settings: { shared_buffers: '16MB', ...settings },
  });
}

/** A process that starts the server and then waits, as the service does; for `kill -9`. From the build, as that is. */
async function serviceLike(folder = dataDir): Promise<{ child: ChildProcess; answer: () => Promise<string> }> {
  const build = process.env.TRUETRAIL_BUILD!;
  const script = `
    import { startEmbeddedPostgres } from '${pathToFileURL(join(build, 'src/database/embedded-postgres.js')).href}';
    const [dataDir] = process.argv.slice(1);
    console.log('starting');
    try {
      await startEmbeddedPostgres({ dataDir, log: () => {}, settings: { shared_buffers: '16MB' } });
      console.log('ready');
      setInterval(() => {}, 60_000);
    } catch (error) {
      console.log(error.message.split('\\n')[0]);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script, '--', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await until(() => lines.length > 0);
  return { child, answer: () => until(() => lines.length > 1).then(() => lines[1]!) };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // servers are killed here
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function values(url: string): Promise<unknown[]> {
  return (await query(url, 'SELECT value FROM kept ORDER BY value')).map((row) => row.value);
}

function postmasterPid(folder = dataDir): number | undefined {
  try {
    return Number(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += 10) {
    if (waitedMs > 20_000) throw new Error('waited 20 s in vain');
    await sleep(10);
  }
}

describe('a first start', () => {
  it('makes a durable, checksummed UTF-8 cluster that listens on loopback alone', async () => {
    const server = await start();
    try {
      const [settings] = await query(
        server.adminUrl,
        `SELECT current_setting('data_checksums') AS checksums, current_setting('fsync') AS fsync,
                current_setting('full_page_writes') AS full_page_writes, current_setting('synchronous_commit') AS commit,
                current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets,
                current_setting('shared_buffers') AS overridden`,
      );
      expect(settings).toEqual({
        checksums: 'on',
        fsync: 'on',
        full_page_writes: 'on',
        commit: 'on',
        addresses: '127.0.0.1',
        sockets: '',
        overridden: '16MB',
      });
      expect(
        await query(
          server.adminUrl,
          `SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding, datlocprovider AS provider,
                  datlocale AS locale FROM pg_database WHERE datname = 'truetrail'`,
        ),
      ).toEqual([{ owner: 'truetrail_owner', encoding: 'UTF8', provider: 'b', locale: 'C.UTF-8' }]);
    } finally {
      await server.stop();
    }
  });

  it('makes an owner who can make the group role and grant it, and a login that can only connect', async () => {
    const server = await start();
    try {
      await query(
        server.ownerUrl,
        'CREATE ROLE some_service NOLOGIN; GRANT some_service TO truetrail_app; DROP ROLE some_service',
      );
      await expect(query(server.ownerUrl, 'CREATE ROLE another SUPERUSER')).rejects.toThrow(/permission denied/);
      for (const sql of ['CREATE TABLE t ()', 'CREATE TEMP TABLE t ()', 'CREATE ROLE r', 'TABLE kept']) {
        await expect(query(server.serviceUrl, sql)).rejects.toThrow(/permission denied/);
      }
    } finally {
      await server.stop();
    }
  });

  it('keeps the passwords to its user, out of the log and out of what the server shows', async () => {
    const server = await start();
    try {
      const file = join(dataDir, 'postgres-credentials.json');
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const passwords = [server.adminUrl, server.ownerUrl, server.serviceUrl].map((url) => new URL(url).password);
      expect(new Set(passwords).size).toBe(3);
      const written = readFileSync(join(dataDir, 'postgres.log'), 'utf8') + messages.join('\n');
      for (const password of passwords) expect(written).not.toContain(password);
      const wrong = server.ownerUrl.replace(passwords[1]!, 'wrong');
      await expect(query(wrong, 'SELECT')).rejects.toThrow(/password authentication failed/);
    } finally {
      await server.stop();
    }
  });

  it('that was killed while the cluster was made is begun anew', async () => {
    const folder = join(root, 'killed-in-initdb');
    const { child } = await serviceLike(folder);
    await until(() => existsSync(folder) && readdirSync(folder).some((name) => name.startsWith('postgres.new-')));
    await killed(child);
    expect(existsSync(join(folder, 'postgres'))).toBe(false);

    const server = await start(folder);
    try {
      expect(await query(server.ownerUrl, 'SELECT current_database() AS name')).toEqual([{ name: 'truetrail' }]);
      expect(readdirSync(folder).filter((name) => name.startsWith('postgres.new-'))).toEqual([]);
    } finally {
      await server.stop();
    }
  });

  it('that was killed between cluster, roles and database is completed', async () => {
    const folder = join(root, 'killed-before-roles');
    const server = await start(folder);
    await query(server.adminUrl, 'DROP DATABASE truetrail');
    await server.stop();
    const second = await start(folder);
    expect(new URL(second.serviceUrl).password).toBe(new URL(server.serviceUrl).password);
    await query(second.adminUrl, 'DROP DATABASE truetrail');
    for (const role of ['truetrail_owner', 'truetrail_app']) await query(second.adminUrl, `DROP ROLE ${role}`);
    await second.stop();
    await (await start(folder)).stop();
  });
});

describe('a later start', () => {
  it('finds the data, on the same port if that is free', async () => {
    const before = await start();
    await query(before.ownerUrl, 'INSERT INTO kept VALUES (1)');
    await before.stop();
    const after = await start();
    try {
      expect(after.ownerUrl).toBe(before.ownerUrl);
      expect(await values(after.ownerUrl)).toContain(1);
    } finally {
      await after.stop();
    }
  });

  it('uses the server that a killed service left running, and stops it in the end', async () => {
    const { child, answer } = await serviceLike();
    expect(await answer()).toBe('ready');
    const pid = postmasterPid()!;
    await killed(child);
    expect(isAlive(pid)).toBe(true);

    const server = await start();
    expect(postmasterPid()).toBe(pid);
    expect(messages).toEqual([expect.stringContaining(`pid ${pid}`)]);
    await query(server.ownerUrl, 'INSERT INTO kept VALUES (2)');
    await server.stop();
    expect(postmasterPid()).toBeUndefined();
  });

  it('restarts such a server when the settings have changed', async () => {
    const { child, answer } = await serviceLike();
    expect(await answer()).toBe('ready');
    await killed(child);
    const server = await start(dataDir, { work_mem: '5MB' });
    try {
      expect(await query(server.adminUrl, 'SHOW work_mem')).toEqual([{ work_mem: '5MB' }]);
    } finally {
      await server.stop();
    }
  });

  it('recovers what was committed when server and service were both killed', async () => {
    const { child, answer } = await serviceLike();
    expect(await answer()).toBe('ready');
    const adopted = postmasterPid()!;
    const { owner } = JSON.parse(readFileSync(join(dataDir, 'postgres-credentials.json'), 'utf8'));
    const port = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[3];
    await query(`postgres://truetrail_owner:${owner}@127.0.0.1:${port}/truetrail`, 'INSERT INTO kept VALUES (3)');
    process.kill(adopted, 'SIGKILL');
    await killed(child);
    expect(postmasterPid()).toBe(adopted); // nobody was there to remove it

    const server = await start();
    try {
      expect(postmasterPid()).not.toBe(adopted);
      expect(await values(server.ownerUrl)).toContain(3);
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['a process that is gone', () => 999_999_999],
    ['a process that is something else', () => process.ppid],
    ['this very process', () => process.pid],
  ])('is not held up by a pid file that names %s', async (_, pid) => {
    const lines = [pid(), join(dataDir, 'postgres'), 1_700_000_000, 1, '', '127.0.0.1', '  1  1', 'ready   ', ''];
    writeFileSync(join(dataDir, 'postgres', 'postmaster.pid'), lines.join('\n'));
    const server = await start();
    await query(server.ownerUrl, 'SELECT 1');
    await server.stop();
  });

  it('takes another port when the last one is in use', async () => {
    const before = await start();
    await before.stop();
    const squatter = spawn(
      process.execPath,
      [
        '--eval',
        `require('node:net').createServer().listen(${new URL(before.ownerUrl).port}, '127.0.0.1', () => console.log())`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.add(squatter);
    await once(squatter.stdout, 'data');
    const after = await start();
    expect(after.ownerUrl).not.toBe(before.ownerUrl);
    await query(after.ownerUrl, 'SELECT 1');
    await after.stop();
  });
});

describe('the data folder', () => {
  it('has one service at a time: a second is told whose it is and what to do', async () => {
    const { child, answer } = await serviceLike();
    expect(await answer()).toBe('ready');
    await expect(start()).rejects.toThrow(new RegExp(`in use by process ${child.pid}\\b.*DATABASE_URL`));
    const other = await serviceLike();
    expect(await other.answer()).toMatch(new RegExp(`in use by process ${child.pid}\\b`));
    await killed(child);
    await (await start()).stop();
  });

  it('is free again when the pid of a killed service belongs to another process by now', async () => {
    const lock = join(dataDir, 'postgres.lock');
    mkdirSync(lock);
    writeFileSync(join(lock, 'owner'), `${process.ppid}\n0123456789abcdef\nanother start\n`);
    await (await start()).stop();
    expect(existsSync(lock)).toBe(false);
  });

  it('goes to one of several that start at once, also over a dead lock', async () => {
    const { child, answer } = await serviceLike();
    await answer();
    await killed(child);
    const services = await Promise.all([serviceLike(), serviceLike(), serviceLike()]);
    const answers = await Promise.all(services.map(({ answer }) => answer()));
    expect(answers.filter((answer) => answer === 'ready')).toHaveLength(1);
    expect(answers.filter((answer) => /in use by process/.test(answer))).toHaveLength(2);
    await Promise.all(services.map(({ child }) => killed(child)));
    await (await start()).stop();
  });

  it('is refused, with what to do, when it lacks its passwords or holds something else', async () => {
    const file = join(dataDir, 'postgres-credentials.json');
    renameSync(file, `${file}.away`);
    await expect(start()).rejects.toThrow(/passwords.*put .* back/);
    writeFileSync(file, JSON.stringify({ admin: 'a', owner: 'b', app: 'c' }));
    await expect(start()).rejects.toThrow(/truetrail_admin failed: .*put that one back/);
    renameSync(`${file}.away`, file);

    const version = join(dataDir, 'postgres', 'PG_VERSION');
    const is = readFileSync(version, 'utf8');
    writeFileSync(version, '16\n');
    await expect(start()).rejects.toThrow(/made by PostgreSQL 16, and this is 18/);
    writeFileSync(version, is);

    const strange = join(root, 'strange');
    mkdirSync(join(strange, 'postgres', 'photos'), { recursive: true });
    await expect(start(strange)).rejects.toThrow(/not a PostgreSQL data folder/);
    await (await start()).stop();
  });

  (isRoot ? it : it.skip)('may lie where the user of a server that root starts has no way in', async () => {
    const home = join(root, 'roots-home');
    mkdirSync(home, { mode: 0o700 });
    const folder = join(home, 'data');
    const first = await start(folder);
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 1 AS value');
    process.kill(postmasterPid(folder)!, 'SIGKILL');
    await first.stop();
    const second = await start(folder);
    expect(await values(second.ownerUrl)).toEqual([1]);
    await second.stop();
  });
});

describe('a server', () => {
  it('that does not start is reported with what it wrote and what to do', async () => {
    const failure = await start(dataDir, { shared_buffers: 'plenty' }).catch((error: Error) => error.message);
    expect(failure).toMatch(/did not start/);
    expect(failure).toMatch(/invalid value for parameter "shared_buffers"/);
    expect(failure).toMatch(/postgres\.log/);
    await (await start()).stop(); // and the folder is free
  });

  it('is gone after stop(), which may be called twice, with clients connected', async () => {
    const server = await start();
    const pid = postmasterPid()!;
    const client = new pg.Client({ connectionString: server.ownerUrl });
    let broken: Error | undefined;
    client.on('error', (error) => (broken = error));
    await client.connect();
    await Promise.all([server.stop(), server.stop()]);
    expect(broken).toBeDefined();
    await until(() => !isAlive(pid)); // its parent has to hear of its end
    expect(postmasterPid()).toBeUndefined();
    expect(existsSync(join(dataDir, 'postgres.lock'))).toBe(false);
  });

  it('does not fill the disk with its log', async () => {
    const log = join(dataDir, 'postgres.log');
    writeFileSync(log, 'x'.repeat(11 * 1024 * 1024));
    await (await start()).stop();
    expect(statSync(log).size).toBeLessThan(100_000);
    expect(statSync(`${log}.1`).size).toBe(11 * 1024 * 1024);
  });
});
