{{- /* By CPU: what both roles run out of first. Scaling down waits: a consumer's session, or a reader's
cache, is lost with each pod. */ -}}
{{- define "thermocline.autoscaler" }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  labels:
    {{- include "thermocline.allLabels" . | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: StatefulSet, name: {{ .name }} }
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: {{ .values.autoscaling.targetCPU }} }
  behavior:
    scaleDown: { stabilizationWindowSeconds: 600 }
{{- end }}
