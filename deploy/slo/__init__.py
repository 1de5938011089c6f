"""Derives the rules for Prometheus and the dashboards for Grafana from slo.toml and alarms.toml."""
