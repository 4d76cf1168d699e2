import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { SETTINGS } from '../src/config/config.js';
import { PROBLEMS } from '../src/http/problem.js';

const CHART = 'helm/truetrail';
const read = (path: string): string => readFileSync(path, 'utf8');
const readRules = (path: string): Rule[] =>
  (load(read(path)) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);
const readAlerts = (file: string): Rule[] => readRules(join(CHART, 'files', file));

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}

/** Settings that the chart gives by itself: they follow from other values, or are secrets. */
const OWN_SETTINGS = [
  ...['PORT', 'HOST', 'DATA_DIR', 'METRICS_PORT', 'SHUTDOWN_TIMEOUT', 'SIGNING_KEY_FILE', 'TLS_CERT_FILE'],
  ...[
    'TLS_KEY_FILE',
    'WITNESSES',
    'TIMESTAMP_CA_FILE',
    'EVIDENCE_KEYS_FILE',
    'DATABASE_URL',
    'DATABASE_OWNER_URL',
    'BOOTSTRAP_API_KEY',
  ],
];

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
  .map((path) => read(join('src', path)))
  .join('\n');

/** The names under which the service publishes figures: those of its own, and prom-client's of the process. */
async function publishedMetrics(): Promise<Set<string>> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'truetrail_' });
  const process = (await registry.getMetricsAsJSON()).map(({ name }) => name);
  registry.clear();
  const own = [...sources.matchAll(/(?:\bgauge|fromDatabase)\(\s*'(truetrail_\w+)'|name: '(truetrail_\w+)'/g)];
  return new Set([...process, ...own.map(([, gauge, other]) => gauge ?? other!)]);
}

/** The labels of the service's own figures, by their names, as the sources declare them. */
function declaredLabels(): Map<string, string[]> {
  const text = String.raw`(?:'[^']*'|"[^"]*"|\x60[^\x60]*\x60|help|sql\.\w+)`;
  const declarations = [
    new RegExp(String.raw`(?:\bgauge|fromDatabase)\(\s*'(truetrail_\w+)',\s*${text},\s*\[([^\]]*)\]`, 'g'),
    new RegExp(String.raw`name: '(truetrail_\w+)',\s*help: ${text},\s*labelNames: \[([^\]]*)\]`, 'g'),
  ].flatMap((pattern) => [...sources.matchAll(pattern)]);
  const labelsOf = (list: string): string[] => [...list.matchAll(/'(\w+)'/g)].map(([, label]) => label!);
  const found = new Map(declarations.map(([, name, list]) => [name!, labelsOf(list!)]));
  // src/checkpoints/timestamping.job.ts declares its own by a function of its own
  for (const name of ['truetrail_timestamp_age_seconds', 'truetrail_unstamped_age_seconds']) {
    if (!found.has(name)) found.set(name, ['authority']);
  }
  return found;
}

