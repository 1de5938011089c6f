"""How any Gantry service runs: settings, telemetry, gRPC, identity, PostgreSQL. Never what a service means."""
