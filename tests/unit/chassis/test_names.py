"""The names of all rooms' metrics and spans are well-formed, and no two rooms share one."""

from __future__ import annotations

import re
from collections import Counter

import chassis.names
import services.canary.names
import services.ingest.names
import services.match.names
import services.nas_bridge.names
import services.store.names

LABELS = {
    *("force", "destination", "consumer", "service", "version", "method", "status", "reason"),
    *("outcome", "kind", "acknowledged", "why", "file", "disk"),
}
PREFIXES = {
    chassis.names: "(rpc|build|certificate|process|database)",
    services.canary.names: "canary",
    services.ingest.names: "ingest",
    services.match.names: "match",
    services.nas_bridge.names: "bridge",
    services.store.names: "store",
}


def test_metrics_begin_with_their_room():
    for module, prefix in PREFIXES.items():
        for name in module.MetricName:
            assert re.fullmatch(rf"gantry_{prefix}(_[a-z]+)+", name), name


def test_each_metric_says_what_it_means_and_names_its_unit():
    for metric in (metric for module in PREFIXES for metric in module.MetricName):
        assert metric.meaning[0].isupper() or metric.meaning[0].isdigit(), metric
        assert metric.endswith("_seconds") == (metric.unit == "s"), metric
        assert set(metric.labels) <= LABELS, metric


def test_spans_begin_with_their_room():
    for module, prefix in PREFIXES.items():
        for name in getattr(module, "SpanName", ()):
            assert re.fullmatch(rf"{prefix}\.[a-z_]+", name), name


def test_no_name_is_used_twice():
    names = Counter(name for module in PREFIXES for name in module.MetricName)
    assert names.most_common(1)[0][1] == 1
