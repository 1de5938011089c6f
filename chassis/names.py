"""Every span and metric name in use: telemetry is a contract."""
