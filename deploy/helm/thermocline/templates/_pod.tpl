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
  # A role drains for up to 30 s after SIGTERM, which may come 5 s after the pod began to end.
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
        # Empty where the cluster does not copy it from the machine: then nobody says.
        - name: POD_ZONE
          valueFrom: { fieldRef: { fieldPath: "metadata.labels['{{ .root.Values.zones.topologyKey }}']" } }
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
      {{- with .preStop }}
      lifecycle:
        preStop: { exec: { command: {{ toJson . }} } }
      {{- end }}
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
        {{- if and .root.Values.cluster.tlsSecret (ne .role "vantage") }}
        - { name: cluster-tls, mountPath: /etc/thermocline-cluster, readOnly: true }
        {{- end }}
        {{- if and .root.Values.encryption.keySecret (include "thermocline.hasStore" .) }}
        - { name: keys, mountPath: /etc/thermocline-keys, readOnly: true }
        {{- end }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ include "thermocline.name" .root }}-{{ .role }} }
    # Secrets are for the role's group alone: 288 is 0440.
    {{- with .root.Values.metadata.tlsSecret }}
    - name: etcd-tls
      secret: { secretName: {{ . }}, defaultMode: 288 }
    {{- end }}
    {{- if and .root.Values.cluster.tlsSecret (ne .role "vantage") }}
    - name: cluster-tls
      secret: { secretName: {{ .root.Values.cluster.tlsSecret }}-{{ .role }}, defaultMode: 288 }
    {{- end }}
    {{- if and .root.Values.encryption.keySecret (include "thermocline.hasStore" .) }}
    - name: keys
      secret: { secretName: {{ .root.Values.encryption.keySecret }}, defaultMode: 288 }
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}
