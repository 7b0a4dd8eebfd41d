"""The only room that imports the OpenTelemetry SDK."""
