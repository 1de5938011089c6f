"""The metrics that docs/sre.md lists, and the alarm rules, are about metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

import chassis.names
import services.canary.names
import services.ingest.names
import services.match.names
import services.nas_bridge.names
import services.store.names
import suite.backup.names
from chassis.metrics import Kind, Metric

ROOT: Final = Path(__file__).parents[3]
DOCS: Final = ROOT / "docs"
MONITORING: Final = ROOT / "deploy" / "monitoring"
ROOMS = (
    *(chassis.names, services.ingest.names, services.match.names),
    *(services.canary.names, services.nas_bridge.names, services.store.names),
    suite.backup.names,
)
METRICS: Final[dict[str, Metric]] = {
    metric.on_the_page: metric for room in ROOMS for metric in room.MetricName
}
# Labels that Prometheus adds to what it scrapes.
SCRAPED: Final = {"instance"}
# Where the fault of each gauge with an alarm happens.
_STORE: Final = "contract/store/test_gauges.py::"
_COUNTERPARTS: Final = "counterparts/test_alarms.py::"
_BRIDGE: Final = "contract/nas_bridge/test_gauges.py::"
FAULTS: Final = {
    "gantry_store_breaker_open": _STORE + "test_the_breaker_shows_the_force",
    "gantry_store_consumer_lag_seconds": _STORE + "test_the_lag_of_a_consumer",
    "gantry_store_overdue_days": _STORE + "test_days_past_their_time",
    "gantry_bridge_failing_seconds": _BRIDGE + "test_the_lag_grows_while_nas_is_away",
    "gantry_bridge_held": _BRIDGE + "test_a_held_destination_is_shown",
    "gantry_ingest_failing_seconds": "unit/ingest/test_appending.py::test_the_circuit_opens",
    "gantry_store_force_active": _STORE + "test_a_retired_force_is_shown_as_such",
    "gantry_store_queue_share": _STORE + "test_the_queue_of_a_force_fills",
    "gantry_store_day_bytes": _STORE + "test_the_largest_day_and_the_free_disk",
    "gantry_store_disk_free_bytes": _STORE + "test_the_largest_day_and_the_free_disk",
    "gantry_database_pool_share": _STORE + "test_connections_in_use",
    "gantry_process_loop_delay_seconds": "unit/chassis/test_loop_delay.py::test_another_thread_sees",
    "gantry_process_started_seconds": _COUNTERPARTS + "a_service_dies_three_times",
    "gantry_certificate_seconds_left": "contract/chassis/test_renewal.py::test_the_time_that_is_left",
    "gantry_canary_missed": _COUNTERPARTS + "canaries_of_a_force_are_not_stored",
    "gantry_backup_archive_lag_seconds": _COUNTERPARTS + "the_log_is_not_received",
    "gantry_backup_base_age_seconds": _COUNTERPARTS + "the_newest_base_copy_is_old",
    # Its fault is an archive that is away, or its absence.
    "gantry_backup_failing": _COUNTERPARTS + "the_archive_is_away",
    # Its fault is that it is absent.
    "gantry_build_info": _STORE + "test_a_store_that_has_ended_shows_nothing",
}


def rules() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    files = (MONITORING / "alarms.yml", MONITORING / "objectives.yml")
    return [
        rule
        for file in files
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def alarms() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def labels_of(name: str) -> set[str]:
    """The labels of a metric; those of a histogram also have the bucket."""
    bare = re.sub(r"_(bucket|count|sum)$", "", name)
    metric = METRICS[name if name in METRICS else bare]
    assert name in METRICS or metric.kind is Kind.HISTOGRAM, name
    return {*metric.labels, *SCRAPED, *({"le"} if name.endswith("_bucket") else ())}


def used_in(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics of an expression with the labels that it asks for."""
    found = re.findall(r"\b(gantry_\w+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r'(\w+)!?=~?"', matchers))) for name, matchers in found]


def test_the_list_in_the_docs_is_the_list_of_the_services():
    listed = re.search(
        r"\| metric \| labels \| meaning \|\n.*?\n\n", (DOCS / "sre.md").read_text(), re.DOTALL
    )
    assert listed is not None
    rows = re.findall(r"^\| `(gantry_\w+)` \| ([^|]*) \| ([^|]*) \|$", listed[0], re.MULTILINE)
    wanted = [(name, ", ".join(metric.labels), metric.meaning) for name, metric in METRICS.items()]
    assert sorted((name, labels.strip(), text.strip()) for name, labels, text in rows) == sorted(wanted)


def test_rules_are_about_metrics_and_labels_that_exist():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        used = used_in(rule["expr"])
        assert used or "vector(" in rule["expr"] or any(name in rule["expr"] for name in recorded), rule
        for name, labels in used:
            assert labels <= labels_of(name), rule
        for name in re.findall(r"\bgantry:\w+:\w+", rule["expr"]):
            assert name in recorded, rule


def test_sums_keep_labels_that_their_metrics_have():
    checked = 0
    for rule in rules():
        for by, inner in re.findall(
            r"\b(?:sum|max|min) by \(([^)]*)\) \(((?:[^()]|\([^()]*\))*)\)", rule["expr"]
        ):
            for name, _ in used_in(inner):
                checked += 1
                assert {label.strip() for label in by.split(",")} <= labels_of(name), rule
    assert checked > 20


def test_dashboards_are_about_metrics_that_exist():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for board in sorted((MONITORING / "dashboards").iterdir()):
        for panel in json.loads(board.read_text())["panels"]:
            for target in panel.get("targets", ()):
                for name, labels in used_in(target["expr"]):
                    assert labels <= labels_of(name), (board, target)
                for name in re.findall(r"\bgantry:\w+:\w+", target["expr"]):
                    assert name in recorded, (board, target)


def test_each_gauge_with_an_alarm_has_a_test_in_which_its_fault_happens():
    watched = {name for rule in rules() for name, _ in used_in(rule["expr"])}
    gauges = {name for name in watched if name in METRICS and METRICS[name].kind is Kind.GAUGE}
    assert gauges == set(FAULTS)
    for place in FAULTS.values():
        file, _, test = place.partition("::")
        assert re.search(rf"def {test}", (DOCS.parent / "tests" / file).read_text()), place
