// A PostgreSQL of the drill, whose WAL and base backups go to a bucket by the scripts of deploy/postgresql.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

const PASSWORD = 'drill-only';
const PATIENCE_MS = 300_000;

/** What the servers of a drill have in common: `folder` is theirs, and holds a copy of deploy/postgresql. */
export class Site {
  constructor({ folder, bin, root, backupUrl, aws, kmsKey }) {
    Object.assign(this, { folder, bin });
    this.scripts = join(folder, 'deploy');
    cpSync(join(root, 'deploy', 'postgresql'), this.scripts, { recursive: true });
    this.metricsFile = join(folder, 'backup.prom');
    this.isEncrypted = kmsKey !== undefined;
    const python = join(folder, 'python');
    cpSync(join(root, 'scripts', 'drill-python'), python, { recursive: true });
    const encryption = this.isEncrypted
      ? { BACKUP_ENCRYPTION: 'aws:kms', DRILL_KMS_KEY: kmsKey, PYTHONPATH: python, PYTHONDONTWRITEBYTECODE: '1' }
      : { BACKUP_ENCRYPTION: 'off' };
    this.env = {
      ...aws,
      ...{ PATH: process.env.PATH, LC_ALL: 'C.UTF-8', BACKUP_ENV_FILE: '', BACKUP_URL: backupUrl },
      ...{ BACKUP_RETENTION_DAYS: '1', BACKUP_METRICS_FILE: this.metricsFile },
      ...encryption,
    };
    chmodSync(folder, 0o755);
    if (process.getuid() === 0) execFileSync('chown', ['-R', 'postgres', folder]);
  }

  /** Runs a program as the user of the server; its output. */
  run(program, args, env = {}, codes = [0]) {
    const asUser = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];
    const [command, ...rest] = [...asUser, program, ...args];
    const ended = spawnSync(command, rest, { cwd: '/', env: { ...this.env, ...env }, encoding: 'utf8' });
    if (!codes.includes(ended.status))
      throw new Error(`${program} ended with ${ended.status}: ${ended.stderr}${ended.stdout}`);
    return ended;
  }
}

export class Server {
  constructor(site, name) {
    this.site = site;
    this.data = join(site.folder, name);
    this.log = join(site.folder, `${name}.log`);
  }

  /** A new cluster that archives, with the roles of docs/installation.md. */
  static async make(site, name, archiveTimeoutSeconds) {
    const server = new Server(site, name);
    const passwordFile = join(site.folder, 'password');
    writeFileSync(passwordFile, PASSWORD);
    chmodSync(passwordFile, 0o644);
    site.run(join(site.bin, 'initdb'), [
      ...[
        '-D',
        server.data,
        '-U',
        'drill_admin',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--data-checksums',
      ],
      ...['-E', 'UTF8', '--locale=C.UTF-8'],
    ]);
    appendFileSync(
      join(server.data, 'postgresql.conf'),
      [
        readFileSync(join(site.scripts, 'archiving.conf'), 'utf8'),
        `archive_command = '${site.scripts}/archive-wal %p'`,
        `archive_timeout = ${archiveTimeoutSeconds}`,
        "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n",
      ].join('\n'),
    );
    await server.start();
    await server.query('CREATE ROLE truetrail_service NOLOGIN');
    for (const role of ['owner', 'app']) {
      await server.query(`CREATE ROLE truetrail_${role} LOGIN PASSWORD '${PASSWORD}' IN ROLE truetrail_service`);
    }
    await server.query('GRANT pg_read_all_stats TO truetrail_app');
    // as in a server that was restored to a moment once, and kept: it must not end a later restore
    await server.query(`ALTER SYSTEM SET recovery_target_time = '2001-01-01 00:00:00+00'`);
    await server.query(`ALTER SYSTEM SET recovery_target_action = 'promote'`);
    await server.makeDatabase('truetrail');
    return server;
  }

  /** A base backup of the bucket, and as much of its WAL as there is, or as was there at `target`. */
  static async restore(site, name, target) {
    const server = new Server(site, name);
    const { stderr } = site.run(join(site.scripts, 'restore'), [
      server.data,
      ...(target === undefined ? [] : [target]),
    ]);
    server.backup = /^base backup (\S+)/m.exec(stderr)?.[1];
    await server.start();
    for (const begun = Date.now(); ; await pause(50)) {
      const { rows } = await server.query('SELECT pg_is_in_recovery() AS recovering');
      if (!rows[0].recovering) return server;
      if (Date.now() - begun > PATIENCE_MS) throw new Error(`${name} does not come to an end of its recovery`);
    }
  }

  async makeDatabase(name) {
    await this.query(
      `CREATE DATABASE ${name} OWNER truetrail_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'`,
    );
    await this.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
    await this.query(`GRANT CONNECT ON DATABASE ${name} TO truetrail_app`);
  }

