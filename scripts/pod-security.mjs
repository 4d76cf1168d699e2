// The level `restricted` of the Pod Security Standards, which include those of `baseline`
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/), over the spec of a pod that runs Linux.

const VOLUMES = [
  ...['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'],
  'image',
];
const SECCOMP = ['RuntimeDefault', 'Localhost'];
const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];
const SYSCTLS = [
  ...['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start'],
  ...['net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range', 'net.ipv4.ip_local_reserved_ports'],
  ...['net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_keepalive_intvl'],
  'net.ipv4.tcp_keepalive_probes',
];

/** What keeps a pod out of a namespace of the level `restricted`: a line each, or none. */
export function restrictedFindings(spec) {
  const found = [];
  const pod = spec.securityContext ?? {};
  for (const flag of ['hostNetwork', 'hostPID', 'hostIPC']) if (spec[flag]) found.push(`${flag} is on`);
  for (const volume of spec.volumes ?? []) {
    const kind = Object.keys(volume).find((key) => key !== 'name');
    if (!VOLUMES.includes(kind)) found.push(`volume ${volume.name} is a ${kind}`);
  }
  for (const { name } of pod.sysctls ?? []) if (!SYSCTLS.includes(name)) found.push(`sysctl ${name}`);
  found.push(...ofContext(pod, 'the pod'));
  for (const kind of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const container of spec[kind] ?? []) found.push(...ofContainer(container, pod));
  }
  return found;
}

function ofContainer(
  { name, securityContext: own = {}, ports = [], livenessProbe, readinessProbe, startupProbe, lifecycle },
  pod,
) {
  const found = ofContext(own, name);
  const say = (text) => found.push(`${name}: ${text}`);
  if (own.privileged) say('privileged');
  if (own.allowPrivilegeEscalation !== false) say('allowPrivilegeEscalation is not false');
  if (!own.capabilities?.drop?.includes('ALL')) say('capabilities.drop lacks ALL');
  const added = (own.capabilities?.add ?? []).filter((capability) => capability !== 'NET_BIND_SERVICE');
  if (added.length > 0) say(`capabilities.add has ${added.join(', ')}`);
  if ((own.runAsNonRoot ?? pod.runAsNonRoot) !== true) say('runAsNonRoot is not true');
  if (!SECCOMP.includes((own.seccompProfile ?? pod.seccompProfile)?.type)) say('no seccompProfile');
  if ((own.procMount ?? 'Default') !== 'Default') say(`procMount is ${own.procMount}`);
  if (ports.some(({ hostPort = 0 }) => hostPort !== 0)) say('a hostPort');
  const handlers = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
  if (handlers.some((handler) => handler?.httpGet?.host || handler?.tcpSocket?.host)) say('a probe of another host');
  return found;
}

/** What a pod's and a container's securityContext have in common. */
function ofContext(context, of) {
  const found = [];
  if (context.runAsUser === 0) found.push(`${of}: runAsUser is 0`);
  if (context.runAsNonRoot === false) found.push(`${of}: runAsNonRoot is false`);
  if (context.seccompProfile && !SECCOMP.includes(context.seccompProfile.type)) {
    found.push(`${of}: seccompProfile ${context.seccompProfile.type}`);
  }
  const { type = '', user = '', role = '' } = context.seLinuxOptions ?? {};
  if (!SELINUX_TYPES.includes(type) || user !== '' || role !== '') found.push(`${of}: seLinuxOptions`);
  if (context.appArmorProfile?.type === 'Unconfined') found.push(`${of}: appArmorProfile Unconfined`);
  if (context.windowsOptions?.hostProcess) found.push(`${of}: hostProcess`);
  return found;
}
