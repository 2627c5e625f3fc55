{{- define "rallymq.labels" -}}
app.kubernetes.io/name: rallymq
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "rallymq.natsLabels" -}}
app.kubernetes.io/name: rallymq-nats
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
