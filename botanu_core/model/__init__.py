"""Frozen values: no I/O, no OpenTelemetry, no state."""
