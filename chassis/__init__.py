"""How any Gantry service runs: settings, telemetry, gRPC, PostgreSQL. Never what a service means."""
