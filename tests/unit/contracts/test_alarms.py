"""The metrics that docs/sre.md lists, and the alarm rules, are about metrics that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

import chassis.names
import services.ingest.names
import services.match.names
import services.nas_bridge.names
import services.store.names
from chassis.metrics import Kind, Metric

DOCS: Final = Path(__file__).parents[3] / "docs"
ROOMS = (
    *(chassis.names, services.ingest.names, services.match.names),
    *(services.nas_bridge.names, services.store.names),
)
METRICS: Final[dict[str, Metric]] = {
    metric.on_the_page: metric for room in ROOMS for metric in room.MetricName
}
# Where the fault of each gauge with an alarm happens.
_STORE: Final = "contract/store/test_gauges.py::"
_BRIDGE: Final = "contract/nas_bridge/test_gauges.py::"
FAULTS: Final = {
    "gantry_store_breaker_open": _STORE + "test_the_breaker_shows_the_force",
    "gantry_store_consumer_lag_seconds": _STORE + "test_the_lag_of_a_consumer",
    "gantry_store_overdue_days": _STORE + "test_days_past_their_time",
    "gantry_bridge_failing_seconds": _BRIDGE + "test_the_lag_grows_while_nas_is_away",
    "gantry_bridge_held": _BRIDGE + "test_a_held_destination_is_shown",
    "gantry_ingest_failing_seconds": "unit/ingest/test_appending.py::test_the_circuit_opens",
    # Its fault is that it is absent.
    "gantry_build_info": _STORE + "test_a_store_that_has_ended_shows_nothing",
}


def rules() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    (group,) = yaml.safe_load((DOCS / "alarms.yml").read_text())["groups"]
    return list(group["rules"])


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


def test_alarms_are_about_metrics_and_labels_that_exist():
    for rule in rules():
        used = used_in(rule["expr"])
        assert used, rule
        for name, labels in used:
            assert labels <= set(METRICS[name].labels), rule
        grouped = re.findall(r"by \(([^)]*)\)", rule["expr"])
        for label in {label.strip() for group in grouped for label in group.split(",")}:
            assert all(label in METRICS[name].labels for name, _ in used), rule


def test_each_alarm_is_explained():
    explained = (DOCS / "sre.md").read_text()
    for rule in rules():
        name = re.sub(r"(?<=ServiceAway).*", "", rule["alert"])
        assert f"`{name}" in explained, name


def test_each_gauge_with_an_alarm_has_a_test_in_which_its_fault_happens():
    watched = {name for rule in rules() for name, _ in used_in(rule["expr"])}
    gauges = {name for name in watched if METRICS[name].kind is Kind.GAUGE}
    assert gauges == set(FAULTS)
    for place in FAULTS.values():
        file, _, test = place.partition("::")
        assert re.search(rf"def {test}", (DOCS.parent / "tests" / file).read_text()), place
