"""Any bytes are answered, and only a broken envelope sinks a batch."""

from __future__ import annotations

import pytest
from gantry.common.v1.read_pb2 import ReadDetails
from gantry.ingest.v1 import ingest_pb2 as pb
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from services.ingest.columns import ImageLimits, judge
from services.ingest.registry import Camera, Feed
from services.ingest.wire import Opener

STREAM = Opener(pb.StreamReadsRequest, 1_000)
UNARY = Opener(pb.SubmitReadsRequest, 1_000)
GOOD = pb.SubmittedRead(camera_id="c", read_id="r", vrm="AB12CDE", heading=0)


def varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def message(*reads: bytes, tag: int = 0x12, sequence: int = 7) -> bytes:
    parts = [bytes([tag]) + varint(len(read)) + read for read in reads]
    return b"\x08" + varint(sequence) + b"".join(parts)


def test_a_whole_message() -> None:
    request = pb.StreamReadsRequest(sequence=9, reads=[GOOD, GOOD], traceparent="00-x")
    opened = STREAM.open(request.SerializeToString())
    assert (opened.sequence, list(opened.reads), opened.traceparent) == (9, [GOOD, GOOD], "00-x")
    assert not opened.broken


def test_a_unary_message() -> None:
    opened = UNARY.open(pb.SubmitReadsRequest(reads=[GOOD]).SerializeToString())
    assert (opened.sequence, list(opened.reads), opened.broken) == (0, [GOOD], {})


@pytest.mark.parametrize("padding", [0, 5_000])
def test_broken_reads_are_named(padding: int) -> None:
    good = GOOD.SerializeToString()
    filler = pb.SubmittedRead(plate_patch=b"x" * padding).SerializeToString()
    opened = STREAM.open(message(good, b"\xff\xff\xff", filler, b"\x0a\x02\xff\xfe", b"\x0a\x09a", good))
    assert {index: refusal.field for index, refusal in opened.broken.items()} == {
        1: "",
        3: "camera_id",
        4: "",
    }
    assert [pb.RejectionReason.Name(refusal.reason)[17:] for refusal in opened.broken.values()] == [
        "MALFORMED",
        "NOT_UTF8",
        "MALFORMED",
    ]
    assert (opened.sequence, len(opened.reads), opened.reads[5]) == (7, 6, GOOD)


@pytest.mark.parametrize("field", ["camera_id", "read_id", "vrm", "force"])
def test_text_that_is_not_utf8(field: str) -> None:
    number = pb.SubmittedRead.DESCRIPTOR.fields_by_name[field].number
    opened = STREAM.open(message(bytes([number << 3 | 2, 2]) + b"\xc3\x28", GOOD.SerializeToString()))
    assert opened.broken[0].field == field
    assert opened.broken[0].reason == pb.REJECTION_REASON_NOT_UTF8
    assert opened.reads[1] == GOOD


def test_details_that_are_not_utf8() -> None:
    details = ReadDetails(vehicle_make="xy").SerializeToString().replace(b"xy", b"\xff\xff")
    opened = STREAM.open(message(bytes([8 << 3 | 2, len(details)]) + details))
    assert opened.broken[0].field == "details.vehicle_make"


def test_a_bad_traceparent_sinks_nothing() -> None:
    opened = STREAM.open(message(GOOD.SerializeToString()) + b"\x1a\x02\xff\xff")
    assert list(opened.reads) == [GOOD]
    assert not opened.broken


@pytest.mark.parametrize("data", [b"\xff", b"\x12\x05abc", b"\x08", b"\x0b", b"\x12\xff\xff\xff\xff\x0f"])
def test_a_broken_envelope(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        STREAM.open(data)
    assert caught.value.reason == "MALFORMED_MESSAGE"


@pytest.mark.parametrize("read", [b"", GOOD.SerializeToString(), b"\xff"])
@pytest.mark.parametrize("count", [1_001, 100_000])
def test_too_many_reads(read: bytes, count: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        STREAM.open(message(*[read] * count))
    assert (caught.value.reason, caught.value.field) == ("BATCH_TOO_LARGE", "reads")


def test_as_many_as_allowed() -> None:
    assert len(STREAM.open(message(*[b""] * 1_000)).reads) == 1_000


def feed() -> Feed:
    made = Feed("essex", "gateway")
    made.add(Camera("c", enabled=True))
    return made


@given(st.binary(max_size=300))
@example(b"\x08\x01\x12\x00")
def test_any_bytes_are_answered(data: bytes) -> None:
    reasons: set[str] = set()
    for opener in (STREAM, UNARY):
        try:
            opened = opener.open(data)
        except InvalidInput as fault:
            reasons.add(fault.reason)
            continue
        verdict = judge(opened.reads, opened.broken, feed(), 2 * 10**15, ImageLimits(10, 10))
        assert verdict.kept + len(verdict.rejections) == len(opened.reads)
    assert reasons <= {"MALFORMED_MESSAGE"}


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(0, 20))
def test_no_read_sinks_another(broken: list[bytes], place: int) -> None:
    """A good read among any rubbish is found intact, at its index."""
    reads = list(broken)
    place = min(place, len(reads))
    reads.insert(place, GOOD.SerializeToString())
    opened = STREAM.open(message(*reads))
    assert len(opened.reads) == len(reads)
    assert opened.reads[place] == GOOD
    assert place not in opened.broken


@given(st.data())
def test_a_flipped_byte_costs_at_most_its_read(data: st.DataObject) -> None:
    encoded = [
        pb.SubmittedRead(camera_id="c", read_id=f"r{index}", vrm="AB12CDE").SerializeToString()
        for index in range(3)
    ]
    victim = bytearray(encoded[1])
    victim[data.draw(st.integers(0, len(victim) - 1))] ^= data.draw(st.integers(1, 255))
    opened = STREAM.open(message(encoded[0], bytes(victim), encoded[2]))
    assert [opened.reads[0].read_id, opened.reads[2].read_id] == ["r0", "r2"]
    assert set(opened.broken) <= {1}
