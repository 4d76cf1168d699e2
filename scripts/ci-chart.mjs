// What CI asks of helm/truetrail, without a cluster:
//   node scripts/ci-chart.mjs HELM CHECK MODELS [OUT]
// HELM is the program, CHECK a strict check of manifests that is run in MODELS, a folder with the Kubernetes types in its
// node_modules. The manifests of helm/truetrail/ci/*-values.yaml go to OUT, a folder.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { load, loadAll } from 'js-yaml';
import { ensureBuilt } from './build.mjs';
import { customResourceFindings } from './crd-schemas.mjs';
import { restrictedFindings } from './pod-security.mjs';
import { startStandInCluster } from './stand-in-cluster.mjs';

const CHART = 'helm/truetrail';
const KUBE_VERSIONS = ['1.30.0', '1.35.0'];
/** What the AWS SDK reads; all else in the environment must be a setting. */
const AWS_VARIABLES = ['AWS_REGION', 'AWS_ENDPOINT_URL_S3', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];

const [helm, check, models, out = mkdtempSync(join(tmpdir(), 'truetrail-chart-'))] = process.argv.slice(2);
const { readConfig, SETTINGS } = await import(pathToFileURL(join(ensureBuilt(), 'src/config/config.js')).href);
const failures = [];
const expect = (holds, what) => holds || failures.push(what);

expect(succeeds(['lint', '--strict', CHART]), 'helm lint --strict, without values');
const files = readdirSync(join(CHART, 'ci')).filter((name) => name.endsWith('-values.yaml'));
expect(files.length >= 3, 'there are values to try');
const manifests = [];
/** Custom resources that were held against their schemas, of all manifests. */
let customResources = 0;
for (const file of files) {
  const path = join(CHART, 'ci', file);
  expect(succeeds(['lint', '--strict', CHART, '-f', path]), `helm lint --strict -f ${path}`);
  for (const version of KUBE_VERSIONS) {
    const text = execFileSync(helm, template(['-f', path, '--kube-version', version])).toString();
    const rendered = join(resolve(out), `${version}-${basename(file)}`);
    writeFileSync(rendered, text);
    manifests.push(rendered);
    const documents = loadAll(text).filter((each) => each);
    for (const document of documents) {
      const findings = customResourceFindings(document);
      if (findings) customResources += 1;
      for (const finding of findings ?? [])
        failures.push(`${file}: ${document.kind} ${document.metadata.name}: ${finding}`);
    }
    for (const failure of examine(documents, load(readFileSync(path, 'utf8')))) failures.push(`${file}: ${failure}`);
  }
}
const strict = spawnSync(process.execPath, [resolve(check), ...manifests], { cwd: models, encoding: 'utf8' });
expect(strict.status === 0, `${strict.stdout}${strict.stderr}`);
const summary = strict.stdout.trim().split('\n').at(-1);
console.log(`${summary}; ${customResources} custom resources by their schemas`);
// those that the check skips, and no others, have a schema here
const skipped = Number(/(\d+) skipped$/.exec(summary)?.[1]);
expect(
  skipped === customResources,
  `${skipped} manifests have no types, and ${customResources} a schema: none may have neither`,
);
expect(customResources > 0, 'there are custom resources');
customResourceCheckFinds();
refusals();
restrictedCheckFinds();
namesOfAlarms();
namesThatLookLikeNumbers();
severalReleases();
await besideACluster();