  async start() {
    this.port = await freePort();
    try {
      this.site.run(join(this.site.bin, 'pg_ctl'), [
        ...['-D', this.data, '-l', this.log, '-w', '-t', String(PATIENCE_MS / 1000), '-o', `-p ${this.port}`, 'start'],
      ]);
    } catch (error) {
      throw new Error(`${error.message}\n${existsSync(this.log) ? readFileSync(this.log, 'utf8').slice(-3000) : ''}`, {
        cause: error,
      });
    }
    this.isRunning = true;
  }

  url(user = 'drill_admin', database = 'truetrail') {
    return `postgres://${user}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
  }

  /** As its administrator. */
  async query(text, values = [], database = 'postgres') {
    const client = new pg.Client({ connectionString: this.url('drill_admin', database) });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.query(text, values);
    } finally {
      await client.end();
    }
  }

  /** Brings what was written until now to the store. */
  async archiveNow() {
    await this.query(`SELECT pg_create_restore_point('drill')`); // an empty segment would not end
    const { rows } = await this.query('SELECT pg_walfile_name(pg_switch_wal()) AS name');
    for (const begun = Date.now(); ; await pause(100)) {
      const { rows: archived } = await this.query('SELECT last_archived_wal >= $1 AS is_done FROM pg_stat_archiver', [
        rows[0].name,
      ]);
      if (archived[0].is_done) return;
      if (Date.now() - begun > PATIENCE_MS) throw new Error(`${rows[0].name} does not reach the store`);
    }
  }

  /** Begins a base backup; what it resolves to when it is over. */
  startBaseBackup(run) {
    return run(join(this.site.scripts, 'base-backup'), ['--immediate-checkpoint'], {
      PGHOST: '127.0.0.1',
      PGPORT: String(this.port),
      PGUSER: 'drill_admin',
      PGPASSWORD: PASSWORD,
      PGDATABASE: 'postgres',
    });
  }

  /** Stops all its processes where they are, what archives a file of WAL among them, until `thaw` or `lose`. */
  freeze() {
    const postmaster = Number(readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
    const frozen = new Set();
    for (;;) {
      // what they began while they were being stopped is in the next list
      const running = processTree(postmaster).filter((pid) => !frozen.has(pid));
      if (running.length === 0) break;
      for (const pid of running) {
        signal(pid, 'SIGSTOP');
        frozen.add(pid);
      }
    }
    this.frozen = [...frozen];
  }

  thaw() {
    for (const pid of this.frozen) signal(pid, 'SIGCONT');
    this.frozen = [];
  }

  /** From the next look of its checkpointer on. */
  async setArchiveTimeout(seconds) {
    await this.query(`ALTER SYSTEM SET archive_timeout = ${Number(seconds)}`);
    await this.query('SELECT pg_reload_conf()');
  }

  /**
   * The files of WAL that are over: whether none is on its way to the store, the last that is there, and when that one was
   * over, ms since 1970: nothing of what follows it was acknowledged before then.
   */
  walOnDisk() {
    const folder = join(this.data, 'pg_wal', 'archive_status');
    const states = readdirSync(folder);
    const inState = (state) =>
      states.filter((name) => name.endsWith(state)).map((name) => name.slice(0, -state.length));
    const archived = inState('.done').filter((name) => /^[0-9A-F]{24}$/.test(name));
    const lastArchived = archived.toSorted().at(-1);
    // made when the file was over, and renamed since
    const endedAt = lastArchived && statSync(join(folder, `${lastArchived}.done`)).mtimeMs;
    return { isAllArchived: inState('.ready').length === 0, lastArchived, endedAt };
  }

  /** As when the machine is gone: no process of the frozen server does anything any more, and the disk is empty. */
  async lose() {
    for (const pid of this.frozen) signal(pid, 'SIGKILL');
    this.isRunning = false;
    for (const begun = Date.now(); ; await pause(50)) {
      rmSync(this.data, { recursive: true, force: true });
      const { status } = spawnSync('pgrep', ['-f', `^postgres.*${this.data}`]);
      if (status !== 0 && !existsSync(this.data)) return;
      if (Date.now() - begun > PATIENCE_MS) throw new Error('the server does not die');
    }
  }

  /** So that nothing is left to be recovered: what is in the files then is what the server had. */
  stopCleanly() {
    this.isRunning = false;
    this.site.run(join(this.site.bin, 'pg_ctl'), ['-D', this.data, '-m', 'fast', '-w', 'stop']);
  }

  /** Whether every page of the stopped server has the check sum that it was written with. */
  hasSoundPages() {
    return this.site.run(join(this.site.bin, 'pg_checksums'), ['--check', '-D', this.data], {}, [0, 1]).status === 0;
  }

  stop() {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.site.run(join(this.site.bin, 'pg_ctl'), ['-D', this.data, '-m', 'immediate', '-w', 'stop']);
  }
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A process and all that it started, and they. */
function processTree(root) {
  const listed = execFileSync('ps', ['-e', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const pairs = listed
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const tree = [root];
  for (const each of tree) tree.push(...pairs.filter(([, parent]) => parent === each).map(([pid]) => pid));
  return tree;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
