// What the chart's manifests of CloudNativePG and its Barman Cloud plugin may say, as JSON Schema: only those fields that the
// chart sets, and no other, so that a misspelt one, or one at a wrong place, is found without a cluster. Names, types and
// permitted values are those of the custom resource definitions (postgresql.cnpg.io/v1 of CloudNativePG 1.26 and later,
// barmancloud.cnpg.io/v1). A field that the chart sets for the first time is to be looked up there and added here.
import Ajv from 'ajv';

const TEXT = { type: 'string', minLength: 1 };
const BOOLEAN = { type: 'boolean' };
const TEXTS = { type: 'object', additionalProperties: { type: 'string' } };
/** A quantity of Kubernetes: 10Gi, 500m. */
const QUANTITY = { type: ['string', 'integer'], pattern: '^[0-9]+(\\.[0-9]+)?([numkMGTPE]|[KMGTPE]i)?$' };
const oneOf = (...values) => ({ type: 'string', enum: values });
const whole = (minimum) => ({ type: 'integer', minimum });
const list = (items) => ({ type: 'array', minItems: 1, items });
/** An object of these fields alone; `required` are those that must be there. */
const object = (properties, required = []) => ({ type: 'object', additionalProperties: false, properties, required });

const METADATA = object({ name: TEXT, namespace: TEXT, labels: TEXTS, annotations: TEXTS }, ['name']);
const SECRET_KEY = object({ name: TEXT, key: TEXT }, ['name', 'key']);
const PLUGIN = { name: TEXT, enabled: BOOLEAN, isWALArchiver: BOOLEAN, parameters: TEXTS };
const STORAGE = object({ size: QUANTITY, storageClass: TEXT }, ['size']);
const RESOURCES = object({
  requests: { type: 'object', additionalProperties: QUANTITY },
  limits: { type: 'object', additionalProperties: QUANTITY },
});

const CLUSTER = object(
  {
    instances: whole(1),
    imageName: TEXT,
    primaryUpdateStrategy: oneOf('unsupervised', 'supervised'),
    primaryUpdateMethod: oneOf('switchover', 'restart'),
    enablePDB: BOOLEAN,
    bootstrap: {
      ...object({
        initdb: object(
          {
            ...{ database: TEXT, owner: TEXT, encoding: TEXT, localeCollate: TEXT, localeCType: TEXT },
            ...{ dataChecksums: BOOLEAN, postInitSQL: list(TEXT) },
          },
          ['database', 'owner'],
        ),
        recovery: object({ source: TEXT, database: TEXT, owner: TEXT, recoveryTarget: object({ targetTime: TEXT }) }, [
          'source',
        ]),
      }),
      minProperties: 1,
      maxProperties: 1,
    },
    externalClusters: list(object({ name: TEXT, plugin: object(PLUGIN, ['name']) }, ['name'])),
    managed: object({
      roles: list(
        object(
          {
            ...{ name: TEXT, ensure: oneOf('present', 'absent'), login: BOOLEAN, inRoles: list(TEXT) },
            passwordSecret: object({ name: TEXT }, ['name']),
          },
          ['name'],
        ),
      ),
    }),
    postgresql: object({
      parameters: TEXTS,
      synchronous: object(
        { method: oneOf('any', 'first'), number: whole(1), dataDurability: oneOf('required', 'preferred') },
        ['method', 'number'],
      ),
    }),
    storage: STORAGE,
    walStorage: STORAGE,
    affinity: object({
      enablePodAntiAffinity: BOOLEAN,
      podAntiAffinityType: oneOf('preferred', 'required'),
      topologyKey: TEXT,
    }),
    resources: RESOURCES,
    serviceAccountTemplate: object({ metadata: object({ labels: TEXTS, annotations: TEXTS }) }, ['metadata']),
    plugins: list(object(PLUGIN, ['name'])),
  },
  ['instances', 'storage'],
);

const ENCRYPTION = oneOf('AES256', 'aws:kms');
const OBJECT_STORE = object(
  {
    retentionPolicy: { type: 'string', pattern: '^[1-9][0-9]*[dwm]$' },
    configuration: object(
      {
        destinationPath: { type: 'string', pattern: '^s3://[^/]+' },
        endpointURL: TEXT,
        endpointCA: SECRET_KEY,
        s3Credentials: object({
          ...{ accessKeyId: SECRET_KEY, secretAccessKey: SECRET_KEY, region: SECRET_KEY },
          inheritFromIAMRole: BOOLEAN,
        }),
        wal: object({
          compression: oneOf('bzip2', 'gzip', 'lz4', 'snappy', 'xz', 'zstd'),
          encryption: ENCRYPTION,
          maxParallel: whole(1),
        }),
        data: object({ compression: oneOf('bzip2', 'gzip', 'snappy'), encryption: ENCRYPTION, jobs: whole(1) }),
      },
      ['destinationPath'],
    ),
  },
  ['configuration'],
);

const SCHEDULED_BACKUP = object(
  {
    // with seconds, which Kubernetes' CronJobs do not have
    schedule: { type: 'string', pattern: '^(\\S+ ){5}\\S+$' },
    ...{ immediate: BOOLEAN, suspend: BOOLEAN },
    backupOwnerReference: oneOf('none', 'self', 'cluster'),
    target: oneOf('primary', 'prefer-standby'),
    method: oneOf('barmanObjectStore', 'volumeSnapshot', 'plugin'),
    pluginConfiguration: object({ name: TEXT, parameters: TEXTS }, ['name']),
    cluster: object({ name: TEXT }, ['name']),
  },
  ['schedule', 'cluster'],
);

const SPECS = {
  'postgresql.cnpg.io/v1 Cluster': CLUSTER,
  'postgresql.cnpg.io/v1 ScheduledBackup': SCHEDULED_BACKUP,
  'barmancloud.cnpg.io/v1 ObjectStore': OBJECT_STORE,
};

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const checks = new Map(
  Object.entries(SPECS).map(([kind, spec]) => [
    kind,
    ajv.compile(object({ apiVersion: TEXT, kind: TEXT, metadata: METADATA, spec }, ['metadata', 'spec'])),
  ]),
);

/** What is wrong with a manifest, a sentence each; undefined for one of a kind that has no schema here. */
export function customResourceFindings(manifest) {
  const check = checks.get(`${manifest.apiVersion} ${manifest.kind}`);
  if (!check) return undefined;
  check(manifest);
  return (check.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath || '/'} ${message} ${params.additionalProperty ?? ''}`.trim(),
  );
}
