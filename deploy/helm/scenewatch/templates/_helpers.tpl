{{- define "scenewatch.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "scenewatch.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "scenewatch.labels" -}}
{{ include "scenewatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "scenewatch.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "scenewatch.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{/* An image: (list context gpu). */}}
{{- define "scenewatch.image" -}}
{{- $ := index . 0 }}{{- $image := $.Values.image }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default (printf "%s-%s" $.Chart.AppVersion (ternary "cuda" "cpu" (index . 1))) }}{{ end }}
{{- end }}

{{/* What the processes are told, without the cameras. No secret is in it: passwords are files. */}}
{{- define "scenewatch.config" -}}
{{- $security := .Values.kafka.security }}
{{- $secure := dict "protocol" $security.protocol }}
{{- if hasPrefix "SASL" $security.protocol }}
{{- if not (and $security.username $security.passwordSecret.name) }}{{ fail (printf "kafka.security: %s needs username and passwordSecret.name" $security.protocol) }}{{ end }}
{{- $_ := set $secure "mechanism" $security.mechanism }}
{{- $_ := set $secure "username" $security.username }}
{{- $_ := set $secure "password_file" "/etc/scenewatch/kafka-password/password" }}
{{- end }}
{{- if $security.caSecret.name }}{{ $_ := set $secure "cafile" "/etc/scenewatch/kafka-ca/ca.pem" }}{{ end }}
{{- if $security.clientSecret.name }}
{{- $_ := set $secure "certfile" "/etc/scenewatch/kafka-client/cert.pem" }}
{{- $_ := set $secure "keyfile" "/etc/scenewatch/kafka-client/key.pem" }}
{{- end }}
{{- $kafka := dict "partitions" (int .Values.kafka.partitions) "replication" (int .Values.kafka.replication) "security" $secure }}
{{- $tree := dict
  "bus" (printf "kafka://%s?session_s=%d" .Values.kafka.brokers (int .Values.kafka.sessionSeconds))
  "topic_prefix" .Values.kafka.topicPrefix
  "kafka" $kafka
  "capture" (dict "spool" (dict "folder" "/var/lib/scenewatch/spool"))
  "metrics" (dict "host" "0.0.0.0" "port" 9108) }}
{{- toYaml (mergeOverwrite $tree (deepCopy .Values.config)) }}
{{- end }}

{{/* What all pods have: (dict "root" $ "stage" name "gpu" bool "settings" values-of-the-stage). */}}
{{- define "scenewatch.pod" -}}
{{- $ := .root }}
serviceAccountName: {{ include "scenewatch.serviceAccount" $ }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 45
{{- with $.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if and .gpu $.Values.gpu.runtimeClassName }}
runtimeClassName: {{ $.Values.gpu.runtimeClassName }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .settings.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What all containers have beside their arguments: the same dict. */}}
{{- define "scenewatch.container" -}}
{{- $ := .root }}
image: {{ include "scenewatch.image" (list $ .gpu) }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- with .settings.existingSecrets }}
envFrom:
  {{- range . }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}
resources:
  {{- $resources := deepCopy .settings.resources }}
  {{- if .gpu }}{{ $_ := set $resources "limits" (merge (dict $.Values.gpu.resource 1) ($resources.limits | default dict)) }}{{ end }}
  {{- toYaml $resources | nindent 2 }}
{{- end }}

{{- define "scenewatch.probes" -}}
ports:
  - {name: metrics, containerPort: 9108}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- define "scenewatch.mounts" -}}
- {name: config, mountPath: /etc/scenewatch/scenewatch.yaml, subPath: scenewatch.yaml, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- with .Values.kafka.security }}
{{- if .passwordSecret.name }}
- {name: kafka-password, mountPath: /etc/scenewatch/kafka-password, readOnly: true}
{{- end }}
{{- if .caSecret.name }}
- {name: kafka-ca, mountPath: /etc/scenewatch/kafka-ca, readOnly: true}
{{- end }}
{{- if .clientSecret.name }}
- {name: kafka-client, mountPath: /etc/scenewatch/kafka-client, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "scenewatch.volumes" -}}
- name: config
  configMap: {name: {{ include "scenewatch.name" . }}}
- name: tmp
  emptyDir: {sizeLimit: 512Mi}
{{- with .Values.kafka.security }}
{{- if .passwordSecret.name }}
- name: kafka-password
  secret: {secretName: {{ .passwordSecret.name }}, defaultMode: 0440, items: [{key: {{ .passwordSecret.key }}, path: password}]}
{{- end }}
{{- if .caSecret.name }}
- name: kafka-ca
  secret: {secretName: {{ .caSecret.name }}, defaultMode: 0440, items: [{key: {{ .caSecret.key }}, path: ca.pem}]}
{{- end }}
{{- if .clientSecret.name }}
- name: kafka-client
  secret:
    secretName: {{ .clientSecret.name }}
    defaultMode: 0440
    items: [{key: {{ .clientSecret.certKey }}, path: cert.pem}, {key: {{ .clientSecret.keyKey }}, path: key.pem}]
{{- end }}
{{- end }}
{{- end }}
