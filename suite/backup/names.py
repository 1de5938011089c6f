"""The metrics of the archiver. Dashboards and alarms rely on them."""

from chassis.metrics import Kind, Metric


class MetricName(Metric):
    """What the archiver shows. It is the only process that shows them."""

    ARCHIVE_LAG_SECONDS = (
        "gantry_backup_archive_lag_seconds",
        Kind.GAUGE,
        "s",
        "For how long commits wait for the archive",
    )
    FAILING = "gantry_backup_failing", Kind.GAUGE, "1", "1 while nothing can be archived"
    BASE_AGE_SECONDS = (
        "gantry_backup_base_age_seconds",
        Kind.GAUGE,
        "s",
        "Age of the newest base copy; when there is none, of the archiver",
    )
    SPOOL_BYTES = "gantry_backup_spool_bytes", Kind.GAUGE, "By", "Log that is received and not yet archived"
