"""The names of the store's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum


class SpanName(StrEnum):
    """Spans that the store opens itself; those of RPCs are named after their method."""

    STORE_COMMIT = "store.commit"
    STORE_IMAGES = "store.images"
    STORE_SEARCH = "store.search"
    STORE_PURGE = "store.purge"


class MetricName(StrEnum):
    """Instruments of the store; the unit is the last word."""

    STORE_READS = "gantry_store_reads"
    STORE_DUPLICATES = "gantry_store_duplicates"
    STORE_COMMIT_SECONDS = "gantry_store_commit_seconds"
    STORE_COMMIT_READS = "gantry_store_commit_reads"
    STORE_IMAGE_BYTES = "gantry_store_image_bytes"
    STORE_TAILS = "gantry_store_tails"
    STORE_POSITION = "gantry_store_position"
    STORE_SEARCH_SECONDS = "gantry_store_search_seconds"
    STORE_PURGED_READS = "gantry_store_purged_reads"
    STORE_OVERDUE_DAYS = "gantry_store_overdue_days"
