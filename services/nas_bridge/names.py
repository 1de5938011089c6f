"""The metrics and spans of the bridge."""

from __future__ import annotations

from enum import StrEnum


class MetricName(StrEnum):
    """Names of metrics."""

    FORWARDED_READS = "gantry_bridge_forwarded_reads"
    RECEIPTS = "gantry_bridge_receipts"
    RETRIES = "gantry_bridge_retries"
    REFUSED_SUBMISSIONS = "gantry_bridge_refused_submissions"
    DEAD_LETTERS = "gantry_bridge_dead_letters"
    LAG_READS = "gantry_bridge_lag_reads"


class SpanName(StrEnum):
    """Names of spans."""

    FORWARD = "bridge.forward"
    RECEIPT = "bridge.receipt"
