{{- /* The number of pods is the largest of the queries' values, each divided by its threshold. A site that
stands by has none, until its control says that it does no longer: that is the first trigger. PODS in a query stands for the
labels of the role's pods. */ -}}
{{- define "thermocline.scaledObject" }}
{{- $by := .values.autoscaling }}
{{- $root := .root }}
{{- $labels := printf "namespace=%q,pod=~%q" $root.Release.Namespace (printf "%s-[0-9]+" .name) }}
{{- $control := printf "namespace=%q,pod=~%q" $root.Release.Namespace (printf "%s-control-[0-9]+" (include "thermocline.name" $root)) }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  labels:
    {{- include "thermocline.allLabels" . | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: StatefulSet, name: {{ .name }} }
  minReplicaCount: {{ ternary 0 $by.minReplicas (not (empty $root.Values.standby.site)) }}
  maxReplicaCount: {{ $by.maxReplicas }}
  pollingInterval: 5
  cooldownPeriod: 600
  {{- if not $root.Values.standby.site }}
  # Without its figures it keeps what it has.
  fallback: { failureThreshold: 6, replicas: {{ $by.minReplicas }}, behavior: currentReplicasIfHigher }
  {{- end }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{ include "thermocline.scaleDown" . }}
  triggers:
    {{- if $root.Values.standby.site }}
    - type: prometheus
      name: site-serves
      metadata:
        serverAddress: {{ $root.Values.autoscaling.prometheus | quote }}
        query: {{ printf "%v * max(1 - control_standby{%s})" $by.minReplicas $control | quote }}
        threshold: "1"
        # Without the figure nothing is known, and nobody is sent to sleep.
        ignoreNullValues: "false"
    {{- end }}
    {{- range $by.triggers }}
    - type: prometheus
      name: {{ .name }}
      metadata:
        serverAddress: {{ $root.Values.autoscaling.prometheus | quote }}
        query: {{ .query | replace "PODS" $labels | quote }}
        threshold: {{ .threshold | quote }}
    {{- end }}
{{- end }}
