"""Any bytes are answered, and a read that does not parse costs only itself."""

from __future__ import annotations

import pytest
from gantry.common.v1.read_pb2 import ReadDetails
from gantry.ingest.internal.v1 import lenient_pb2 as lenient
from gantry.ingest.v1 import ingest_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from services.ingest.cameras.feeds import Camera, Feed
from services.ingest.checking.batch import ImageLimits, check_batch
from services.ingest.door.parsing import stream_parser, submit_parser

STREAM = stream_parser(1_000)
SUBMIT = submit_parser(1_000)
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
    parsed = STREAM.parse(request.SerializeToString())
    assert (parsed.sequence, list(parsed.reads), parsed.traceparent) == (9, [GOOD, GOOD], "00-x")
    assert not parsed.broken


def test_the_message_of_a_single_call() -> None:
    parsed = SUBMIT.parse(pb.SubmitReadsRequest(reads=[GOOD]).SerializeToString())
    assert (parsed.sequence, list(parsed.reads), parsed.broken) == (0, [GOOD], {})


@pytest.mark.parametrize("padding", [0, 5_000])
def test_broken_reads_are_named(padding: int) -> None:
    good = GOOD.SerializeToString()
    filler = pb.SubmittedRead(plate_patch=b"x" * padding).SerializeToString()
    parsed = STREAM.parse(message(good, b"\xff\xff\xff", filler, b"\x0a\x02\xff\xfe", b"\x0a\x09a", good))
    assert {index: cause.field for index, cause in parsed.broken.items()} == {
        1: "",
        3: "camera_id",
        4: "",
    }
    assert [pb.RejectionReason.Name(cause.reason)[17:] for cause in parsed.broken.values()] == [
        "MALFORMED",
        "NOT_UTF8",
        "MALFORMED",
    ]
    assert (parsed.sequence, len(parsed.reads), parsed.reads[5]) == (7, 6, GOOD)


@pytest.mark.parametrize("field", ["camera_id", "read_id", "vrm", "force"])
def test_text_that_is_not_utf8(field: str) -> None:
    number = pb.SubmittedRead.DESCRIPTOR.fields_by_name[field].number
    parsed = STREAM.parse(message(bytes([number << 3 | 2, 2]) + b"\xc3\x28", GOOD.SerializeToString()))
    assert parsed.broken[0].field == field
    assert parsed.broken[0].reason == pb.REJECTION_REASON_NOT_UTF8
    assert parsed.reads[1] == GOOD


def test_details_that_are_not_utf8() -> None:
    details = ReadDetails(vehicle_make="xy").SerializeToString().replace(b"xy", b"\xff\xff")
    parsed = STREAM.parse(message(bytes([8 << 3 | 2, len(details)]) + details))
    assert parsed.broken[0].field == "details.vehicle_make"


def test_a_bad_traceparent_sinks_nothing() -> None:
    parsed = STREAM.parse(message(GOOD.SerializeToString()) + b"\x1a\x02\xff\xff")
    assert list(parsed.reads) == [GOOD]
    assert not parsed.broken


@pytest.mark.parametrize("data", [b"\xff", b"\x12\x05abc", b"\x08", b"\x0b", b"\x12\xff\xff\xff\xff\x0f"])
def test_a_broken_message(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        STREAM.parse(data)
    assert caught.value.reason == "MALFORMED_MESSAGE"


@pytest.mark.parametrize("read", [b"", GOOD.SerializeToString(), b"\xff"])
@pytest.mark.parametrize("count", [1_001, 100_000])
def test_too_many_reads(read: bytes, count: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        STREAM.parse(message(*[read] * count))
    assert (caught.value.reason, caught.value.field) == ("BATCH_TOO_LARGE", "reads")


def test_as_many_as_allowed() -> None:
    assert len(STREAM.parse(message(*[b""] * 1_000)).reads) == 1_000


def feed() -> Feed:
    made = Feed("essex", "gateway")
    made.add(Camera("c", enabled=True))
    return made


@given(st.binary(max_size=300))
@example(b"\x08\x01\x12\x00")
def test_any_bytes_are_answered(data: bytes) -> None:
    reasons: set[str] = set()
    for parser in (STREAM, SUBMIT):
        try:
            parsed = parser.parse(data)
        except InvalidInput as fault:
            reasons.add(fault.reason)
            continue
        verdict = check_batch(parsed.reads, parsed.broken, feed(), 2 * 10**15, ImageLimits(10, 10))
        assert verdict.kept + len(verdict.rejections) == len(parsed.reads)
    assert reasons <= {"MALFORMED_MESSAGE"}


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(0, 20))
def test_no_read_sinks_another(broken: list[bytes], place: int) -> None:
    """A good read among any rubbish is found intact, at its index."""
    reads = list(broken)
    place = min(place, len(reads))
    reads.insert(place, GOOD.SerializeToString())
    parsed = STREAM.parse(message(*reads))
    assert len(parsed.reads) == len(reads)
    assert parsed.reads[place] == GOOD
    assert place not in parsed.broken


@given(st.data())
def test_a_flipped_byte_costs_at_most_its_read(data: st.DataObject) -> None:
    encoded = [
        pb.SubmittedRead(camera_id="c", read_id=f"r{index}", vrm="AB12CDE").SerializeToString()
        for index in range(3)
    ]
    victim = bytearray(encoded[1])
    victim[data.draw(st.integers(0, len(victim) - 1))] ^= data.draw(st.integers(1, 255))
    parsed = STREAM.parse(message(encoded[0], bytes(victim), encoded[2]))
    assert [parsed.reads[0].read_id, parsed.reads[2].read_id] == ["r0", "r2"]
    assert set(parsed.broken) <= {1}


COUNTERPARTS = [
    (pb.StreamReadsRequest, lenient.LenientStreamReadsRequest),
    (pb.SubmitReadsRequest, lenient.LenientSubmitReadsRequest),
]


def wire_format(message: type[Message], *, loosened: bool) -> list[tuple[object, ...]]:
    """Name, number, cardinality and type of each field; with `loosened` as a lenient counterpart has them."""
    return [
        (field.name, field.number, field.is_repeated, lenient_type(field) if loosened else field.type)
        for field in message.DESCRIPTOR.fields
    ]


def lenient_type(field: FieldDescriptor) -> int:
    return field.TYPE_BYTES if field.type in {field.TYPE_STRING, field.TYPE_MESSAGE} else field.type


@pytest.mark.parametrize(("public", "counterpart"), COUNTERPARTS)
def test_a_lenient_message_has_the_wire_format_of_its_public_one(
    public: type[Message], counterpart: type[Message]
) -> None:
    assert wire_format(counterpart, loosened=False) == wire_format(public, loosened=True)


def test_every_lenient_message_is_compared() -> None:
    assert {counterpart.DESCRIPTOR.name for _, counterpart in COUNTERPARTS} == set(
        lenient.DESCRIPTOR.message_types_by_name
    )
