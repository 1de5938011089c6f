"""The names of the bridge's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum


class SpanName(StrEnum):
    """Spans that the bridge opens itself; those of RPCs are named after their method."""

    BRIDGE_FORWARD = "bridge.forward"
    BRIDGE_RECEIPT = "bridge.receipt"


class MetricName(StrEnum):
    """Instruments of the bridge; the unit is the last word."""

    BRIDGE_FORWARDED_READS = "gantry_bridge_forwarded_reads"
    BRIDGE_RECEIPTS = "gantry_bridge_receipts"
    BRIDGE_RETRIES = "gantry_bridge_retries"
    BRIDGE_REFUSED_SUBMISSIONS = "gantry_bridge_refused_submissions"
    BRIDGE_DEAD_LETTERS = "gantry_bridge_dead_letters"
    BRIDGE_LAG_READS = "gantry_bridge_lag_reads"