const dashboardQueries = (): string[] => {
  const { panels } = JSON.parse(read(join(CHART, 'files/dashboard.json'))) as {
    panels: { targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
};

const metricsOf = (text: string): string[] => [
  ...new Set([...text.matchAll(/\btruetrail_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''))),
];

describe('the chart', () => {
  const alerts = readAlerts('alerts.yaml');
  const all = [...alerts, ...readAlerts('alerts-postgresql.yaml')];

  it('is of the version of the package, as the image is', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(load(read(join(CHART, 'Chart.yaml')))).toMatchObject({ version, appVersion: version });
    expect(read('Dockerfile')).toContain(`\nARG VERSION=${version}\n`);
  });

  it('has the program that logs what CloudNativePG archives, as it is for a PostgreSQL of one’s own', () => {
    expect(read(join(CHART, 'files/backup-log.py'))).toBe(read('deploy/postgresql/backup-log.py'));
  });

  it('has patterns that Helm can read: it knows neither look-around nor back-references', () => {
    const patterns = [...read(join(CHART, 'values.schema.json')).matchAll(/"pattern": ("(?:[^"\\]|\\.)*")/g)].map(
      ([, pattern]) => JSON.parse(pattern!) as string,
    );
    expect(patterns.length).toBeGreaterThan(10);
    expect(patterns.filter((pattern) => /\(\?(?!:)|\\[1-9]/.test(pattern))).toEqual([]);
  });

  it('takes every setting of docs/configuration.md, and no other', () => {
    const { properties } = JSON.parse(read(join(CHART, 'values.schema.json'))) as {
      properties: { settings: { properties: object } };
    };
    expect([...Object.keys(properties.settings.properties), ...OWN_SETTINGS].sort()).toEqual(
      Object.keys(SETTINGS).sort(),
    );
  });

  it('refuses null for a value that a template needs: a count would become 0, and a switch be on', () => {
    interface Schema {
      type?: string | string[];
      properties?: Record<string, Schema>;
      required?: string[];
    }
    const schema = JSON.parse(read(join(CHART, 'values.schema.json'))) as Schema;
    const left: string[] = [];
    const look = (values: object, { properties = {}, required = [] }: Schema, path: string): void => {
      for (const [name, value] of Object.entries(values) as [string, unknown][]) {
        const of = properties[name];
        if (!required.includes(name)) left.push(`${path}${name}`);
        if (value instanceof Object && of?.properties) look(value, of, `${path}${name}.`);
      }
    };
    look(load(read(join(CHART, 'values.yaml'))) as object, schema, '');
    // lists and maps that are none by themselves, and what null has a meaning for
    const open = /(^|[aA])nnotations$|[lL]abels$|requests$|limits$|^networkPolicy\.|^extra|^runAs(\.user)?$/;
    expect(left.filter((path) => !open.test(path)).sort()).toEqual([
      'affinity',
      'imagePullSecrets',
      'ingress.hosts',
      'ingress.tls',
      'maintenance.command',
      'nodeSelector',
      'sidecars',
      'tolerations',
      'topologySpreadConstraints',
    ]);
  });

  it('alarms on figures that the service publishes', async () => {
    const published = await publishedMetrics();
    expect(published.has('truetrail_append_seconds')).toBe(true);
    const asked = metricsOf(alerts.map(({ expr }) => expr).join('\n'));
    expect(asked.length).toBeGreaterThan(25);
    expect(asked.filter((name) => !published.has(name))).toEqual([]);
  });

  it('shows figures that the service publishes', async () => {
    const published = await publishedMetrics();
    const asked = metricsOf(read(join(CHART, 'files/dashboard.json')));
    expect(asked.length).toBeGreaterThan(25);
    expect(asked.filter((name) => !published.has(name))).toEqual([]);
  });

  it('asks for labels that those figures have', () => {
    const labels = declaredLabels();
    expect(labels.size).toBeGreaterThan(30);
    const queries = [...alerts.map(({ expr }) => expr), ...dashboardQueries()];
    const unknown = queries.flatMap((query) => {
      const known = metricsOf(query).flatMap((name) => labels.get(name) ?? []);
      const asked = [
        ...[...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/,\s*/)),
        ...[...query.matchAll(/[{,](\w+)[=!]~?"/g)].map(([, label]) => label!),
      ];
      const others = ['namespace', 'job', 'pod', 'le'];
      return asked
        .filter((label) => !others.includes(label) && !known.includes(label.replace('exported_job', 'job')))
        .map((label) => `${label} in ${query}`);
    });
    expect(unknown).toEqual([]);
  });

  it('looks at the series of its own release alone', () => {
    const selectors = all.flatMap(({ expr }) => [
      ...expr.matchAll(/\b(?:truetrail|up|cnpg|barman_cloud|kube)\w*\{([^}]*)\}/g),
    ]);
    expect(selectors.length).toBeGreaterThan(all.length - 1);
    for (const [, selector] of selectors) {
      expect(selector).toMatch(/^namespace="truetrail",(job="truetrail-metrics"|\w+=~"truetrail-db-)/);
    }
    const bare = all.filter(({ expr }) => /\b(?:truetrail|cnpg|barman_cloud|kube|kubelet)_\w+(?![\w{])/.test(expr));
    expect(bare.map(({ alert }) => alert)).toEqual([]);
  });

  it('has a section of the runbooks for every alert, that says how urgent it is, and no other', () => {
    const sections = read('docs/runbooks.md').split(/^## /m).slice(1);
    const titles = sections.map((section) => section.split('\n')[0]!);
    // and for those of a PostgreSQL that the chart does not make, one of which is also the chart's
    const everyRule = [...all, ...readRules('deploy/postgresql/alerts.yaml')];
    expect([...titles].sort()).toEqual([...new Set(everyRule.map(({ alert }) => alert))].sort());
    for (const { alert, labels, annotations } of everyRule) {
      expect(annotations.runbook_url).toBe(`docs/runbooks.md#${alert.toLowerCase()}`);
      expect(annotations.summary.length * annotations.description.length).toBeGreaterThan(0);
      expect(sections[titles.indexOf(alert)]).toMatch(new RegExp(String.raw`^\w+\n\n\*${labels.severity}\.\* `));
    }
  });

  it('names jobs and problems that there are', () => {
    const jobs = new Set([...sources.matchAll(/readonly name = '([a-z-]+)'/g)].map(([, name]) => name!));
    const runbooks = read('docs/runbooks.md');
    const named = [
      ...[...runbooks.matchAll(/\/v1\/jobs\/([a-z-]+)/g)].map(([, job]) => job!),
      ...[...runbooks.matchAll(/[Jj]ob `([a-z-]+)`/g)].map(([, job]) => job!),
      ...alerts.flatMap(({ expr }) =>
        [...expr.matchAll(/exported_job=~"([^"]+)"/g)].flatMap(([, list]) => list!.split('|')),
      ),
    ];
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((job) => !jobs.has(job))).toEqual([]);
    const problems = [...runbooks.matchAll(/`50[0-9] ([a-z-]+)`/g)].map(([, slug]) => slug!);
    expect(problems.length).toBeGreaterThan(3);
    expect(problems.filter((slug) => !(slug in PROBLEMS))).toEqual([]);
  });
});
