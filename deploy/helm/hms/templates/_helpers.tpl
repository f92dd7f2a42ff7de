{{- define "hms.name" -}}
{{- if contains "hms" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-hms" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "hms.selector" -}}
app.kubernetes.io/name: hms
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "hms.labels" -}}
{{ include "hms.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* The setting that each key of the secret is, and what its file is called. */ -}}
{{- define "hms.secrets" -}}
databaseUrl: {env: HMS_DATABASE_URL_FILE, file: database-url}
databaseDirectUrl: {env: HMS_DATABASE_DIRECT_URL_FILE, file: database-direct-url}
brokerUrl: {env: HMS_BROKER_URL_FILE, file: broker-url}
badgeKey: {env: HMS_BADGE_KEY_FILE, file: badge-key}
twilioAccountSid: {env: HMS_TWILIO_ACCOUNT_SID_FILE, file: twilio-account-sid}
twilioAuthToken: {env: HMS_TWILIO_AUTH_TOKEN_FILE, file: twilio-auth-token}
webhookUrl: {env: HMS_WEBHOOK_URL_FILE, file: webhook-url}
webhookSecret: {env: HMS_WEBHOOK_SECRET_FILE, file: webhook-secret}
eventsKey: {env: HMS_EVENTS_KEY_FILE, file: events-key}
oidcClientSecret: {env: HMS_OIDC_CLIENT_SECRET_FILE, file: oidc-client-secret}
channels: {env: HMS_CHANNELS, file: channels.toml}
ca: {env: "", file: ca.crt}
flowerPassword: {env: "", file: flower-password}
{{- end }}

{{- /*
The pod of one program: .root, .component, .command (a list), .secrets (keys of `secret` in values),
.settings (a map), .probes, .resources, .grace, .ports.
*/ -}}
{{- define "hms.pod" -}}
{{- $root := .root -}}
{{- $known := include "hms.secrets" . | fromYaml -}}
metadata:
  labels: {{- include "hms.labels" . | nindent 4 }}
  {{- with $root.Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace | default 30 }}
  {{- with .restart }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "hms.selector" . | nindent 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: {{ .component }}
      image: {{ printf "%s:%s" $root.Values.image.repository ($root.Values.image.tag | default $root.Chart.AppVersion) | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{- toYaml .command | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      env:
        - {name: HMS_HOME, value: /var/lib/hms}
        {{- if $root.Values.recipes.configMap }}
        - {name: HMS_RECIPES, value: /etc/hms/recipes}
        {{- end }}
        {{- range $key := .secrets }}
        {{- $secret := get $known $key }}
        {{- if and (get $root.Values.secret $key) $secret.env }}
        - {name: {{ $secret.env }}, value: /run/secrets/hms/{{ $secret.file }}}
        {{- end }}
        {{- end }}
        {{- range $name, $value := merge (dict) (.settings | default dict) $root.Values.settings }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      {{- with .ports }}
      ports: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .probes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      resources: {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        - {name: home, mountPath: /var/lib/hms}
        - {name: tmp, mountPath: /tmp}
        - {name: secrets, mountPath: /run/secrets/hms, readOnly: true}
        {{- if has "flowerPassword" .secrets }}
        - {name: secrets, mountPath: /var/lib/hms/flower.password, subPath: flower-password, readOnly: true}
        {{- end }}
        {{- if $root.Values.recipes.configMap }}
        - {name: recipes, mountPath: /etc/hms/recipes, readOnly: true}
        {{- end }}
  volumes:
    - name: home
      emptyDir: {sizeLimit: 256Mi}
    - name: tmp
      emptyDir: {sizeLimit: 256Mi}
    - name: secrets
      secret:
        secretName: {{ $root.Values.secret.name }}
        defaultMode: 0440
        items:
          {{- range $key := .secrets }}
          {{- with get $root.Values.secret $key }}
          - {key: {{ . }}, path: {{ (get $known $key).file }}}
          {{- end }}
          {{- end }}
    {{- if $root.Values.recipes.configMap }}
    - name: recipes
      configMap: {name: {{ $root.Values.recipes.configMap }}}
    {{- end }}
{{- end }}

{{- /* A Deployment of one program: what hms.pod takes, and .replicas (none: an autoscaler decides). */ -}}
{{- define "hms.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "hms.name" .root }}-{{ .component }}
  labels: {{- include "hms.labels" . | nindent 4 }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas }}
  {{- end }}
  # One comes before one goes: the programs of two releases work side by side.
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "hms.selector" . | nindent 6 }}
  template: {{- include "hms.pod" . | nindent 4 }}
{{- end }}

{{- /* Probes by a command that asks this container's process alone. */ -}}
{{- define "hms.probes" -}}
startupProbe:
  exec: {command: {{ . | toJson }}}
  periodSeconds: 3
  timeoutSeconds: 10
  failureThreshold: 40
livenessProbe:
  exec: {command: {{ . | toJson }}}
  periodSeconds: 20
  timeoutSeconds: 15
  failureThreshold: 3
readinessProbe:
  exec: {command: {{ . | toJson }}}
  periodSeconds: 20
  timeoutSeconds: 15
{{- end }}
