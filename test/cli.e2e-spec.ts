import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { SCOPES } from '../src/access/principal.js';
import { runJob } from '../src/cli/jobs.js';
import { readConfig } from '../src/config/config.js';
import { startService, type TestService } from './support/app.js';
import { truetrail } from './support/command-line.js';
import type { TestDatabase } from './support/database.js';
import { query, serviceEvents } from './support/keys.js';
import { Replica } from './support/replica.js';
import { connected } from './support/verification.js';

const USER = `cli:${userInfo().username}`;

const KEY = /^tt_[\w-]{43}\n$/;

describe('the command line, on a database that services use', () => {
  let service: TestService;
  let env: Record<string, string>;
  beforeAll(async () => {
    service = await startService();
    env = { DATABASE_URL: service.database.serviceUrl };
  });
  afterAll(() => service.close());

  it('makes, lists and revokes keys, and records what it does', async () => {
    const made = await truetrail(
      env,
      ...['keys', 'create', '--name', 'desk 7', '--scopes', 'events:read, events:write', '--scopes', 'reports:read'],
      ...['--ledgers', 'main,desk-7', '--expires', '2099-01-01T00:00:00Z'],
    );
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(KEY) });
    // whoever has no ARCHIVE_URL in the shell must not tie the database to the folder beside it for ever
    expect(await query(service.database, 'SELECT * FROM archive_store')).toEqual([]);
    const key = made.stdout.trim();
    const id = /[0-9a-f-]{36}/.exec(made.stderr)![0];
    await service.http(key).get('/v1/ledgers').expect(200);
    const shown = (await service.http().get(`/v1/api-keys/${id}`).expect(200)).body;
    expect(shown).toMatchObject({
      name: 'desk 7',
      scopes: ['events:read', 'events:write', 'reports:read'],
      ledgers: ['main', 'desk-7'],
      created_by: USER,
      expires_at: '2099-01-01T00:00:00.000000Z',
    });

    const listed = await truetrail(env, 'keys', 'list');
    expect(listed.code).toBe(0);
    expect(listed.stdout.split('\n').find((line) => line.startsWith(id))).toMatch(
      /desk 7 +until 2099-01-01T00:00:00Z +events:read,events:write,reports:read +main,desk-7 /,
    );
    const asJson = await truetrail(env, 'keys', 'list', '--json');
    expect(JSON.parse(asJson.stdout)).toContainEqual(shown);
    expect(listed.stdout + asJson.stdout).not.toContain(key);

    const revoked = await truetrail(env, 'keys', 'revoke', id);
    expect(revoked).toMatchObject({ code: 0, stderr: expect.stringContaining(`by ${USER}`) });
    expect((await truetrail(env, 'keys', 'revoke', id)).stderr).toBe(revoked.stderr);
    const began = performance.now();
    for (;;) {
      const sentAt = performance.now();
      if ((await service.http(key).get('/v1/ledgers')).status === 401) break;
      expect(sentAt - began).toBeLessThan(6_000);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const recorded = (await serviceEvents(service.database, 'api_key')).filter((event) => event.entity_id === id);
    expect(recorded).toEqual(
      ['create', 'revoke'].map((action) => expect.objectContaining({ action, user_id: USER, recorded_by: 'service' })),
    );
  });

  it('makes a key of every scope by one word', async () => {
    const args = ['keys', 'create', '--name', 'rescue', '--scopes', 'all', '--ledgers', '*'];
    const { stdout } = await truetrail(env, ...args);
    const { body } = await service.http(stdout.trim()).get('/v1/api-keys').expect(200);
    expect(body.keys.at(-1)).toMatchObject({ name: 'rescue', scopes: [...SCOPES], ledgers: ['*'] });
  });

  it('imports reference data from a file, all or none, and lists them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-reference-'));
    try {
      const file = join(folder, 'branches.csv');
      const header = 'branch_id,legal_entity,country,name,valid_from';
      const mistakes = 'MIL,529900G3SW56SHYNPR96,UK,,x\n'.repeat(40);
      writeFileSync(file, `${header}\nPAR,529900G3SW56SHYNPR95,FR,Paris,2018-01-03\n${mistakes}`);
      const refused = await truetrail(env, 'reference-data', 'import', 'branch', file);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      const told = refused.stderr.trim().split('\n');
      expect(told.slice(0, 3)).toEqual([
        expect.stringMatching(/^line 3: legal_entity must be an LEI/),
        expect.stringMatching(/^line 3: country must be a country/),
        expect.stringMatching(/^line 3: valid_from must be a day/),
      ]);
      expect(told.slice(100)).toEqual(['and 20 more']);
      writeFileSync(file, Buffer.from([0xff, 0xfe]));
      const binary = await truetrail(env, 'reference-data', 'import', 'branch', file);
      expect(binary).toMatchObject({ code: 1, stderr: 'the file must be text in UTF-8\n' });
      writeFileSync(file, `${header}\nPAR,529900G3SW56SHYNPR95,FR,Paris,2018-01-03\n`);
      const tried = await truetrail(env, 'reference-data', 'import', 'branch', file, '--dry-run');
      expect(tried).toMatchObject({ code: 0, stdout: '1 changes: 1 would be recorded, 0 known already; revision 0\n' });
      const done = await truetrail(env, 'reference-data', 'import', 'branch', file);
      expect(done).toMatchObject({ code: 0, stdout: '1 changes: 1 recorded, 0 known already; revision 1\n' });
      const listed = await truetrail(env, 'reference-data', 'list', 'branch', '--valid-at', '2018-01-03');
      expect(listed.stdout).toBe(
        'branch_id,legal_entity,country,name,valid_from,valid_to,change,reason\n' +
          'PAR,529900G3SW56SHYNPR95,FR,Paris,2018-01-03T00:00:00.000000Z,,set,\n',
      );
      const { body } = await service.http().get('/v1/reference/branch/entries/PAR').expect(200);
      expect(body).toMatchObject({ recorded_by: USER, attributes: { name: 'Paris' } });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.each<[string, string[], number, RegExp]>([
    [
      'an unknown scope',
      ['keys', 'create', '--name', 'x', '--scopes', 'events:erase', '--ledgers', 'main'],
      1,
      /--scopes .*"events:erase"/,
    ],
    [
      'an expiry in the past',
      ['keys', 'create', '--name', 'x', '--scopes', 'all', '--ledgers', 'main', '--expires', '2020-01-01T00:00:00Z'],
      1,
      /--expires must lie in the future/,
    ],
    ['no name', ['keys', 'create', '--scopes', 'all', '--ledgers', 'main'], 2, /needs --name/],
    ['an unknown option', ['keys', 'list', '--all'], 2, /--all/],
    ['no id', ['keys', 'revoke'], 2, /id/],
    ['an id that is none', ['keys', 'revoke', 'x'], 1, /no key with this id/],
    ['half a command', ['keys'], 2, /no command keys/],
    ['no bucket', ['archive', 'create-bucket'], 2, /needs one s3:/],
    ['a folder as a bucket', ['archive', 'create-bucket', 'file:archive'], 1, /file:archive is no bucket/],
    ['a bucket of no name', ['archive', 'create-bucket', 's3://UPPER'], 1, /ARCHIVE_URL must be/],
    ['a retention of no days', ['archive', 'create-bucket', 's3://bucket', '--days', '0'], 1, /--days must be/],
    [
      'a file of nothing known',
      ['reference-data', 'import', 'planet', 'package.json'],
      1,
      /no such kind of reference data/,
    ],
    [
      'a revision that is none',
      ['reference-data', 'list', 'venue', '--as-of', '2026'],
      1,
      /--as-of must be no more than the last revision/,
    ],
    ['no file to import', ['reference-data', 'import', 'venue'], 2, /needs a kind and a file/],
    ['half a command about the signing key', ['signing-key'], 2, /no command signing-key/],
    ['an unknown command', ['frobnicate'], 2, /no command frobnicate/],
    ['arguments that are too many', ['migrate', 'now'], 2, /now/],
  ])('ends with what is wrong: %s', async (_what, args, code, words) => {
    const before = (await serviceEvents(service.database, 'api_key')).length;
    const ended = await truetrail(env, ...args);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(words) });
    expect(ended.stderr).not.toMatch(/^ +at /m); // no stack
    expect((await serviceEvents(service.database, 'api_key')).length).toBe(before);
  });

  it('has a replica run a job, shows what it came to, and lists what ran last', async () => {
    const ran = await truetrail(env, 'jobs', 'run', 'schema-check', '--json');
    expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining('Asked for the run') });
    const run = JSON.parse(ran.stdout);
    expect(run).toMatchObject({ status: 'done', requested_by: USER, outcome: { verdict: 'valid' } });
    expect((await service.http().get(`/v1/jobs/schema-check/runs/${run.id}`).expect(200)).body).toEqual(run);
    const listed = await truetrail(env, 'jobs', 'list');
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(listed.stdout).toContain(`schema-check: done, asked for by ${USER} at ${run.created_at}`);
    const asJson: { job: string }[] = JSON.parse((await truetrail(env, 'jobs', 'list', '--json')).stdout);
    const { body } = await service.http().get('/v1/jobs').expect(200);
    expect(asJson.map(({ job }) => job)).toEqual(
      expect.arrayContaining(body.jobs.map(({ job }: { job: string }) => job)),
    );

    const asked = await truetrail(env, 'jobs', 'run', 'retention', '--no-wait');
    expect(asked).toMatchObject({ code: 0, stdout: 'queued\n' });
  });

  it('names the jobs there are to whoever asks for another, and says what failed or is not taken up', async () => {
    expect(await truetrail(env, 'jobs', 'run', 'schema-checks')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no job schema-checks; there are [^]*schema-check,/),
    });
    expect(await truetrail(env, 'jobs', 'run')).toMatchObject({ code: 2 });
    // this service has no witnesses, and so no such job
    const config = readConfig({ ...env, ARCHIVE_URL: 'off' });
    await expect(runJob(config, 'witnessing', { waits: true, untakenMs: 100 }, () => undefined)).rejects.toThrow(
      /No replica has taken up witnessing[^]* waits, and is made once one does/,
    );
    const { adminUrl } = service.database;
    await connected(adminUrl, (admin) => admin.query('ALTER FUNCTION forget_job_runs(text[]) RENAME TO forgotten'));
    try {
      expect(await truetrail(env, 'jobs', 'run', 'job-run-expiry')).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(/^failed: [^]*forget_job_runs/),
        stderr: expect.stringContaining('The run of job-run-expiry failed'),
      });
    } finally {
      await connected(adminUrl, (admin) => admin.query('ALTER FUNCTION forgotten(text[]) RENAME TO forget_job_runs'));
    }
  });

  it('tells of a database that cannot be had, without its password', async () => {
    const url = Object.assign(new URL(env.DATABASE_URL!), { password: 'hunter2-and-more' }).href;
    const ended = await truetrail({ DATABASE_URL: url }, 'keys', 'list');
    expect(ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('password authentication failed'),
    });
    expect(ended.stderr).not.toContain('hunter2');
  });

  it('ends at once, with all that it had opened, where it fails while it opens what it needs', async () => {
    const archive = mkdtempSync(join(tmpdir(), 'truetrail-cli-'));
    writeFileSync(join(archive, 'store.json'), JSON.stringify({ deployment: randomUUID(), id: randomUUID() }));
    try {
      const ended = await truetrail({ ...env, ARCHIVE_URL: `file:${archive}` }, 'keys', 'list');
      expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('of another database') });
    } finally {
      rmSync(archive, { recursive: true });
    }
  });

  it('shows its help', async () => {
    for (const args of [[], ['help'], ['--help'], ['keys', 'create', '-h']]) {
      const { code, stdout } = await truetrail({}, ...args);
      expect(code).toBe(0);
      for (const word of [
        'keys create',
        'keys list',
        'keys revoke',
        'jobs list',
        'jobs run',
        'archive create-bucket',
        'signing-key',
        'migrate',
        'config',
      ])
        expect(stdout).toContain(word);
    }
  });
});

