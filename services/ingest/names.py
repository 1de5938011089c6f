"""The names of ingest's spans and metrics. Dashboards and alarms rely on them."""

from enum import StrEnum
from typing import Any

from gantry.ingest.v1 import ingest_pb2 as pb

from chassis.metrics import Kind, Metric


class SpanName(StrEnum):
    """Spans that ingest opens itself; those of RPCs are named after their method."""

    INGEST_BATCH = "ingest.batch"
    INGEST_APPEND = "ingest.append"


def _values_of(enum: Any) -> str:
    """The names of an enum's values, without its own name, as `Metric` lists them."""
    unset, *names = enum.keys()
    return "|".join(name.removeprefix(unset.removesuffix("UNSPECIFIED")) for name in names)


class MetricName(Metric):
    """Instruments of ingest; the unit is the last word."""

    INGEST_READS = (
        "gantry_ingest_reads",
        Kind.COUNTER,
        "1",
        "Accepted and duplicate reads",
        "force",
        "outcome=accepted|duplicate",
    )
    INGEST_REJECTIONS = (
        "gantry_ingest_rejections",
        Kind.COUNTER,
        "1",
        "Refused reads",
        "force",
        f"reason={_values_of(pb.RejectionReason)}",
    )
    INGEST_WARNINGS = (
        "gantry_ingest_warnings",
        Kind.COUNTER,
        "1",
        "Remarks on reads that were kept",
        "force",
        f"reason={_values_of(pb.WarningReason)}",
    )
    INGEST_BATCHES = (
        "gantry_ingest_batches",
        Kind.COUNTER,
        "1",
        "Batches acknowledged, failed at the store, or refused at the door",
        "force",
        "outcome=acknowledged|failed|refused",
    )
    INGEST_STREAMS = "gantry_ingest_streams", Kind.GAUGE, "1", "Open streams of vendors"
    INGEST_QUEUED_READS = "gantry_ingest_queued_reads", Kind.GAUGE, "1", "Reads that wait for an append"
    INGEST_MEMORY_SHARE = (
        "gantry_ingest_memory_share",
        Kind.GAUGE,
        "1",
        "Memory for reads without acknowledgement in use, as a share of its limit",
    )
    INGEST_ACK_SECONDS = (
        "gantry_ingest_ack_seconds",
        Kind.HISTOGRAM,
        "s",
        "From the arrival of a batch to its acknowledgement, the oldest of each append",
    )
    INGEST_FAILING_SECONDS = (
        "gantry_ingest_failing_seconds",
        Kind.GAUGE,
        "s",
        "For how long appends of a force have failed",
        "force",
    )
    INGEST_BACKPRESSURE = (
        "gantry_ingest_backpressure",
        Kind.COUNTER,
        "1",
        "How often a stream had to wait for room",
    )
