"""How any Gantry service runs: settings, telemetry, gRPC, PostgreSQL.

It contains nothing that is specific to one service.
"""
