import { resolve } from 'node:path';
import {
  ConfigError,
  configDigest,
  describeConfig,
  publicSettings,
  readConfig,
  RULES,
  secretsOf,
  SETTINGS,
} from './config.js';
import { configurationPage } from './configuration-page.js';
import type { Setting } from './settings.js';

function mistakesOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

/** So that no rule between settings is broken by one of them. */
const GOOD = { DATABASE_URL: 'postgres://u@localhost/d', OIDC_AUDIENCE: 'x', OIDC_ISSUER: 'https://i.example' };
const KEY = 'a-bootstrap-key-of-32-characters-or-more';

describe('readConfig', () => {
  it('has a value or a meaning for every setting that is absent or empty', () => {
    const empty = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']));
    expect(readConfig({})).toEqual(readConfig(empty));
    expect(readConfig({})).toMatchObject({ PORT: 3000, HOST: '127.0.0.1', APPEND_TIMEOUT: 30_000, METRICS_PORT: 0 });
    expect(readConfig({}).DATA_DIR).toBe(resolve('data'));
    expect(Object.isFrozen(readConfig({}))).toBe(true);
  });

  it('reads what is given', () => {
    const url = 'postgres://user:p%40ss@db.example.com:5433/trail?sslmode=verify-full&connect_timeout=5';
    const config = readConfig({
      ...{ PORT: '0', DATABASE_URL: url, DATABASE_OWNER_URL: 'postgresql://owner@localhost/trail' },
      ...{ CLOCK_TOLERANCE: '500ms', APPEND_TIMEOUT: '1m', LOG_LEVEL: 'silent', BOOTSTRAP_API_KEY: KEY },
      ...{ OIDC_ISSUER: 'https://login.example.com/a', OIDC_AUDIENCE: 'truetrail' },
    });
    expect(config).toMatchObject({ PORT: 0, DATABASE_URL: url, CLOCK_TOLERANCE: 500, APPEND_TIMEOUT: 60_000 });
  });

  it('takes time zones by their names alone, which know of summer time', () => {
    expect(readConfig({ REPORTING_TIME_ZONE: 'Europe/Paris' }).REPORTING_TIME_ZONE).toBe('Europe/Paris');
    for (const wrong of ['Europe/Nowhere', '+02:00', 'CET ']) {
      expect(mistakesOf({ REPORTING_TIME_ZONE: wrong })).toEqual([
        'REPORTING_TIME_ZONE must be a time zone of the IANA list, as Europe/Paris or UTC',
      ]);
    }
  });

  it('refuses names of files of transaction reports that could not be their message ids', () => {
    const given = { REPORTING_SENDER: '529900G3SW56SHYNPR95', REPORTING_RECEIVER: 'FR' };
    const withPattern = (pattern: string) => mistakesOf({ ...given, REPORTING_FILE_NAME: pattern });
    expect(withPattern('{sender}_{receiver}_{sequence:6}')).toEqual([]);
    expect(mistakesOf({ ...given, REPORTING_SENDER: 'TF' })).toEqual([]);
    const mistake = [expect.stringMatching(/^REPORTING_FILE_NAME must give names of 35 characters at most/)];
    for (const mistakes of [mistakesOf(given), withPattern('{day}_{sequence}'), withPattern('{yy:4}_{sequence}')]) {
      expect(mistakes).toEqual(mistake);
    }
  });

  it('names every mistake at once, each by its setting and its rule', () => {
    const mistakes = mistakesOf({
      ...{ PORT: '65536', DATABASE_URL: 'mysql://x', LOG_LEVEL: 'loud', APPEND_TIMEOUT: '30', LOG_ORIGIN: 'a b' },
      ...{ BOOTSTRAP_API_KEY: 'short', TLS_CERT_FILE: '/x.pem', OIDC_AUDIENCE: 'x', VERIFICATION_SCHEDULE: 'daily' },
    });
    expect(mistakes.map((mistake) => mistake.split(' ')[0])).toEqual([
      ...['PORT', 'DATABASE_URL', 'LOG_ORIGIN', 'BOOTSTRAP_API_KEY', 'APPEND_TIMEOUT', 'VERIFICATION_SCHEDULE'],
      ...['LOG_LEVEL', 'TLS_CERT_FILE', 'OIDC_ISSUER'],
    ]);
    expect(mistakes).toContain('PORT must be a whole number from 0 to 65535');
  });

  it('takes no time stamp authority with a secret in its URL, which is recorded and shown', () => {
    const given = (urls: string) =>
      mistakesOf({ ARCHIVE_URL: 'file:///archive', TIMESTAMP_CA_FILE: '/ca.pem', TIMESTAMP_AUTHORITIES: urls });
    expect(given('https://tsa.example/tsr http://stamp.example')).toEqual([]);
    for (const bad of [
      'https://tsa.example/tsr?token=x',
      'https://tsa.example/?',
      'https://tsa.example/#x',
      'https://u:p@tsa.example/',
    ]) {
      expect(given(`http://stamp.example ${bad}`)).toEqual([
        expect.stringMatching(/^TIMESTAMP_AUTHORITIES must be URLs .*without a user name, without \? and #/),
      ]);
    }
  });

  it.each<[keyof typeof SETTINGS, string[]]>([
    ['PORT', ['-1', '3000 ', '0x10', '1e3', '65536', '3000.0']],
    ['DATABASE_POOL_SIZE', ['0', '201', 'ten']],
    ['APPEND_TIMEOUT', ['30', '30 s', '1.5s', '-1s', '0s', '2h', '1d']],
    ['DATABASE_URL', ['x', '/var/run', 'http://db/x', 'postgres://u:pa/ss@h/d']],
    ['DATABASE_URL', ['postgres://u@localhost/d?options=-crole=owner', 'postgres://u@localhost/d?statement_timeout=1']],
    ['DATABASE_OWNER_URL', ['postgres://u:100%@localhost/d', 'postgres://u@localhost/d?lock_timeout=1']],
    ['BOOTSTRAP_API_KEY', ['x'.repeat(31), 'x'.repeat(201), `${'x'.repeat(32)} y`, 'ü'.repeat(32)]],
    ['LOG_ORIGIN', ['a b', 'a+b', 'a"b', 'a\\b', 'x'.repeat(201), 'é']],
    ['OIDC_ISSUER', ['login.example.com', 'http://login.example.com', 'https://user:pw@login.example.com']],
    ['OIDC_JWKS_URL', ['http://127.0.0.1.example.com/keys', 'ftp://127.0.0.1/keys']],
    ['LOG_LEVEL', ['INFO', 'verbose']],
  ])('refuses for %s what it does not accept, and echoes none of it', (name, values) => {
    for (const value of values) {
      const [mistake, ...others] = mistakesOf({ ...GOOD, [name]: value });
      expect({ value, mistake }).toEqual({ value, mistake: `${name} must be ${SETTINGS[name].accepts}` });
      expect(others).toEqual([]);
      if (value.length > 4) expect(mistake).not.toContain(value);
    }
  });

  it('takes http: for an issuer on this machine alone', () => {
    for (const host of ['localhost:8080', '127.0.0.1', '127.8.9.10', '[::1]:1']) {
      expect(mistakesOf({ OIDC_ISSUER: `http://${host}/x`, OIDC_AUDIENCE: 'x' })).toEqual([]);
    }
  });

  it.each<[string, Record<string, string>]>([
    ['TLS_CERT_FILE and TLS_KEY_FILE', { TLS_CERT_FILE: 'c' }],
    ['TLS_CERT_FILE and TLS_KEY_FILE', { TLS_KEY_FILE: 'k' }],
    ['OIDC_ISSUER and OIDC_AUDIENCE', { OIDC_ISSUER: 'https://i.example' }],
    ['OIDC_ISSUER and OIDC_AUDIENCE', { OIDC_AUDIENCE: 'a' }],
    ['OIDC_JWKS_URL', { OIDC_JWKS_URL: 'https://i.example/keys' }],
    ['DATABASE_OWNER_URL', { DATABASE_OWNER_URL: 'postgres://o@localhost/d' }],
    ['DATABASE_OWNER_URL', { DATABASE_OWNER_URL: 'postgres://o@localhost/d', DATABASE_URL: 'postgres://localhost/d' }],
    ['METRICS_PORT', { METRICS_PORT: '3000' }],
  ])('refuses settings that do not go together: %s, by %j', (beginning, env) => {
    const mistakes = mistakesOf(env);
    expect(mistakes).toEqual([RULES.find(({ says }) => says.startsWith(beginning))!.says]);
  });

  it('speaks to a database on another machine by TLS that is verified, and not otherwise', () => {
    const says = RULES.find(({ of: names }) => names.includes('DATABASE_TLS'))!.says;
    const own = 'postgres://o@localhost/d';
    for (const url of [
      ...['postgres://u@db.example.com/d', 'postgres://u@10.0.0.7/d?sslmode=require', 'postgres://u@db/d?ssl=true'],
      ...['postgres://u@db/d?sslmode=no-verify', 'postgres://u@db/d?sslmode=verify-full&sslmode=disable'],
      ...['postgres://u@localhost/d?host=db', 'postgres://u@127.0.0.1.example.com/d', 'postgres:///d'],
    ]) {
      expect([url, mistakesOf({ DATABASE_URL: url })]).toEqual([url, [says]]);
      expect([url, mistakesOf({ DATABASE_URL: url, DATABASE_TLS: 'any' })]).toEqual([url, []]);
    }
    const remote = 'postgres://o@db/d';
    expect(mistakesOf({ DATABASE_URL: 'postgres://u@localhost/d', DATABASE_OWNER_URL: remote })).toEqual([says]);
    for (const url of [
      ...[
        'postgres://u@db/d?sslmode=verify-full&sslrootcert=/ca.crt',
        'postgres://u@db/d?sslmode=disable&sslmode=verify-full',
      ],
      ...['postgres://u@localhost:5433/d', 'postgres://u@127.0.0.2/d', 'postgres://u@[::1]/d'],
      ...['postgres://u@%2Fvar%2Frun%2Fpostgresql/d', 'postgres://u@db/d?host=/var/run/postgresql'],
    ]) {
      expect([url, mistakesOf({ DATABASE_URL: url, DATABASE_OWNER_URL: own })]).toEqual([url, []]);
    }
  });

  it('says nothing about two settings together while one of them is not usable by itself', () => {
    expect(mistakesOf({ DATABASE_URL: 'x', DATABASE_OWNER_URL: 'postgres://o@localhost/d' })).toEqual([
      `DATABASE_URL must be ${SETTINGS.DATABASE_URL.accepts}`,
    ]);
  });
});

describe('what is shown of a configuration', () => {
  const secrets = {
    DATABASE_URL: 'postgres://service:first-secret@localhost/trail',
    DATABASE_OWNER_URL: 'postgres://owner:second-secret@localhost/trail',
    BOOTSTRAP_API_KEY: KEY,
  };

  it('has no secrets, and says where each value came from', () => {
    const described = describeConfig({ ...secrets, PORT: '8080', APPEND_TIMEOUT: '90000ms', HOST: '' });
    expect(described.map(({ name }) => name)).toEqual(Object.keys(SETTINGS));
    const named = (name: string) => described.find((setting) => setting.name === name);
    expect(named('PORT')).toEqual({ name: 'PORT', value: '8080', from: 'environment' });
    expect(named('HOST')).toEqual({ name: 'HOST', value: '127.0.0.1', from: 'default' });
    expect(named('APPEND_TIMEOUT')).toEqual({ name: 'APPEND_TIMEOUT', value: '90s', from: 'environment' });
    expect(named('TLS_CERT_FILE')).toEqual({ name: 'TLS_CERT_FILE', value: '(plain HTTP)', from: 'default' });
    for (const name of Object.keys(secrets)) {
      expect(named(name)).toEqual({ name, value: '(set)', from: 'environment' });
    }
    const shown = JSON.stringify([described, publicSettings(readConfig(secrets))]);
    for (const secret of ['first-secret', 'second-secret', KEY]) expect(shown).not.toContain(secret);
  });

  it('knows its secrets, so that a log can be kept free of them', () => {
    expect(
      secretsOf(readConfig({ ...secrets, DATABASE_URL: 'postgres://service:p%40ss%2Fword@localhost/trail' })).sort(),
    ).toEqual(
      [
        ...['postgres://service:p%40ss%2Fword@localhost/trail', 'p%40ss%2Fword', 'p@ss/word'],
        ...['postgres://owner:second-secret@localhost/trail', 'second-secret', KEY],
      ].sort(),
    );
    expect(secretsOf(readConfig({ DATABASE_URL: 'postgres://localhost/trail' }))).toEqual([
      'postgres://localhost/trail',
    ]);
  });

  it('has a digest that changes with the visible settings alone', () => {
    const digest = (env: Record<string, string>): string => configDigest(readConfig(env)).toString('hex');
    expect(digest(secrets)).toBe(digest({ ...secrets, BOOTSTRAP_API_KEY: `${KEY}-another` }));
    expect(digest(secrets)).not.toBe(digest({ ...secrets, PORT: '8080' }));
    expect(digest(secrets)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is a page with every setting, its rule, its default and its reason', () => {
    const page = configurationPage();
    for (const [name, setting] of Object.entries(SETTINGS) as [string, Setting<unknown>][]) {
      expect(page).toContain(`## ${name}\n\n${setting.why}\n\n- Accepts: ${setting.accepts}\n`);
    }
    for (const { says } of RULES) expect(page).toContain(says);
  });

  it('marks as secret whatever can hold one', () => {
    const names = (Object.entries(SETTINGS) as [string, Setting<unknown>][]).filter(([, { secret }]) => secret);
    expect(names.map(([name]) => name)).toEqual(Object.keys(secrets));
  });
});
