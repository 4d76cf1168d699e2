{{- define "truetrail.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimAll "-" -}}
{{- end -}}

{{/* A Service has it, and its name is more narrow than a release's: no dot, and a letter at the beginning. */}}
{{- define "truetrail.fullname" -}}
{{- $name := include "truetrail.name" . -}}
{{- $fullname := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $fullname = default $fullname .Values.fullnameOverride | trunc 40 | trimAll "-" -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $fullname) -}}
{{- fail (printf "%s cannot be the name of a Service, which begins with a letter and has letters, digits and hyphens: give fullnameOverride" $fullname) -}}
{{- end -}}
{{- $fullname -}}
{{- end -}}

{{- define "truetrail.selectorLabels" -}}
app.kubernetes.io/name: {{ include "truetrail.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Of everything but pods' selectors. */}}
{{- define "truetrail.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "truetrail.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "truetrail.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "truetrail.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "truetrail.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "truetrail.postgresql" -}}
{{ include "truetrail.fullname" . }}-{{ .Values.postgresql.name }}
{{- end -}}

{{/* A setting as the environment has it: a number is a whole one, and must not become 1e+06. */}}
{{- define "truetrail.setting" -}}
{{- if kindIs "float64" . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "truetrail.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAs }}
{{- if .user }}
runAsUser: {{ int64 .user }}
runAsGroup: {{ int64 .group }}
fsGroup: {{ int64 .group }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "truetrail.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* DATABASE_URL, what the service logs in with: of a Secret, or of the cluster that the chart makes. */}}
{{- define "truetrail.databaseEnv" -}}
{{- if .Values.postgresql.enabled -}}
- name: POSTGRESQL_PASSWORD # for the line below
  valueFrom:
    secretKeyRef:
      name: {{ .Values.postgresql.loginSecret | quote }}
      key: password
- name: DATABASE_URL
  value: postgres://{{ .Values.postgresql.login }}:$(POSTGRESQL_PASSWORD)@{{ include "truetrail.postgresqlAddress" . }}
{{- else -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret | quote }}
      key: {{ .Values.database.urlKey | quote }}
{{- end -}}
{{- end -}}

{{/* DATABASE_OWNER_URL, for the migration alone. */}}
{{- define "truetrail.databaseOwnerEnv" -}}
{{- if .Values.postgresql.enabled -}}
- name: POSTGRESQL_OWNER_PASSWORD # for the line below
  valueFrom:
    secretKeyRef:
      name: {{ include "truetrail.postgresql" . }}-app
      key: password
- name: DATABASE_OWNER_URL
  value: postgres://{{ .Values.postgresql.owner }}:$(POSTGRESQL_OWNER_PASSWORD)@{{ include "truetrail.postgresqlAddress" . }}
{{- else -}}
- name: DATABASE_OWNER_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret | quote }}
      key: {{ .Values.database.ownerUrlKey | quote }}
{{- end -}}
{{- end -}}

{{- define "truetrail.postgresqlAddress" -}}
{{ include "truetrail.postgresql" . }}-rw:5432/{{ .Values.postgresql.database }}?sslmode=verify-full&sslrootcert=/etc/truetrail/database-ca/ca.crt
{{- end -}}

{{- define "truetrail.databaseCaSecret" -}}
{{- if .Values.postgresql.enabled -}}
{{ include "truetrail.postgresql" . }}-ca
{{- else -}}
{{ .Values.database.caSecret }}
{{- end -}}
{{- end -}}

{{- define "truetrail.databaseCaKey" -}}
{{- ternary "ca.crt" .Values.database.caKey .Values.postgresql.enabled -}}
{{- end -}}

{{/* How many replicas there are at least; none while they are stopped, autoscaling or not. */}}
{{- define "truetrail.replicas" -}}
{{- if and .Values.autoscaling.enabled (ne (int .Values.replicaCount) 0) -}}{{ int .Values.autoscaling.minReplicas }}{{- else -}}{{ int .Values.replicaCount }}{{- end -}}
{{- end -}}

{{/*
Queries of files/, whose namespace and names are examples, for the series of this release. By way of names that no release
has, since the one may stand in the other.
*/}}
{{- define "truetrail.ofThisRelease" -}}
{{- $q := ternary "\\\"" "\"" (hasSuffix ".json" (default "" .file)) -}}
{{- $text := .text | replace (printf "namespace=%struetrail%s" $q $q) "@namespace@" | replace "truetrail-metrics" "@metrics@" | replace "truetrail-db-" "@postgresql@" -}}
{{- $text = $text | replace "@namespace@" (printf "namespace=%s%s%s" $q .root.Release.Namespace $q) -}}
{{- $text = $text | replace "@metrics@" (printf "%s-metrics" (include "truetrail.fullname" .root)) -}}
{{- $text | replace "@postgresql@" (printf "%s-" (include "truetrail.postgresql" .root)) -}}
{{- end -}}

{{/* Neither Helm nor Argo CD takes it away. */}}
{{- define "truetrail.kept" -}}
helm.sh/resource-policy: keep
argocd.argoproj.io/sync-options: Prune=false,Delete=false
{{- end -}}

{{/* Variables of whatever acts on the trail, beside those of the ConfigMap. */}}
{{- define "truetrail.serviceEnv" -}}
{{ include "truetrail.databaseEnv" . }}
{{- if .Values.aws.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .Values.aws.existingSecret | quote }}
      key: {{ .Values.aws.accessKeyIdKey | quote }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.aws.existingSecret | quote }}
      key: {{ .Values.aws.secretAccessKeyKey | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where what those variables name is. */}}
{{- define "truetrail.volumeMounts" -}}
- { name: data, mountPath: /var/lib/truetrail }
- { name: tmp, mountPath: /tmp }
{{- if ne .Values.settings.ARCHIVE_URL "off" }}
- { name: signing-key, mountPath: /etc/truetrail/signing-key, readOnly: true }
{{- end }}
{{- if include "truetrail.databaseCaSecret" . }}
- { name: database-ca, mountPath: /etc/truetrail/database-ca, readOnly: true }
{{- end }}
{{- if .Values.tls.existingSecret }}
- { name: tls, mountPath: /etc/truetrail/tls, readOnly: true }
{{- end }}
{{- if .Values.witnesses.existingConfigMap }}
- { name: witnesses, mountPath: /etc/truetrail/witnesses, readOnly: true }
{{- end }}
{{- if .Values.evidenceKeys.existingConfigMap }}
- { name: evidence-keys, mountPath: /etc/truetrail/evidence-keys, readOnly: true }
{{- end }}
{{- if .Values.timestampCa.existingConfigMap }}
- { name: timestamp-ca, mountPath: /etc/truetrail/timestamp-ca, readOnly: true }
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Beside whatever acts on the trail. As they go on by themselves they end with the pod's own container, so a Job ends as well. */}}
{{- define "truetrail.sidecars" -}}
{{- with .Values.sidecars }}
initContainers:
  {{- range . }}
  - {{ toYaml (merge (dict "restartPolicy" "Always") .) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* All but `tmp`, which is of another size in each. */}}
{{- define "truetrail.volumes" -}}
- name: data
  emptyDir: { sizeLimit: {{ .Values.cache.sizeLimit }} }
{{- if ne .Values.settings.ARCHIVE_URL "off" }}
- name: signing-key
  secret:
    secretName: {{ .Values.signingKey.existingSecret | quote }}
    defaultMode: 0440
{{- end }}
{{- with include "truetrail.databaseCaSecret" . }}
- name: database-ca
  secret:
    secretName: {{ . | quote }}
    items: [{ key: {{ include "truetrail.databaseCaKey" $ | quote }}, path: ca.crt }]
{{- end }}
{{- with .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
{{- end }}
{{- with .Values.witnesses.existingConfigMap }}
- name: witnesses
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .Values.evidenceKeys.existingConfigMap }}
- name: evidence-keys
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .Values.timestampCa.existingConfigMap }}
- name: timestamp-ca
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* 2m, a duration of a setting, in whole seconds. */}}
{{- define "truetrail.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}{{ add1 (div $number 1000) }}
{{- else if eq $unit "s" -}}{{ $number }}
{{- else if eq $unit "m" -}}{{ mul $number 60 }}
{{- else -}}{{ mul $number 3600 }}
{{- end -}}
{{- end -}}

{{/* DATABASE_WAIT, or what it is by itself. */}}
{{- define "truetrail.databaseWaitSeconds" -}}
{{- include "truetrail.seconds" (.Values.settings.DATABASE_WAIT | default "2m") -}}
{{- end -}}

{{/* 2Gi in MiB. */}}
{{- define "truetrail.mebibytes" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[KMGT]i$" . -}}
{{- if eq $unit "Ki" -}}{{ div $number 1024 }}
{{- else if eq $unit "Mi" -}}{{ $number }}
{{- else if eq $unit "Gi" -}}{{ mul $number 1024 }}
{{- else -}}{{ mul $number 1048576 }}
{{- end -}}
{{- end -}}
