{{- define "truetrail.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "truetrail.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "truetrail.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "truetrail.selectorLabels" -}}
app.kubernetes.io/name: {{ include "truetrail.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
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
{{ include "truetrail.fullname" . }}-db
{{- end -}}

{{/* A setting as the environment has it: a number is a whole one, and must not become 1e+06. */}}
{{- define "truetrail.setting" -}}
{{- if kindIs "float64" . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "truetrail.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
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
      name: {{ .Values.postgresql.loginSecret }}
      key: password
- name: DATABASE_URL
  value: postgres://{{ .Values.postgresql.login }}:$(POSTGRESQL_PASSWORD)@{{ include "truetrail.postgresqlAddress" . }}
{{- else -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret }}
      key: {{ .Values.database.urlKey }}
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
      name: {{ .Values.database.existingSecret }}
      key: {{ .Values.database.ownerUrlKey }}
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

{{/* Who may not be lost by one machine's failure. */}}
{{- define "truetrail.replicas" -}}
{{- if .Values.autoscaling.enabled -}}{{ int .Values.autoscaling.minReplicas }}{{- else -}}{{ int .Values.replicaCount }}{{- end -}}
{{- end -}}

{{/* Queries of files/, whose namespace and names are examples, for the series of this release. */}}
{{- define "truetrail.ofThisRelease" -}}
{{- $q := ternary "\\\"" "\"" (hasSuffix ".json" (default "" .file)) -}}
{{- $text := .text | replace (printf "namespace=%struetrail%s" $q $q) (printf "namespace=%s%s%s" $q .root.Release.Namespace $q) -}}
{{- $text = $text | replace "truetrail-metrics" (printf "%s-metrics" (include "truetrail.fullname" .root)) -}}
{{- $text | replace "truetrail-db-" (printf "%s-" (include "truetrail.postgresql" .root)) -}}
{{- end -}}
