{{- /* Control's table: which sets there are, and who changes DNS. */ -}}
{{- define "thermocline.gatewaySets" }}
{{- with .root.Values.gatewaySets }}
{{- if .name }}

[control.gateway_sets]
name = {{ .name | quote }}
vantage_points = {{ .vantagePoints }}
{{- with .extra }}
{{ . }}
{{- end }}
{{- range .sets }}

[[control.gateway_sets.sets]]
name = {{ .name | quote }}
addresses = {{ toJson .addresses }}
probe = {{ toJson .probe }}
{{- with .brokers }}

[control.gateway_sets.sets.brokers]
{{- range $host, $address := . }}
{{ $host | quote }} = {{ $address | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .rfc2136 }}
{{- if .server }}

[control.gateway_sets.rfc2136]
server = {{ .server | quote }}
zone = {{ .zone | quote }}
key_name = {{ .keyName | quote }}
key_file = "/etc/thermocline-dns/key"
{{- end }}
{{- end }}
{{- with .webhook }}
{{- if .url }}

[control.gateway_sets.webhook]
url = {{ .url | quote }}
{{- if .tokenSecret }}
token_file = "/etc/thermocline-dns/token"
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
