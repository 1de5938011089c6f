"""The names of the bridge's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum

from chassis.metrics import Kind, Metric


class SpanName(StrEnum):
    """Spans that the bridge opens itself; those of RPCs are named after their method."""

    BRIDGE_FORWARD = "bridge.forward"
    BRIDGE_RECEIPT = "bridge.receipt"
    BRIDGE_POST = "bridge.post"


class MetricName(Metric):
    """Instruments of the bridge; the unit is the last word."""

    BRIDGE_FORWARDED_READS = (
        "gantry_bridge_forwarded_reads",
        Kind.COUNTER,
        "1",
        "Reads that destinations took",
        "force",
        "destination",
    )
    BRIDGE_RECEIPTS = "gantry_bridge_receipts", Kind.COUNTER, "1", "Receipts recorded", "force", "destination"
    BRIDGE_RETRIES = "gantry_bridge_retries", Kind.COUNTER, "1", "Deliveries repeated", "force", "destination"
    BRIDGE_REFUSED_SUBMISSIONS = (
        "gantry_bridge_refused_submissions",
        Kind.COUNTER,
        "1",
        "Submissions refused as a whole",
        "force",
        "destination",
    )
    BRIDGE_DEAD_LETTERS = (
        "gantry_bridge_dead_letters",
        Kind.COUNTER,
        "1",
        "Reads refused for good",
        "force",
        "destination",
    )
    BRIDGE_LAG_READS = (
        "gantry_bridge_lag_reads",
        Kind.GAUGE,
        "1",
        "Reads not yet delivered",
        "force",
        "destination",
    )
    BRIDGE_FAILING_SECONDS = (
        "gantry_bridge_failing_seconds",
        Kind.GAUGE,
        "s",
        "For how long it has accepted nothing although reads wait",
        "force",
        "destination",
    )
    BRIDGE_HELD = (
        "gantry_bridge_held",
        Kind.GAUGE,
        "1",
        "1 while a destination is paused or has stopped",
        "force",
        "destination",
        "why=paused|stopped",
    )
