{{- /* Names, labels and the parts that every role's pod has. */ -}}

{{- define "thermocline.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "thermocline.labels" -}}
app.kubernetes.io/name: thermocline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "thermocline.allLabels" -}}
{{ include "thermocline.labels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* The tables that every role's file begins with. */ -}}
{{- define "thermocline.file" -}}
[metadata]
url = {{ .root.Values.metadata.url | quote }}
{{- if .root.Values.metadata.tlsSecret }}

[metadata.tls]
{{- include "thermocline.pems" "/etc/thermocline-etcd" }}
{{- end }}
{{- if .root.Values.cluster.tlsSecret }}

[cluster.tls]
{{- include "thermocline.pems" "/etc/thermocline-cluster" }}
{{- end }}

[http]
listen = "0.0.0.0:9644"

[log]
format = {{ .root.Values.log.format | quote }}
filter = {{ .root.Values.log.filter | quote }}
{{- if ne .role "gateway" }}

[store]
url = {{ .root.Values.store.url | quote }}
region = {{ .root.Values.store.region | quote }}
{{- with .root.Values.store.endpoint }}
endpoint = {{ . | quote }}
{{- end }}
{{- if include "thermocline.storeSecret" . }}
access_key_id = "${STORE_ACCESS_KEY_ID}"
secret_access_key = "${STORE_SECRET_ACCESS_KEY}"
{{- end }}
{{- end }}
{{- end }}

{{- define "thermocline.pems" }}
ca = "{{ . }}/ca.crt"
certificate = "{{ . }}/tls.crt"
key = "{{ . }}/tls.key"
{{- end }}

{{- define "thermocline.storeSecret" -}}
{{- if and (eq .role "compactor") .root.Values.store.compactorSecret -}}
{{ .root.Values.store.compactorSecret }}
{{- else if ne .role "gateway" -}}
{{ .root.Values.store.existingSecret }}
{{- end -}}
{{- end }}

{{- /* A role's pod: .root, .role, .values, .ports (name: number), .volumes and .mounts (YAML). */ -}}
{{- define "thermocline.pod" -}}
metadata:
  labels:
    {{- include "thermocline.allLabels" . | nindent 4 }}
  annotations:
    # A changed file makes new pods, one after the other.
    checksum/config: {{ .config | sha256sum }}
spec:
  serviceAccountName: {{ include "thermocline.name" .root }}
  automountServiceAccountToken: false
  # A role drains for up to 30 s after SIGTERM.
  terminationGracePeriodSeconds: 45
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: { type: RuntimeDefault }
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  affinity:
    podAntiAffinity:
      # Two of a role on one machine fail together.
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "thermocline.labels" . | nindent 16 }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: {{ .root.Values.zones.topologyKey }}
      whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" .root.Values.zones.required }}
      labelSelector:
        matchLabels:
          {{- include "thermocline.labels" . | nindent 10 }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .role }}
      image: {{ printf "%s:%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .role }}, --config, /etc/thermocline/{{ .role }}.toml]
      env:
        - name: POD_NAME
          valueFrom: { fieldRef: { fieldPath: metadata.name } }
        - name: POD_IP
          valueFrom: { fieldRef: { fieldPath: status.podIP } }
        - name: POD_INDEX
          valueFrom: { fieldRef: { fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']" } }
        {{- with include "thermocline.storeSecret" . }}
        - name: STORE_ACCESS_KEY_ID
          valueFrom: { secretKeyRef: { name: {{ . }}, key: access_key_id } }
        - name: STORE_SECRET_ACCESS_KEY
          valueFrom: { secretKeyRef: { name: {{ . }}, key: secret_access_key } }
        {{- end }}
      ports:
        - { name: http, containerPort: 9644 }
        {{- range $name, $port := .ports }}
        - { name: {{ $name }}, containerPort: {{ $port }} }
        {{- end }}
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 10
        failureThreshold: 6
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: config, mountPath: /etc/thermocline, readOnly: true }
        {{- if .root.Values.metadata.tlsSecret }}
        - { name: etcd-tls, mountPath: /etc/thermocline-etcd, readOnly: true }
        {{- end }}
        {{- if .root.Values.cluster.tlsSecret }}
        - { name: cluster-tls, mountPath: /etc/thermocline-cluster, readOnly: true }
        {{- end }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ include "thermocline.name" .root }}-{{ .role }} }
    {{- with .root.Values.metadata.tlsSecret }}
    - name: etcd-tls
      secret: { secretName: {{ . }} }
    {{- end }}
    {{- with .root.Values.cluster.tlsSecret }}
    - name: cluster-tls
      secret: { secretName: {{ . }}-{{ $.role }} }
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}
