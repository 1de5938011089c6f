"""Names of the store's metrics and spans."""

from __future__ import annotations

from enum import StrEnum


class MetricName(StrEnum):
    """Metrics as Prometheus shows them."""

    READS = "gantry_store_reads"
    DUPLICATES = "gantry_store_duplicates"
    COMMIT_SECONDS = "gantry_store_commit_seconds"
    COMMIT_READS = "gantry_store_commit_reads"
    IMAGE_BYTES = "gantry_store_image_bytes"
    BREAKER_OPEN = "gantry_store_breaker_open"
    TAILS = "gantry_store_tails"
    POSITION = "gantry_store_position"
    CATCH_UP_READS = "gantry_store_catch_up_reads"
    SEARCH_SECONDS = "gantry_store_search_seconds"
    PURGED_READS = "gantry_store_purged_reads"
    OVERDUE_DAYS = "gantry_store_overdue_days"


class SpanName(StrEnum):
    """Spans of the store's own work."""

    COMMIT = "store.commit"
    IMAGES = "store.images"
    SEARCH = "store.search"
    PURGE = "store.purge"
