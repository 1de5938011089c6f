"""The names of match's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum

from chassis.metrics import Kind, Metric


class SpanName(StrEnum):
    """Spans that match opens itself; those of RPCs are named after their method."""

    MATCH_READS = "match.reads"
    MATCH_ALERT = "match.alert"
    MATCH_INDEX = "match.index"


class MetricName(Metric):
    """Instruments of match; the unit is the last word."""

    MATCH_READS = "gantry_match_reads", Kind.COUNTER, "1", "Reads matched", "force"
    MATCH_ALERTS = "gantry_match_alerts", Kind.COUNTER, "1", "Alerts raised", "force", "kind=exact|near"
    MATCH_DELETED_ALERTS = (
        "gantry_match_deleted_alerts",
        Kind.COUNTER,
        "1",
        "Alerts whose days were over",
        "force",
        "acknowledged=yes|no",
    )
    MATCH_LAG_READS = "gantry_match_lag_reads", Kind.GAUGE, "1", "Reads stored and not yet matched", "force"
    MATCH_ALERT_SECONDS = (
        "gantry_match_alert_seconds",
        Kind.HISTOGRAM,
        "s",
        "From the store's receipt of a read to its durable alert",
    )
    MATCH_INDEX_ENTRIES = "gantry_match_index_entries", Kind.GAUGE, "1", "Entries in memory", "force"
    MATCH_SUBSCRIBERS = "gantry_match_subscribers", Kind.GAUGE, "1", "People who watch", "force"
    MATCH_REJECTED_LINES = (
        "gantry_match_rejected_lines",
        Kind.COUNTER,
        "1",
        "Lines of hotlists that were refused",
        "force",
    )
