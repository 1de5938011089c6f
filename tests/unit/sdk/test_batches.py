"""Making reads and batches of them, and what failures mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry_sdk import Backoff, BatchTooLarge, FeedRefused, FeedUnavailable, prepare, read
from gantry_sdk.batches import request_of, split
from gantry_sdk.errors import feed_error
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import (
    DETAILS_KEY,
    Exhausted,
    Fault,
    InvalidInput,
    Unauthenticated,
    Unavailable,
    encode_fault,
)


def some(count: int, size: int = 0) -> list[pb.SubmittedRead]:
    return [
        read(camera_id="c", read_id=str(number), captured_at=1, vrm="A1", overview=bytes(size))
        for number in range(count)
    ]


def reads_in(body: bytes) -> list[str]:
    return [each.read_id for each in pb.StreamReadsRequest.FromString(body).reads]


def test_a_read() -> None:
    seen = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=1)))
    made = read(
        camera_id="c", read_id="r", captured_at=seen, vrm="AB12CDE", latitude=51.5, longitude=0, heading=0
    )
    assert made.captured_at.ToDatetime(UTC) == seen
    assert made.HasField("position")
    assert made.HasField("heading")
    assert made == read(
        camera_id="c",
        read_id="r",
        captured_at=1_772_362_800_123_456,
        vrm="AB12CDE",
        latitude=51.5,
        longitude=0,
        heading=0,
    )


def test_a_read_without_the_optional() -> None:
    made = read(camera_id="c", read_id="r", captured_at=-1, vrm="A1")
    assert not made.HasField("position")
    assert not made.HasField("heading")
    assert not made.HasField("details")
    assert (made.captured_at.seconds, made.captured_at.nanos, made.confidence) == (-1, 999_999_000, 1.0)


def test_reads_that_cannot_be_meant() -> None:
    with pytest.raises(ValueError, match="time zone"):
        read(camera_id="c", read_id="r", captured_at=datetime(2026, 1, 1), vrm="A1")  # noqa: DTZ001
    with pytest.raises(ValueError, match="both latitude and longitude"):
        read(camera_id="c", read_id="r", captured_at=1, vrm="A1", latitude=51.5)


@given(st.integers(0, 2**64 - 1), st.text(max_size=40))
def test_a_request_carries_the_prepared_reads(sequence: int, traceparent: str) -> None:
    batch = prepare(some(3))
    request = pb.StreamReadsRequest.FromString(request_of(sequence, batch, traceparent))
    assert (request.sequence, request.traceparent, len(request.reads)) == (sequence, traceparent, 3)


@given(st.integers(1, 60), st.integers(1, 20), st.sampled_from([200, 500, 5_000]))
def test_split_keeps_every_read_in_order(count: int, most_reads: int, most_bytes: int) -> None:
    batches = list(split(some(count, 100), most_reads, most_bytes))
    assert [each for batch in batches for each in reads_in(batch.body)] == [
        str(number) for number in range(count)
    ]
    assert all(batch.count == len(reads_in(batch.body)) <= most_reads for batch in batches)
    assert all(len(batch.body) <= most_bytes for batch in batches)


def test_a_read_that_fits_nowhere() -> None:
    with pytest.raises(BatchTooLarge, match="limit is 1000"):
        list(split([*some(3), *some(1, 2_000)], 10, 1_000))


@pytest.mark.parametrize(
    "fault",
    [
        Unavailable("STORE_UNAVAILABLE", "away", retry_after=1.25),
        Exhausted("TOO_MUCH_IN_FLIGHT", "wait", retry_after=0.5),
        InvalidInput("MALFORMED_MESSAGE", "no", field="reads"),
        Unauthenticated("TOKEN_UNKNOWN", "no"),
    ],
)
def test_faults_are_understood(fault: Fault) -> None:
    error = feed_error(failure(fault.status, fault.message, encode_fault(fault)))
    assert (error.reason, error.message, error.retry_after) == (
        fault.reason,
        fault.message,
        fault.retry_after,
    )
    waits = fault.status in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert isinstance(error, FeedUnavailable if waits else FeedRefused)


def test_failures_without_details() -> None:
    assert isinstance(feed_error(failure(grpc.StatusCode.UNAVAILABLE, "connection refused")), FeedUnavailable)
    assert isinstance(feed_error(failure(grpc.StatusCode.PERMISSION_DENIED, "no")), FeedRefused)
    too_large = feed_error(failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "message larger than max"))
    assert isinstance(too_large, BatchTooLarge)


@given(st.binary(max_size=200))
def test_unreadable_details_count_as_absent(encoded: bytes) -> None:
    error = feed_error(failure(grpc.StatusCode.UNAVAILABLE, "connection refused", encoded))
    assert (type(error), error.retry_after) == (FeedUnavailable, None)


@given(st.integers(1, 10_000), st.floats(0, 100))
def test_backoff_is_bounded(failures: int, at_least: float) -> None:
    wait = Backoff(first=0.5, most=30).wait(failures, at_least)
    assert at_least <= wait <= at_least + min(30, 0.5 * 2 ** min(failures - 1, 10))


def test_a_connection_that_ends_while_something_is_sent_is_no_fault_of_the_server() -> None:
    lost = feed_error(failure(grpc.StatusCode.INTERNAL, "Internal error from Core"))
    assert isinstance(lost, FeedUnavailable)
    assert (lost.status, lost.reason) == (grpc.StatusCode.UNAVAILABLE, "CONNECTION_LOST")
    assert feed_error(failure(grpc.StatusCode.INTERNAL, "this batch cannot be stored")).reason == "INTERNAL"


def failure(status: grpc.StatusCode, message: str, details: bytes | None = None) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata() if details is None else grpc.aio.Metadata((DETAILS_KEY, details))
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), trailing, message)
