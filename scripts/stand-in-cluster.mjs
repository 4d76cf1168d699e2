// As much of an API server of Kubernetes as `helm template --dry-run=server` asks for: the kinds that there are, and objects
// by their names. Nothing can be changed there.
import { once } from 'node:events';
import { createServer } from 'node:http';

/** Resources by group and version; of every kind that the chart may make. */
const KINDS = {
  v1: { configmaps: 'ConfigMap', services: 'Service', serviceaccounts: 'ServiceAccount', pods: 'Pod' },
  'apps/v1': { deployments: 'Deployment' },
  'autoscaling/v2': { horizontalpodautoscalers: 'HorizontalPodAutoscaler' },
  'barmancloud.cnpg.io/v1': { objectstores: 'ObjectStore' },
  'batch/v1': { jobs: 'Job', cronjobs: 'CronJob' },
  'monitoring.coreos.com/v1': {
    ...{ servicemonitors: 'ServiceMonitor', podmonitors: 'PodMonitor', prometheusrules: 'PrometheusRule' },
  },
  'networking.k8s.io/v1': { ingresses: 'Ingress', networkpolicies: 'NetworkPolicy' },
  'policy/v1': { poddisruptionbudgets: 'PodDisruptionBudget' },
  'postgresql.cnpg.io/v1': { clusters: 'Cluster', scheduledbackups: 'ScheduledBackup' },
};

/**
 * Objects `[apiVersion, kind, name, spec]` in one namespace, said to be of one release of Helm. Answers its address, and
 * `close`.
 */
export async function startStandInCluster(namespace, release, objects) {
  const answers = {
    '/version': { major: '1', minor: '35', gitVersion: 'v1.35.0' },
    '/api': { kind: 'APIVersions', versions: ['v1'] },
    ...discovery(),
  };
  for (const [apiVersion, kind, name, spec] of objects) {
    const [plural] = Object.entries(KINDS[apiVersion]).find(([, each]) => each === kind);
    answers[`${pathOf(apiVersion)}/namespaces/${namespace}/${plural}/${name}`] = {
      ...{ apiVersion, kind, spec },
      metadata: {
        name,
        labels: { 'app.kubernetes.io/managed-by': 'Helm' },
        annotations: { 'meta.helm.sh/release-name': release, 'meta.helm.sh/release-namespace': namespace },
      },
    };
  }
  const missing = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 };
  const server = createServer((request, response) => {
    const [path] = request.url.split('?');
    if (path === '/openapi/v2') return response.end(); // no schema of anything
    response.writeHead(answers[path] ? 200 : 404, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(answers[path] ?? missing));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

function pathOf(groupVersion) {
  return groupVersion.includes('/') ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
}

function discovery() {
  const answers = {};
  const groups = [];
  for (const [groupVersion, resources] of Object.entries(KINDS)) {
    answers[pathOf(groupVersion)] = {
      ...{ kind: 'APIResourceList', apiVersion: 'v1', groupVersion },
      resources: Object.entries(resources).map(([name, kind]) => ({
        ...{ name, kind, singularName: '', namespaced: true, verbs: ['get'] },
      })),
    };
    const [name, version] = groupVersion.split('/');
    if (version)
      groups.push({ name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } });
  }
  return { ...answers, '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups } };
}