describe('truetrail signing-key', () => {
  it('makes a key once, shows it, and puts a new one before it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-signing-'));
    try {
      const keyFile = join(folder, 'deep', 'key.pem');
      const on = { SIGNING_KEY_FILE: keyFile };
      expect(await truetrail(on, 'signing-key', 'show')).toMatchObject({ code: 1, stdout: '' });
      expect(await truetrail(on, 'signing-key', 'rotate')).toMatchObject({ code: 1, stdout: '' });
      const made = await truetrail(on, 'signing-key', 'create');
      expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[A-Za-z0-9+/]{43}=\n$/) });
      expect(await truetrail(on, 'signing-key', 'create')).toMatchObject({ code: 1, stdout: '' });
      const shown = await truetrail(on, 'signing-key', 'show', '--ledger', 'audit.example.com/truetrail/main');
      expect(shown.stdout).toMatch(/^audit\.example\.com\/truetrail\/main\+[0-9a-f]{8}\+A[\w+/]{43}\n$/);
      const rotated = await truetrail(on, 'signing-key', 'rotate');
      expect(rotated.code).toBe(0);
      expect(rotated.stdout).not.toBe(made.stdout);
      expect((await truetrail(on, 'signing-key', 'show')).stdout).toBe(rotated.stdout);
      for (const { stdout, stderr } of [made, shown, rotated]) expect(stdout + stderr).not.toContain('PRIVATE');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('truetrail config', () => {
  it('shows every setting and where it comes from, without secrets', async () => {
    const secrets = {
      DATABASE_URL: 'postgres://u:hunter2@localhost/d',
      BOOTSTRAP_API_KEY: 'hunter2-hunter2-hunter2-hunter2-hunter2',
    };
    const { code, stdout, stderr } = await truetrail({ ...secrets, PORT: '8080' }, 'config');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^PORT +environment +8080$/m);
    expect(stdout).toMatch(/^APPEND_TIMEOUT +default +30s$/m);
    expect(stdout).toMatch(/^DATABASE_URL +environment +\(set\)$/m);
    expect(stdout).not.toContain('hunter2');
  });

  it('goes on to its end where nobody reads what it says', () => {
    const command = `"$0" "$1" config 2>&1 | true; echo "\${PIPESTATUS[0]}"`;
    const parameters = [
      '--norc',
      '-c',
      command,
      process.execPath,
      join(process.env.TRUETRAIL_BUILD!, 'src/cli/truetrail.js'),
    ];
    const { stdout, stderr } = spawnSync('bash', parameters, { encoding: 'utf8', env: { PATH: process.env.PATH } });
    expect([stdout, stderr]).toEqual(['0\n', '']);
  });

  it('ends with 1 and names all mistakes', async () => {
    const { code, stdout, stderr } = await truetrail({ PORT: 'x', LOG_LEVEL: 'loud', TLS_KEY_FILE: 'k' }, 'config');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    for (const name of ['PORT', 'LOG_LEVEL', 'TLS_CERT_FILE and TLS_KEY_FILE'])
      expect(stderr).toContain(`- ${name} must`);
  });
});

