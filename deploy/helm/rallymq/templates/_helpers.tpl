{{- define "rallymq.labels" -}}
app.kubernetes.io/name: rallymq
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
