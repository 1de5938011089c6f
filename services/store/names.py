"""The names of the store's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum


class SpanName(StrEnum):
    """Spans that the store opens itself; those of RPCs are named after their method."""

    COMMIT = "store.commit"
    IMAGES = "store.images"
    SEARCH = "store.search"
    PURGE = "store.purge"


class MetricName(StrEnum):
    """Instruments of the store; the unit is the last word."""

    READS = "gantry_store_reads"
    DUPLICATES = "gantry_store_duplicates"
    COMMIT_SECONDS = "gantry_store_commit_seconds"
    COMMIT_READS = "gantry_store_commit_reads"
    IMAGE_BYTES = "gantry_store_image_bytes"
    BREAKER_OPEN = "gantry_store_breaker_open"
    CATCH_UP_READS = "gantry_store_catch_up_reads"
    TAILS = "gantry_store_tails"
    POSITION = "gantry_store_position"
    SEARCH_SECONDS = "gantry_store_search_seconds"
    PURGED_READS = "gantry_store_purged_reads"
    OVERDUE_DAYS = "gantry_store_overdue_days"