describe('the command line, on an empty database', () => {
  const admin = { adminUrl: process.env.TEST_ADMIN_URL! } as TestDatabase;
  const name = `truetrail_test_${process.env.TEST_RUN_ID}_${randomBytes(4).toString('hex')}`;
  const at = (base: string | undefined): string => Object.assign(new URL(base!), { pathname: `/${name}` }).href;
  beforeAll(async () => {
    await query(admin, `CREATE DATABASE ${name} OWNER truetrail_owner TEMPLATE template0`);
  });
  afterAll(() => query(admin, `DROP DATABASE ${name} WITH (FORCE)`));

  it('migrates, any number of times; before that it says so, after that keys can be made', async () => {
    const env = {
      DATABASE_URL: at(process.env.TEST_SERVICE_URL_BASE),
      DATABASE_OWNER_URL: at(process.env.TEST_OWNER_URL_BASE),
    };
    const create = ['keys', 'create', '--name', 'x', '--scopes', 'events:read', '--ledgers', 'main'];
    const early = await truetrail(env, ...create);
    expect(early).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('npm run migrate') });
    const [first, second] = await Promise.all([truetrail(env, 'migrate'), truetrail(env, 'migrate')]);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(first.stderr + second.stderr).toContain('migrated: ');
    expect((await truetrail(env, 'migrate')).stderr).toBe('The schema is up to date.\n');
    expect(await truetrail(env, ...create)).toMatchObject({ code: 0, stdout: expect.stringMatching(KEY) });
    const events = await serviceEvents({ adminUrl: at(process.env.TEST_ADMIN_URL) } as TestDatabase, 'api_key');
    expect(events).toEqual([expect.objectContaining({ action: 'create', user_id: USER, recorded_by: 'service' })]);
  });
});

