"""Names of match's metrics and spans. The last word of a metric is its unit; labels are a force or a kind."""

from enum import StrEnum


class Metric(StrEnum):
    """Instruments of match."""

    READS = "gantry_match_reads"
    ALERTS = "gantry_match_alerts"
    DELETED_ALERTS = "gantry_match_deleted_alerts"
    LAG_READS = "gantry_match_lag_reads"
    ALERT_SECONDS = "gantry_match_alert_seconds"
    INDEX_ENTRIES = "gantry_match_index_entries"
    SUBSCRIBERS = "gantry_match_subscribers"
    REJECTED_LINES = "gantry_match_rejected_lines"


class Span(StrEnum):
    """Spans that match opens besides those of its RPCs."""

    ALERT = "match.alert"
    INDEX = "match.index"