for (const failure of failures) console.error(`FAILED ${failure}`);
console.log(failures.length === 0 ? `the chart holds; manifests in ${out}` : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** A check that finds nothing would pass as well. */
function customResourceCheckFinds() {
  const values = files.find((name) =>
    readFileSync(join(CHART, 'ci', name), 'utf8').includes('postgresql:\n  enabled: true'),
  );
  const text = execFileSync(helm, template(['-f', join(CHART, 'ci', values)])).toString();
  const of = (kind) => loadAll(text).find((each) => each?.kind === kind);
  const wrong = [
    ['Cluster', ({ spec }) => (spec.postgresql.synchronous.dataDurabillity = 'required')],
    ['Cluster', ({ spec }) => (spec.instances = '3')],
    ['Cluster', ({ spec }) => delete spec.storage],
    ['ScheduledBackup', ({ spec }) => (spec.schedule = '0 2 * * *')],
    ['ObjectStore', ({ spec }) => (spec.configuration.wal.encryption = 'aes256')],
    ['ObjectStore', ({ spec }) => (spec.configuration.retentionPolicy = '30 days')],
  ];
  for (const [kind, spoil] of wrong) {
    const manifest = of(kind);
    spoil(manifest);
    expect(customResourceFindings(manifest)?.length === 1, `the schema of ${kind} finds what is spoilt by ${spoil}`);
  }
}

function template(args, release = 'audit') {
  return ['template', release, CHART, '--namespace', 'audit', ...args];
}

function succeeds(args) {
  const { status, stderr } = spawnSync(helm, args, { encoding: 'utf8' });
  if (status !== 0) console.error(stderr);
  return status === 0;
}

/** What is wrong between the manifests of one release. */
function examine(documents, values) {
  const found = [];
  const of = (kind) => documents.filter((each) => each.kind === kind);
  const pods = documents.flatMap((each) => {
    const where = `${each.kind} ${each.metadata.name}`;
    if (each.kind === 'Pod') return [{ where, labels: each.metadata.labels, spec: each.spec }];
    const { template: pod } = each.spec?.jobTemplate?.spec ?? each.spec ?? {};
    return pod?.spec?.containers ? [{ where, labels: pod.metadata.labels, spec: pod.spec }] : [];
  });
  for (const { where, spec } of pods) {
    for (const finding of restrictedFindings(spec)) found.push(`${where}: not restricted: ${finding}`);
    if (spec.automountServiceAccountToken !== false) found.push(`${where}: has a token of the API server`);
    const sidecars = spec.initContainers ?? [];
    const actsOnTheTrail = !/^(Pod|CronJob) /.test(where);
    if (actsOnTheTrail && sidecars.length !== (values.sidecars ?? []).length)
      found.push(`${where}: its sidecars are not those that were asked for`);
    for (const { name, restartPolicy, volumeMounts = [] } of sidecars) {
      if (restartPolicy !== 'Always') found.push(`${where}: waits for ${name} to end`);
      const volumes = (spec.volumes ?? []).map((volume) => volume.name);
      if (volumeMounts.some((mount) => !volumes.includes(mount.name))) found.push(`${where}: ${name} mounts no volume`);
    }
    for (const container of spec.containers) {
      if (container.securityContext.readOnlyRootFilesystem !== true) found.push(`${where}: its root is writable`);
      if (!container.resources?.requests?.cpu || !container.resources?.limits?.memory) {
        found.push(`${where}: resources without cpu request or memory limit`);
      }
      if (!where.startsWith('CronJob '))
        found.push(...environmentMistakes(container, of('ConfigMap'), values).map((each) => `${where}: ${each}`));
      const volumes = (spec.volumes ?? []).map(({ name }) => name);
      for (const { name } of container.volumeMounts ?? []) {
        if (!volumes.includes(name)) found.push(`${where}: mounts ${name}, which is no volume`);
      }
    }
  }
  const owner = pods.filter(({ spec }) => JSON.stringify(spec).includes('DATABASE_OWNER_URL'));
  if (owner.some(({ where }) => !where.startsWith('Job ')))
    found.push("the owner's login is not the migration's alone");
  const matched = (selector) =>
    pods.filter(({ labels }) => Object.entries(selector).every(([name, value]) => labels[name] === value));
  for (const service of of('Service')) {
    const [pod, ...others] = matched(service.spec.selector);
    if (!pod || others.length > 0) found.push(`Service ${service.metadata.name} does not select one kind of pod`);
    const ports = pod?.spec.containers.flatMap((container) => container.ports ?? []).map(({ name }) => name) ?? [];
    for (const { targetPort } of service.spec.ports) {
      if (!ports.includes(targetPort)) found.push(`Service ${service.metadata.name}: no port ${targetPort}`);
    }
  }
  for (const policy of of('NetworkPolicy')) {
    const others = policy.spec.podSelector.matchLabels;
    // of a CronJob's the pods are of one kind, whenever they come
    const kinds = new Set(matched(others).map(({ labels }) => labels['app.kubernetes.io/component']));
    if (kinds.size !== 1) found.push(`NetworkPolicy ${policy.metadata.name} does not select one kind of pod`);
  }
  for (const { spec } of of('PodDisruptionBudget')) {
    if (matched(spec.selector.matchLabels).length !== 1) found.push('the PodDisruptionBudget does not select one kind');
  }
  for (const { spec } of of('ServiceMonitor')) {
    const services = of('Service').filter(({ metadata }) =>
      Object.entries(spec.selector.matchLabels).every(([name, value]) => metadata.labels[name] === value),
    );
    if (services.length !== 1) found.push('the ServiceMonitor does not select one Service');
  }
  for (const { metadata, spec } of of('Deployment')) {
    const grace = spec.template.spec.terminationGracePeriodSeconds;
    const [container] = spec.template.spec.containers;
    const { SHUTDOWN_TIMEOUT: drain } = environment(container, of('ConfigMap'));
    const { seconds } = container.lifecycle.preStop.sleep;
    if (grace <= seconds + parseInt(drain, 10))
      found.push(`${metadata.name}: the grace period ends before SHUTDOWN_TIMEOUT`);
  }
  for (const { metadata, spec } of of('Cluster')) {
    // the operator would take it away
    if (of('PodMonitor').some((each) => each.metadata.name === metadata.name)) found.push('a PodMonitor of its name');
    const { recovery, initdb } = spec.bootstrap;
    if (Boolean(recovery) === Boolean(initdb)) found.push(`${metadata.name}: made anew and restored, or neither`);
    if (!recovery) continue;
    const origin = spec.externalClusters.find(({ name }) => name === recovery.source);
    const [archiver] = spec.plugins.filter(({ isWALArchiver }) => isWALArchiver);
    const stores = of('ObjectStore').map((store) => store.metadata.name);
    for (const { parameters } of [origin.plugin, archiver]) {
      if (!stores.includes(parameters.barmanObjectName)) found.push(`${parameters.barmanObjectName} is no ObjectStore`);
    }
    if (origin.plugin.parameters.serverName === archiver.parameters.serverName) {
      found.push(`${metadata.name} archives among what it is restored from`);
    }
  }
  found.push(...backupLogMistakes(of, values));
  if (of('Secret').length > 0) found.push('there is a Secret: they are to be named, not made');
  return found;
}

/** Of the jobs that log what is in the bucket of backups: they must look where the plugin writes, and with its rights. */
function backupLogMistakes(of, values) {
  const jobs = of('CronJob');
  const [store] = of('ObjectStore');
  if (Boolean(store) !== jobs.length > 0) return ['backups without a log, or a log without backups'];
  if (!store) return [];
  const found = [];
  const [cluster] = of('Cluster');
  const [archiver] = cluster.spec.plugins.filter(({ isWALArchiver }) => isWALArchiver);
  const { destinationPath, endpointURL, s3Credentials, wal } = store.spec.configuration;
  for (const { metadata, spec } of jobs) {
    const say = (what) => found.push(`CronJob ${metadata.name} ${what}`);
    const { spec: pod } = spec.jobTemplate.spec.template;
    const [container] = pod.containers;
    const variable = (name) => container.env.find((each) => each.name === name);
    if (metadata.name.length > 52) say('has a name that is too long');
    if (variable('BACKUP_URL').value !== `${destinationPath}/${archiver.parameters.serverName}`) say('looks elsewhere');
    if (variable('AWS_ENDPOINT_URL_S3')?.value !== endpointURL) say('asks another store');
    if (variable('BACKUP_ENCRYPTION').value !== (wal.encryption ?? 'off')) say('asks for another encryption');
    if (`${variable('BACKUP_RETENTION_DAYS').value}d` !== store.spec.retentionPolicy) say('knows another retention');
    const { existingSecret, serviceAccountName } = values.postgresql.backup.log ?? {};
    const secret = existingSecret ?? s3Credentials.accessKeyId?.name;
    if (variable('AWS_ACCESS_KEY_ID')?.valueFrom.secretKeyRef.name !== secret) say('has other credentials');
    if (pod.serviceAccountName !== (serviceAccountName ?? cluster.metadata.name)) say('runs as another account');
    const [, file] = container.command;
    const { name } = container.volumeMounts.find(({ mountPath }) => file.startsWith(`${mountPath}/`)) ?? {};
    const program = pod.volumes.find((volume) => volume.name === name)?.configMap.name;
    const { data } = of('ConfigMap').find((each) => each.metadata.name === program) ?? {};
    if (data?.[basename(file)] !== readFileSync('deploy/postgresql/backup-log.py', 'utf8')) say('runs another program');
    if (spec.concurrencyPolicy !== 'Forbid') say('may run beside itself');
  }
  return found;
}

/** The environment of a container, with an example for what a Secret has. */
function environment(container, configMaps) {
  const environment = {};
  for (const { configMapRef } of container.envFrom ?? []) {
    Object.assign(environment, configMaps.find(({ metadata }) => metadata.name === configMapRef.name).data);
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const example = name.endsWith('_URL')
      ? 'postgres://user:secret@db.example.com/truetrail?sslmode=verify-full'
      : 'x'.repeat(40);
    environment[name] = valueFrom
      ? example
      : String(value).replaceAll(/\$\((\w+)\)/g, (whole, other) => environment[other] ?? whole);
  }
  return environment;
}

/** Variables that the service does not know, and values that it would refuse. */
function environmentMistakes(container, configMaps, { extraEnv = [] }) {
  const variables = environment(container, configMaps);
  const used = (container.env ?? []).flatMap(({ value = '' }) => [...String(value).matchAll(/\$\((\w+)\)/g)]);
  const known = [
    ...[...Object.keys(SETTINGS), ...AWS_VARIABLES, ...extraEnv.map(({ name }) => name)],
    ...used.map(([, name]) => name),
  ];
  const mistakes = Object.keys(variables)
    .filter((name) => !known.includes(name))
    .map((name) => `${name} is no setting`);
  try {
    readConfig(variables);
  } catch (error) {
    mistakes.push(error.message);
  }
  return mistakes;
}

/** Values that must not become manifests. */
function refusals() {
  const good = ['--set', 'settings.LOG_ORIGIN=a.example/b,settings.ARCHIVE_URL=s3://bucket/p'];
  const refused = (args, reason, release = 'audit') => {
    const { status, stderr } = spawnSync(helm, template(args, release), { encoding: 'utf8' });
    expect(status !== 0 && reason.test(stderr), `${args.join(' ')} is refused: ${stderr}`);
  };
  expect(succeeds(template(good)), 'the two values without a default are enough');
  const { stdout } = spawnSync(helm, template([...good, '--set', 'settings.DATABASE_TLS=any']), { encoding: 'utf8' });
  const migration = stdout.split('\n---').find((manifest) => /kind: Job/.test(manifest)) ?? '';
  expect(/name: DATABASE_TLS, value: "any"/.test(migration), 'the migration has the settings of its connection');
  refused([], /LOG_ORIGIN names this installation/);
  refused(['--set', 'settings.LOG_ORIGIN=a.example/b'], /ARCHIVE_URL is where events are kept/);
  refused([...good, '--set', 'replicas=3'], /replicas/);
  refused([...good, '--set', 'settings.NO_SETTING=1'], /NO_SETTING/);
  refused([...good, '--set', 'settings.DATABASE_POOL_SIZE=0'], /DATABASE_POOL_SIZE/);
  refused([...good, '--set', 'settings.DATABASE_URL=postgres://a'], /DATABASE_URL/);
  refused([...good, '--set', 'settings.DATABASE_WAIT=long'], /DATABASE_WAIT/);
  refused([...good, '--set', 'image.digest=latest'], /digest/);
  const ownDatabase = 'postgresql.enabled=true,postgresql.backup.destinationPath=s3://bucket/q';
  refused([...good, '--set', 'postgresql.enabled=true'], /destinationPath is where backups/);
  const longName = `fullnameOverride=${'a'.repeat(40)},postgresql.name=${'n'.repeat(20)}`;
  refused([...good, '--set', `${ownDatabase},${longName}`], /50 characters|52 characters/);
  const ofLog = (text) => `${ownDatabase},postgresql.backup.log.${text}`;
  refused([...good, '--set', ofLog('schedule=hourly')], /schedule/);
  refused([...good, '--set', ofLog('image=')], /image/);
  refused([...good, '--set', ofLog('enabled=null')], /enabled/);
  const withoutLog = execFileSync(helm, template([...good, '--set', ofLog('enabled=false')])).toString();
  expect(!/backup-log/.test(withoutLog), 'no log of backups where none is wanted');
  const rules = ['--set', 'metrics.prometheusRule.enabled=true', '--show-only', 'templates/prometheusrule.yaml'];
  const alarms = (text) => execFileSync(helm, template([...good, '--set', text, ...rules])).toString();
  expect(!/BackupLog/.test(alarms(ofLog('enabled=false'))), 'nor alarms on it');
  const expected = /job_name=~"audit-truetrail-db-log-\.\*"/;
  expect(expected.test(alarms(ownDatabase)), 'alarms on the log of backups are on the jobs of this release');
  const days = template([...good, '--set', `${ownDatabase},postgresql.backup.retentionPolicy=5w`]);
  expect(/name: BACKUP_RETENTION_DAYS\s+value: "35"/.test(execFileSync(helm, days)), 'five weeks are 35 days');
  refused(
    [...good, '--set', `${ownDatabase},postgresql.recovery.serverName=audit-truetrail-db`],
    /under which the new cluster would archive as well/,
  );
  refused(
    [...good, '--set', `${ownDatabase},postgresql.name=db2,postgresql.recovery.serverName=audit-truetrail-db`],
    /imageName must be given/,
  );
  refused([...good, '--set', `${ownDatabase},postgresql.instances=1`], /synchronous.number/);
  refused([...good, '--set', 'settings.ARCHIVE_URL=file:archive'], /a folder that ends with its pod/);
  refused([...good, '--set', 'autoscaling.enabled=true,autoscaling.minReplicas=9'], /minReplicas/);
  refused([...good, '--set', 'autoscaling.enabled=true,resources.requests.cpu=null'], /resources.requests.cpu/);
  refused([...good, '--set', 'ingress.enabled=true'], /ingress.hosts/);
  expect(
    succeeds(template([...good, '--set', 'settings.ARCHIVE_CACHE_MB=0,cache.sizeLimit=64Mi'])),
    'no cache takes no room',
  );
  refused(
    [...good, '--set', `${ownDatabase},postgresql.name=db2,postgresql.recovery.targetTime=2026-11-27 08:30:00`],
    /targetTime/,
  );
  refused([...good, '--set', 'settings.ARCHIVE_CACHE_MB=2048'], /must be less than cache.sizeLimit/);
  refused([...good, '--set', 'replicaCount=-1'], /replicaCount/);
  // null, with which others of Helm's charts unset a value
  refused([...good, '--set', 'replicaCount=null'], /replicaCount/);
  refused([...good, '--set', 'tls.existingSecret=null'], /existingSecret/);
  refused([...good, '--set', 'service=null'], /service/);
  expect(
    succeeds(template([...good, '--set', 'affinity=null,nodeSelector=null,extraEnv=null,podAnnotations=null'])),
    'null for what is none by itself',
  );
  // labels of the chart's own, twice in one map
  refused([...good, '--set', 'podLabels.app\\.kubernetes\\.io/name=x'], /propertyName 'app.kubernetes.io.name'/);
  refused([...good, '--set', 'podAnnotations.checksum/config=x'], /propertyName 'checksum.config'/);
  // a scrape takes up to ten seconds, and Prometheus takes no shorter interval
  refused([...good, '--set', 'metrics.serviceMonitor.interval=5s'], /interval/);
  refused([...good, '--set', 'metrics.serviceMonitor.interval=5m'], /interval/);
  // what is a release's name, and no Service's
  refused(good, /give fullnameOverride/, 'a.b');
  refused(good, /give fullnameOverride/, '1a');
  refused([...good, '--set', 'fullnameOverride=a.b'], /fullnameOverride/);
  expect(succeeds(template([...good, '--set', 'host=::'])), 'replicas that listen on IPv6');
  refused([...good, '--set', 'settings.DATABASE_WAIT=20m'], /less than migration.activeDeadlineSeconds/);
  const startup = (wait) => {
    const args = template([
      ...good,
      '--set',
      `settings.DATABASE_WAIT=${wait}`,
      '--show-only',
      'templates/deployment.yaml',
    ]);
    const { startupProbe } = load(execFileSync(helm, args).toString()).spec.template.spec.containers[0];
    return startupProbe.periodSeconds * startupProbe.failureThreshold;
  };
  expect(startup('2m') === 300 && startup('10m') > 700, 'a replica may start for longer than it waits for PostgreSQL');
}

/** In YAML `123`, `1e3` and `true` are no text unless they are quoted. */
function namesThatLookLikeNumbers() {
  const names = [
    ...['nameOverride=123,priorityClassName=1e3,serviceAccount.name=1,migration.serviceAccountName=1'],
    ...['database.existingSecret=1e3,database.urlKey=1,database.ownerUrlKey=2,database.caSecret=3,aws.region=1'],
    ...['aws.existingSecret=1,aws.accessKeyIdKey=1,aws.secretAccessKeyKey=2,bootstrapApiKey.existingSecret=1'],
    ...['bootstrapApiKey.key=1,signingKey.existingSecret=true,tls.existingSecret=1,witnesses.existingConfigMap=1'],
    ...['evidenceKeys.existingConfigMap=1,timestampCa.existingConfigMap=1,ingress.className=1,ingress.hosts[0]=1'],
    ...['postgresql.database=true,postgresql.owner=null,postgresql.login=yes,postgresql.loginSecret=1'],
    ...['postgresql.imageName=1,postgresql.storage.storageClass=1,postgresql.walStorage.storageClass=2'],
    ...['postgresql.backup.log.serviceAccountName=1e3,postgresql.backup.log.image=1'],
    ...['postgresql.backup.existingSecret=1,postgresql.backup.accessKeyIdKey=1,postgresql.backup.secretAccessKeyKey=2'],
  ];
  const on = 'ingress.enabled=true,autoscaling.enabled=true,maintenance.command={truetrail}';
  const path = join(CHART, 'ci', 'cloudnativepg-values.yaml');
  const args = ['-f', path, ...names.flatMap((each) => ['--set-string', each]), '--set', on];
  for (const more of [[], ['--set', 'postgresql.enabled=false']]) {
    const text = execFileSync(helm, ['template', '42', CHART, '--set', 'fullnameOverride=t', ...args, ...more]);
    const rendered = join(resolve(out), 'names.yaml');
    writeFileSync(rendered, text);
    const { status, stdout } = spawnSync(process.execPath, [resolve(check), rendered], {
      cwd: models,
      encoding: 'utf8',
    });
    expect(status === 0, `names that look like numbers: ${stdout.slice(0, 2_000)}`);
    for (const document of loadAll(text.toString()).filter((each) => each)) {
      for (const finding of customResourceFindings(document) ?? []) failures.push(`${document.kind}: ${finding}`);
    }
  }
}

/** Of several releases beside each other, in one namespace or in several, Grafana takes each dashboard. */
function severalReleases() {
  const dashboards = [
    ['truetrail', 'emea'],
    ['truetrail', 'apac'],
    ['legacy', 'emea'],
  ].map(([release, namespace]) => {
    const set = 'settings.LOG_ORIGIN=a.example/b,settings.ARCHIVE_URL=off,metrics.dashboard.enabled=true';
    const args = ['template', release, CHART, '--namespace', namespace, '--set', set];
    const text = execFileSync(helm, [...args, '--show-only', 'templates/dashboard.yaml']).toString();
    const [[file, dashboard]] = Object.entries(load(text).data);
    const { uid, title, panels } = JSON.parse(dashboard);
    expect(uid.length <= 40 && panels.length > 20, `a dashboard ${uid}`);
    return { file, uid, title };
  });
  for (const name of ['file', 'uid', 'title']) {
    const values = dashboards.map((each) => each[name]);
    expect(new Set(values).size === values.length, `dashboards of several releases have one ${name}: ${values}`);
  }
}

/** A release may be named as parts of others are: its alarms are on its own series. */
function namesOfAlarms() {
  const path = join(CHART, 'ci', 'cloudnativepg-values.yaml');
  const args = ['template', 'truetrail-db', CHART, '--namespace', 'truetrail', '-f', path, '--show-only'];
  const rules = execFileSync(helm, [...args, 'templates/prometheusrule.yaml']).toString();
  const jobs = new Set([...rules.matchAll(/job="([^"]*-metrics)"/g)].map(([, job]) => job));
  const pods = new Set([...rules.matchAll(/pod=~"([^"]*)"/g)].map(([, pod]) => pod));
  expect([...jobs].join() === 'truetrail-db-metrics', `alarms on ${[...jobs]}`);
  expect([...pods].join() === 'truetrail-db-db-[0-9]+', `alarms on ${[...pods]}`);
  const expressions = (...more) => {
    const { spec } = load(execFileSync(helm, [...args, 'templates/prometheusrule.yaml', ...more]).toString());
    return spec.groups.flatMap((group) => group.rules).map(({ expr }) => expr);
  };
  const ends = (list, name, end) => list.some((expr) => expr.includes(name) && expr.endsWith(`) < ${end}`));
  const more = expressions('--set', 'replicaCount=5,postgresql.synchronous.number=2');
  expect(ends(more, 'count(up{', 5), 'an alarm on less than five replicas');
  expect(ends(more, 'streaming_replicas', 2), 'an alarm on less than two standbys');
  const scaled = expressions('--set', 'autoscaling.enabled=true,autoscaling.minReplicas=2');
  expect(ends(scaled, 'count(up{', 2), 'an alarm on less replicas than the autoscaler leaves');
}

/** What the chart makes of what is there already: a Deployment of five replicas, or none, and a cluster of CloudNativePG. */
async function besideACluster() {
  const values = [
    ...['--set', 'settings.LOG_ORIGIN=a.example/b,settings.ARCHIVE_URL=s3://bucket/p,autoscaling.enabled=true'],
    ...['--set', 'postgresql.enabled=true,postgresql.backup.destinationPath=s3://bucket/q'],
  ];
  const deployment = { replicas: 5 };
  const cluster = await startStandInCluster('audit', 'audit', [
    ['apps/v1', 'Deployment', 'audit-truetrail', deployment],
    ['postgresql.cnpg.io/v1', 'Cluster', 'audit-truetrail-db', {}],
  ]);
  const render = async (...more) => {
    const args = template(['--dry-run=server', '--kube-apiserver', cluster.url, ...values, ...more]);
    // beside this process, which answers
    const { stdout } = await promisify(execFile)(helm, args, { env: { ...process.env, KUBECONFIG: '/dev/null' } });
    const documents = loadAll(stdout).filter((each) => each);
    const migration = documents.find(({ kind, metadata }) => kind === 'Job' && metadata.name.includes('migrate'));
    const { spec } = documents.find(({ kind }) => kind === 'Deployment');
    const isHook = Boolean(migration.metadata.annotations?.['helm.sh/hook']);
    return { replicas: spec.replicas, isHook, job: migration.metadata.name };
  };
  try {
    const upgraded = await render();
    expect(upgraded.replicas === 5, 'autoscaling leaves as many replicas as there are');
    expect(upgraded.isHook, 'the migration is a hook where the database is there');
    const own = 'postgresql.name=db2,postgresql.recovery.serverName=audit-truetrail-db,postgresql.imageName=pg:18.1';
    const restored = await render('--set', own);
    expect(!restored.isHook, 'the migration is none where the database is not there yet');
    const next = await render('--set', 'postgresql.name=db2,image.tag=9.9.9');
    deployment.replicas = 0;
    expect((await render()).replicas === 3, 'autoscaling begins again with the least where there were none');
    const stopped = await render('--set', 'replicaCount=0');
    expect(stopped.replicas === 0, 'autoscaling or not, none are none');
    expect(next.job !== restored.job, 'a Job that runs another image has another name');
  } finally {
    cluster.close();
  }
}

/** The check of the level `restricted` sees each of these. */
function restrictedCheckFinds() {
  const good = () => ({
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    volumes: [{ name: 'tmp', emptyDir: {} }],
    containers: [
      { name: 'a', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }, ports: [] },
    ],
  });
  expect(restrictedFindings(good()).length === 0, 'a restricted pod has no findings');
  const spoilers = [
    (pod) => (pod.hostNetwork = true),
    (pod) => (pod.hostPID = true),
    (pod) => pod.volumes.push({ name: 'host', hostPath: { path: '/' } }),
    (pod) => (pod.securityContext.runAsNonRoot = undefined),
    (pod) => (pod.securityContext.runAsUser = 0),
    (pod) => (pod.securityContext.seccompProfile = undefined),
    (pod) => (pod.securityContext.seccompProfile.type = 'Unconfined'),
    (pod) => (pod.securityContext.sysctls = [{ name: 'kernel.msgmax', value: '1' }]),
    (pod) => (pod.securityContext.seLinuxOptions = { type: 'spc_t' }),
    (pod) => (pod.containers[0].securityContext = undefined),
    (pod) => (pod.containers[0].securityContext.privileged = true),
    (pod) => (pod.containers[0].securityContext.allowPrivilegeEscalation = undefined),
    (pod) => (pod.containers[0].securityContext.capabilities.drop = ['NET_RAW']),
    (pod) => (pod.containers[0].securityContext.capabilities.add = ['SYS_ADMIN']),
    (pod) => (pod.containers[0].securityContext.runAsNonRoot = false),
    (pod) => (pod.containers[0].securityContext.runAsUser = 0),
    (pod) => (pod.containers[0].securityContext.procMount = 'Unmasked'),
    (pod) => pod.containers[0].ports.push({ containerPort: 80, hostPort: 80 }),
    (pod) => (pod.initContainers = [{ name: 'b' }]),
  ];
  for (const spoil of spoilers) {
    const pod = good();
    spoil(pod);
    expect(restrictedFindings(pod).length > 0, `the check of pods finds ${spoil}`);
  }
}
