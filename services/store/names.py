"""The names of the store's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum

from chassis.metrics import Kind, Metric


class SpanName(StrEnum):
    """Spans that the store opens itself; those of RPCs are named after their method."""

    COMMIT = "store.commit"
    IMAGES = "store.images"
    SEARCH = "store.search"
    PURGE = "store.purge"


class MetricName(Metric):
    """Instruments of the store; the unit is the last word."""

    READS = "gantry_store_reads", Kind.COUNTER, "1", "Reads stored", "force"
    DUPLICATES = "gantry_store_duplicates", Kind.COUNTER, "1", "Reads that were stored already", "force"
    COMMIT_SECONDS = "gantry_store_commit_seconds", Kind.HISTOGRAM, "s", "Time of a group commit"
    COMMIT_READS = "gantry_store_commit_reads", Kind.HISTOGRAM, "1", "Reads in a group commit"
    IMAGE_BYTES = "gantry_store_image_bytes", Kind.COUNTER, "By", "Bytes of images stored"
    BREAKER_OPEN = (
        "gantry_store_breaker_open",
        Kind.GAUGE,
        "1",
        "1 while appends of the force are refused since the last one failed",
        "force",
    )
    QUEUE_SHARE = (
        "gantry_store_queue_share",
        Kind.GAUGE,
        "1",
        "Reads that wait for their commit, as a share of QUEUE_READS or QUEUE_BYTES",
        "force",
    )
    CATCH_UP_READS = (
        "gantry_store_catch_up_reads",
        Kind.COUNTER,
        "1",
        "Reads that followers got from PostgreSQL instead of from memory",
        "force",
    )
    TAILS = "gantry_store_tails", Kind.GAUGE, "1", "Connected followers: match and each destination", "force"
    POSITION = (
        "gantry_store_position",
        Kind.GAUGE,
        "1",
        "Position of the newest read, at every replica",
        "force",
    )
    FORCE_ACTIVE = (
        "gantry_store_force_active",
        Kind.GAUGE,
        "1",
        "1 while a force is active, 0 once it is retired, at every replica",
        "force",
    )
    CONSUMER_LAG_READS = (
        "gantry_store_consumer_lag_reads",
        Kind.GAUGE,
        "1",
        "Reads that a consumer has not processed, at every replica",
        "force",
        "consumer",
    )
    CONSUMER_LAG_SECONDS = (
        "gantry_store_consumer_lag_seconds",
        Kind.GAUGE,
        "s",
        "For how long the oldest of them has waited",
        "force",
        "consumer",
    )
    SEARCH_SECONDS = (
        "gantry_store_search_seconds",
        Kind.HISTOGRAM,
        "s",
        "Time to find one page of a plate search",
    )
    PURGED_READS = "gantry_store_purged_reads", Kind.COUNTER, "1", "Reads deleted by retention", "force"
    OVERDUE_DAYS = (
        "gantry_store_overdue_days",
        Kind.GAUGE,
        "1",
        "Days past their time that wait for a consumer, at every replica",
        "force",
    )
    DAY_BYTES = (
        "gantry_store_day_bytes",
        Kind.GAUGE,
        "By",
        "Rows and indexes of the largest day, of all forces, at every replica",
    )
    DISK_FREE_BYTES = (
        "gantry_store_disk_free_bytes",
        Kind.GAUGE,
        "By",
        "Free on a disk of this machine",
        "disk=database|images",
    )
