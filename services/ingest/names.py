"""The names of ingest's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum


class SpanName(StrEnum):
    """Spans that ingest opens itself; those of RPCs are named after their method."""

    INGEST_BATCH = "ingest.batch"
    INGEST_APPEND = "ingest.append"


class MetricName(StrEnum):
    """Instruments of ingest; the unit is the last word."""

    INGEST_READS = "gantry_ingest_reads"
    INGEST_REJECTIONS = "gantry_ingest_rejections"
    INGEST_WARNINGS = "gantry_ingest_warnings"
    INGEST_STREAMS = "gantry_ingest_streams"
    INGEST_QUEUED_READS = "gantry_ingest_queued_reads"
    INGEST_ACK_SECONDS = "gantry_ingest_ack_seconds"
    INGEST_FAILING_SECONDS = "gantry_ingest_failing_seconds"
    INGEST_BACKPRESSURE = "gantry_ingest_backpressure"
