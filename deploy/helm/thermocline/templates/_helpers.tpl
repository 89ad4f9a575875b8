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
{{- if and .root.Values.cluster.tlsSecret (ne .role "vantage") }}

[cluster.tls]
{{- include "thermocline.pems" "/etc/thermocline-cluster" }}
{{- end }}

[http]
listen = "0.0.0.0:9644"

[log]
format = {{ .root.Values.log.format | quote }}
filter = {{ .root.Values.log.filter | quote }}
{{- if include "thermocline.hasStore" . }}

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
{{- if .root.Values.encryption.keySecret }}

[encryption]
key_file = "/etc/thermocline-keys/keys"
{{- end }}
{{- end }}
{{- end }}

{{- /* Which roles touch the object store. */ -}}
{{- define "thermocline.hasStore" -}}
{{- if not (has .role (list "gateway" "vantage")) }}yes{{ end -}}
{{- end }}

{{- /* Where a pod stands: what the values say, or else its own label. */ -}}
{{- define "thermocline.zone" -}}
zone = {{ .root.Values.zones.name | default "${POD_ZONE}" | quote }}
{{- end }}

{{- /* A process's number: the pod's index, after the digits of this release. */ -}}
{{- define "thermocline.number" -}}
{{ .root.Values.idPrefix }}${POD_INDEX}
{{- end }}

{{- /* How many pods, unless an autoscaler says so: none at a site that sleeps. */ -}}
{{- define "thermocline.replicas" -}}
{{- if .root.Values.standby.asleep }}
replicas: 0
{{- else if not (dig "autoscaling" "enabled" false .values) }}
replicas: {{ .values.replicas }}
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
{{- else if include "thermocline.hasStore" . -}}
{{ .root.Values.store.existingSecret }}
{{- end -}}
{{- end }}
