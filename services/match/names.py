"""The names of match's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum


class SpanName(StrEnum):
    """Spans that match opens itself; those of RPCs are named after their method."""

    MATCH_ALERT = "match.alert"
    MATCH_INDEX = "match.index"


class MetricName(StrEnum):
    """Instruments of match; the unit is the last word."""

    MATCH_READS = "gantry_match_reads"
    MATCH_ALERTS = "gantry_match_alerts"
    MATCH_DELETED_ALERTS = "gantry_match_deleted_alerts"
    MATCH_LAG_READS = "gantry_match_lag_reads"
    MATCH_ALERT_SECONDS = "gantry_match_alert_seconds"
    MATCH_INDEX_ENTRIES = "gantry_match_index_entries"
    MATCH_SUBSCRIBERS = "gantry_match_subscribers"
    MATCH_REJECTED_LINES = "gantry_match_rejected_lines"
