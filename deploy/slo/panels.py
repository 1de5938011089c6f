"""What the dashboards show: for each a title and rows of panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deploy.slo.objectives import Objectives
from deploy.slo.rules import share_name


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph: its title, unit as Grafana names it, and pairs of expression and legend.

    Its axis begins at `least`; None leaves it to Grafana.
    """

    title: str
    unit: str
    lines: Sequence[tuple[str, str]]
    least: int | None = 0


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard. `name` is its file and its address in Grafana."""

    name: str
    title: str
    rows: Sequence[Row]
    by_force: bool = False


_FORCE: Final = '{force=~"$force"}'
_NOT_MATCHED: Final = 'gantry_store_consumer_lag_seconds{consumer="match",force=~"$force"}'
_NOT_DELIVERED: Final = 'gantry_store_consumer_lag_seconds{consumer!="match",force=~"$force"}'
_BUCKETS_OF_CALLS: Final = "sum by (le, method) (rate(gantry_rpc_seconds_bucket[$__rate_interval]))"
_MOST: Final = "histogram_quantile({}, sum by (le) (rate({}_bucket[$__rate_interval])))"


def _quantiles(histogram: str) -> list[tuple[str, str]]:
    return [(_MOST.format(share, histogram), f"p{round(share * 100)}") for share in (0.5, 0.95, 0.99)]


def _rate(counter: str, by: str, legend: str) -> list[tuple[str, str]]:
    return [(f"sum by ({by}) (rate({counter}[$__rate_interval]))", legend)]


def objectives_board(objectives: Objectives) -> Dashboard:
    """For each objective what was bad, and what is left of the budget."""
    rows = []
    for each in objectives.all:
        legend = " ".join(f"{{{{{label}}}}}" for label in each.by) or "all"
        chosen = f'{{objective="{each.name}"}}'
        spent = f"avg_over_time({share_name('1h')}{chosen}[{objectives.days}d]) / {each.budget:g}"
        panels = [
            Panel(f"Bad share (at most {each.budget:.1%})", "percentunit", [
                (f"{share_name('5m')}{chosen}", f"{legend}, 5 min"),
                (f"{share_name('1h')}{chosen}", f"{legend}, 1 h"),
            ]),
            Panel(f"Budget left of {objectives.days} days", "percentunit", [(f"1 - {spent}", legend)], None),
        ]  # fmt: skip
        rows.append(Row(each.title, panels))
    firing = 'count by (alertname, severity) (ALERTS{alertstate="firing"})'
    first = Row("Alarms", [Panel("Firing", "short", [(firing, "{{severity}} {{alertname}}")])])
    return Dashboard("gantry-objectives", "Gantry: objectives", [first, *rows])


def services_board() -> Dashboard:
    """Rate, errors, duration and saturation of each service."""
    calls = Row("Calls", [
        Panel("Calls", "reqps", [
            *_rate("gantry_rpc_seconds_count", "method", "{{method}}"),
            *_rate("gantry_rpc_streams_begun_total", "method", "{{method}} (streams)"),
        ]),
        Panel("Errors", "reqps", _rate("gantry_rpc_errors_total", "method, reason", "{{method}} {{reason}}")),
        Panel("Duration, p99", "s", [(f"histogram_quantile(0.99, {_BUCKETS_OF_CALLS})", "{{method}}")]),
        Panel("Open streams", "short", [("sum by (method) (gantry_rpc_streams)", "{{method}}")]),
    ])  # fmt: skip
    fill = Row("Saturation", [
        Panel("Processor (1: a process can use no more)", "percentunit", [
            ("rate(process_cpu_seconds_total[$__rate_interval])", "{{instance}}"),
        ]),
        Panel("Longest delay of the loop in a minute", "s", [
            ("gantry_process_loop_delay_seconds", "{{instance}}"),
        ]),
        Panel("Database connections in use", "percentunit", [
            ("gantry_database_pool_share", "{{instance}}"),
        ]),
        Panel("Queues", "percentunit", [
            ("max by (force) (gantry_store_queue_share)", "store {{force}}"),
            ("max by (instance) (gantry_ingest_memory_share)", "memory of the door {{instance}}"),
        ]),
        Panel("Memory", "bytes", [("process_resident_memory_bytes", "{{instance}}")]),
        Panel("Open files", "short", [("process_open_fds", "{{instance}}")]),
    ])  # fmt: skip
    life = Row("Processes", [
        Panel("Replicas", "short", [
            ("count by (service, version) (gantry_build_info)", "{{service}} {{version}}"),
        ]),
        Panel("Age", "s", [("time() - gantry_process_started_seconds", "{{service}} {{instance}}")]),
        Panel("Certificates, left", "s", [
            ("min by (instance, file) (gantry_certificate_seconds_left)", "{{file}} {{instance}}"),
        ]),
    ])  # fmt: skip
    backups = Row("Backups (of an archiver; none on Kubernetes)", [
        Panel("Commits wait for the archive (60 s page)", "s", [
            ("gantry_backup_archive_lag_seconds", "{{instance}}"),
        ]),
        Panel("Nothing can be archived", "short", [("gantry_backup_failing", "{{instance}}")]),
        Panel("Age of the newest base copy (36 h page)", "s", [
            ("gantry_backup_base_age_seconds", "{{instance}}"),
        ]),
        Panel("Log that waits in the spool", "bytes", [("gantry_backup_spool_bytes", "{{instance}}")]),
    ])  # fmt: skip
    return Dashboard("gantry-services", "Gantry: services", [calls, fill, life, backups])


def forces_board() -> Dashboard:
    """What a force's reads do, from the door to their destinations."""
    door = Row("Door", [
        Panel("Reads stored", "ops", _rate(f"gantry_store_reads_total{_FORCE}", "force", "{{force}}")),
        Panel("Batches by outcome", "ops", _rate(
            f"gantry_ingest_batches_total{_FORCE}", "force, outcome", "{{force}} {{outcome}}")),
        Panel("Acknowledgement", "s", _quantiles("gantry_ingest_ack_seconds")),
        Panel("Refused reads", "ops", _rate(
            f"gantry_ingest_rejections_total{_FORCE}", "force, reason", "{{force}} {{reason}}")),
        Panel("Appends fail for", "s", [
            (f"max by (force) (gantry_ingest_failing_seconds{_FORCE})", "{{force}}"),
        ]),
        Panel("Commit", "s", _quantiles("gantry_store_commit_seconds")),
    ])  # fmt: skip
    alerts = Row("Alerts", [
        Panel("Alerts", "ops", _rate(
            f"gantry_match_alerts_total{_FORCE}", "force, kind", "{{force}} {{kind}}")),
        Panel("From receipt to alert", "s", _quantiles("gantry_match_alert_seconds")),
        Panel("Oldest read that waits for matching", "s", [
            (f"max by (force) ({_NOT_MATCHED})", "{{force}}"),
        ]),
        Panel("People who watch", "short", [
            (f"sum by (force) (gantry_match_subscribers{_FORCE})", "{{force}}"),
        ]),
    ])  # fmt: skip
    delivery = Row("Delivery", [
        Panel("Oldest read that waits", "s", [
            (f"max by (force, consumer) ({_NOT_DELIVERED})", "{{force}} {{consumer}}"),
        ]),
        Panel("Reads that wait", "short", [
            (f"max by (force, destination) (gantry_bridge_lag_reads{_FORCE})", "{{force}} {{destination}}"),
        ]),
        Panel("Delivered", "ops", _rate(
            f"gantry_bridge_forwarded_reads_total{_FORCE}",
            "force, destination",
            "{{force}} {{destination}}",
        )),
        Panel("Dead letters", "short", [(
            f"sum by (force, destination) (increase(gantry_bridge_dead_letters_total{_FORCE}[1d]))",
            "{{force}} {{destination}}",
        )]),
    ])  # fmt: skip
    canary = Row("Canary (one read a minute goes from the door to its alert)", [
        Panel("Missed in a row (3 page)", "short", [
            (f"max by (force) (gantry_canary_missed{_FORCE})", "{{force}}"),
        ]),
        Panel("From sending to hearing of the alert", "s", _quantiles("gantry_canary_seconds")),
    ])  # fmt: skip
    buffer = Row("Buffer", [
        Panel("Days of reads for which there is room", "short", [
            ("gantry:buffer_days_left:min", "{{disk}}"),
        ]),
        Panel("Free", "bytes", [("gantry:disk_free_bytes:min", "{{disk}}")]),
        Panel("Days past their time", "short", [
            (f"max by (force) (gantry_store_overdue_days{_FORCE})", "{{force}}"),
        ]),
        Panel("Search", "s", _quantiles("gantry_store_search_seconds")),
    ])  # fmt: skip
    rows = [door, alerts, canary, delivery, buffer]
    return Dashboard("gantry-forces", "Gantry: forces", rows, by_force=True)
