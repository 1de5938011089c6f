"""Every name that several services must agree on: spans and metrics, and the sections of their settings.

Telemetry is a contract, so its names live in one typed list.

RPC spans are named after their method (``gantry.store.v1.StoreService/AppendReads``) and are not listed.
Metrics follow Prometheus: a unit as suffix, seconds and bytes as units. Labels are few and bounded:
a force, a destination, a reason code; never a camera, never a VRM.
"""

from enum import StrEnum


class SectionName(StrEnum):
    """The sections of all services' settings, as in ``GANTRY_STORE__IMAGES``.

    One environment may be handed to several services, so each has to know the others' sections in order to
    tell them from misspelt ones. A list is simpler than asking the services, which the chassis does not know.
    """

    TLS = "tls"
    GRPC = "grpc"
    DATABASE = "database"
    TELEMETRY = "telemetry"
    INGEST = "ingest"
    STORE = "store"
    MATCH = "match"
    BRIDGE = "bridge"


class SpanName(StrEnum):
    """Spans that the services open themselves."""

    CAMERA_SEND = "camera.send"
    INGEST_BATCH = "ingest.batch"
    INGEST_APPEND = "ingest.append"
    STORE_COMMIT = "store.commit"
    STORE_IMAGES = "store.images"
    STORE_SEARCH = "store.search"
    STORE_PURGE = "store.purge"
    MATCH_BATCH = "match.batch"
    MATCH_ALERT = "match.alert"
    MATCH_INDEX = "match.index"
    BRIDGE_FORWARD = "bridge.forward"
    BRIDGE_RECEIPT = "bridge.receipt"
    NAS_ACCEPT = "nas.accept"
    NADC_ACCEPT = "nadc.accept"


class MetricName(StrEnum):
    """Instruments of all services; the unit is the last word."""

    RPC_SECONDS = "gantry_rpc_seconds"
    RPC_STREAMS = "gantry_rpc_streams"
    RPC_ERRORS = "gantry_rpc_errors"

    INGEST_READS = "gantry_ingest_reads"
    INGEST_REJECTIONS = "gantry_ingest_rejections"
    INGEST_WARNINGS = "gantry_ingest_warnings"
    INGEST_STREAMS = "gantry_ingest_streams"
    INGEST_QUEUED_READS = "gantry_ingest_queued_reads"
    INGEST_ACK_SECONDS = "gantry_ingest_ack_seconds"
    INGEST_BACKPRESSURE = "gantry_ingest_backpressure"

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

    MATCH_READS = "gantry_match_reads"
    MATCH_ALERTS = "gantry_match_alerts"
    MATCH_DELETED_ALERTS = "gantry_match_deleted_alerts"
    MATCH_LAG_READS = "gantry_match_lag_reads"
    MATCH_ALERT_SECONDS = "gantry_match_alert_seconds"
    MATCH_INDEX_ENTRIES = "gantry_match_index_entries"
    MATCH_SUBSCRIBERS = "gantry_match_subscribers"
    MATCH_REJECTED_LINES = "gantry_match_rejected_lines"

    BRIDGE_FORWARDED_READS = "gantry_bridge_forwarded_reads"
    BRIDGE_RECEIPTS = "gantry_bridge_receipts"
    BRIDGE_RETRIES = "gantry_bridge_retries"
    BRIDGE_REFUSED_SUBMISSIONS = "gantry_bridge_refused_submissions"
    BRIDGE_DEAD_LETTERS = "gantry_bridge_dead_letters"
    BRIDGE_LAG_READS = "gantry_bridge_lag_reads"
