{{- /* How many pods a role has. By CPU, which needs a metrics server only; or, with the address of a
Prometheus, by the queries of the values, through KEDA. Scaling in waits, one pod at a time: sessions of
consumers, caches of readers and partitions of nodes have to go elsewhere. */ -}}
{{- define "thermocline.autoscaler" }}
{{- $by := .values.autoscaling }}
{{- if .root.Values.autoscaling.prometheus }}
{{- include "thermocline.scaledObject" . }}
{{- else }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  labels:
    {{- include "thermocline.allLabels" . | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: StatefulSet, name: {{ .name }} }
  minReplicas: {{ $by.minReplicas }}
  maxReplicas: {{ $by.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: {{ $by.targetCPU }} }
  behavior: {{ include "thermocline.scaleDown" . }}
{{- end }}
{{- end }}

{{- define "thermocline.scaleDown" -}}
{ scaleDown: { stabilizationWindowSeconds: 600, policies: [{ type: Pods, value: 1, periodSeconds: 120 }] } }
{{- end }}