describe('the command line, on the embedded database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'truetrail-cli-'));
  const dataDir = join(folder, 'data');
  const env = { DATA_DIR: dataDir };
  const create = (name: string) =>
    truetrail(env, 'keys', 'create', '--name', name, '--scopes', 'all', '--ledgers', '*');
  const isRunning = (): boolean => existsSync(join(dataDir, 'postgres', 'postmaster.pid'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('starts it, acts and stops it; and uses that of a service that runs', async () => {
    const before = await create('before any start');
    expect(before).toMatchObject({ code: 0, stdout: expect.stringMatching(KEY) });
    expect(isRunning()).toBe(false);

    const service = await Replica.start({ ...env, BOOTSTRAP_API_KEY: '' });
    try {
      const works = async (key: string): Promise<boolean> => {
        const { status } = await fetch(`${service.url}/v1/api-keys`, {
          headers: { authorization: `Bearer ${key.trim()}` },
        });
        return status === 200;
      };
      expect(await works(before.stdout)).toBe(true);
      const during = await create('while it runs');
      expect(during).toMatchObject({ code: 0, stdout: expect.stringMatching(KEY) });
      expect(await works(during.stdout)).toBe(true);
      expect((await truetrail(env, 'migrate')).code).toBe(0);
      expect(isRunning()).toBe(true);
    } finally {
      expect(await service.end('SIGTERM')).toBe(0);
    }
    const listed = await truetrail(env, 'keys', 'list', '--json');
    const names = JSON.parse(listed.stdout).map((key: { name: string }) => key.name);
    expect(names).toEqual(['before any start', 'while it runs']); // there was one: the service made no first key
    expect(isRunning()).toBe(false);
  });
});
