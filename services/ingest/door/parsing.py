"""Parses a vendor's message. A read that cannot be parsed does not affect the other reads.

Protobuf refuses a whole message for one bad byte. Then the message is parsed again as its lenient
counterpart, which keeps the reads apart as bytes, and each read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gantry.ingest.internal.v1 import lenient_pb2 as lenient
from gantry.ingest.v1 import ingest_pb2 as pb
from google.protobuf.descriptor import Descriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from chassis.errors import InvalidInput
from services.ingest.checking.rejections import MALFORMED, Cause, not_utf8

_COUNT_FIRST_BYTES: Final = 4096
_LENGTH_DELIMITED: Final = 2
_NOTHING: Final = pb.SubmittedRead()


@dataclass(slots=True)
class ParsedBatch:
    """A parsed message. `broken` has the cause for each read, by index, that could not be parsed."""

    sequence: int
    reads: Sequence[pb.SubmittedRead]
    traceparent: str
    broken: dict[int, Cause]


class BatchParser:
    """Parses messages of one type, of at most `most_reads` reads.

    Raises InvalidInput MALFORMED_MESSAGE or BATCH_TOO_LARGE.
    """

    def __init__(self, strict: Any, lenient: Any, most_reads: int) -> None:
        self._strict = strict.FromString
        self._lenient = lenient.FromString
        self._has_sequence = "sequence" in strict.DESCRIPTOR.fields_by_name
        self._most_reads = most_reads

    def parse(self, data: bytes) -> ParsedBatch:
        """Parse a message."""
        if len(data) > _COUNT_FIRST_BYTES:
            # A read of two bytes becomes an object of hundreds of bytes, so the reads are counted first.
            self._count(self._parse_leniently(data).reads)
        try:
            message = self._strict(data)
        except DecodeError:
            return self._salvage(data)
        reads = message.reads
        if len(reads) > self._most_reads:
            self._count(reads)
        if not self._has_sequence:
            return ParsedBatch(0, reads, "", {})
        return ParsedBatch(message.sequence, reads, message.traceparent, {})

    def _count(self, reads: Sequence[object]) -> None:
        if len(reads) > self._most_reads:
            raise InvalidInput(
                "BATCH_TOO_LARGE",
                f"the batch has {len(reads)} reads, at most {self._most_reads} are allowed; split it",
                field="reads",
            )

    def _parse_leniently(self, data: bytes) -> Any:
        try:
            return self._lenient(data)
        except DecodeError:
            raise InvalidInput(
                "MALFORMED_MESSAGE",
                "the bytes are not this message; build it from the published contract",
            ) from None

    def _salvage(self, data: bytes) -> ParsedBatch:
        message = self._parse_leniently(data)
        self._count(message.reads)
        reads: list[pb.SubmittedRead] = []
        broken: dict[int, Cause] = {}
        for index, encoded in enumerate(message.reads):
            try:
                reads.append(pb.SubmittedRead.FromString(encoded))
            except DecodeError:
                reads.append(_NOTHING)
                broken[index] = _cause_of(encoded)
        if not self._has_sequence:
            return ParsedBatch(0, reads, "", broken)
        return ParsedBatch(message.sequence, reads, message.traceparent.decode("ascii", "replace"), broken)


def stream_parser(most_reads: int) -> BatchParser:
    """Parses the messages of a stream."""
    return BatchParser(pb.StreamReadsRequest, lenient.LenientStreamReadsRequest, most_reads)


def submit_parser(most_reads: int) -> BatchParser:
    """Parses the message of a single call."""
    return BatchParser(pb.SubmitReadsRequest, lenient.LenientSubmitReadsRequest, most_reads)


def _cause_of(encoded: bytes) -> Cause:
    """Why a read does not parse: a text that is not UTF-8, or anything else."""
    name = _bad_text(encoded, pb.SubmittedRead.DESCRIPTOR)
    return not_utf8(name) if name else MALFORMED


def _bad_text(encoded: bytes, descriptor: Descriptor) -> str:
    """The name of a text that is not UTF-8, as "vrm" or "details.vehicle_make"; "" when there is none."""
    try:
        # To a message without fields all fields are unknown, and it keeps them unparsed.
        fields: Any = UnknownFieldSet(Empty.FromString(encoded))
    except DecodeError:
        return ""
    for field in fields:
        known = descriptor.fields_by_number.get(field.field_number)
        if known is None or field.wire_type != _LENGTH_DELIMITED:
            continue
        if known.type == known.TYPE_STRING and not _is_utf8(field.data):
            return known.name
        if known.message_type is not None and (inner := _bad_text(field.data, known.message_type)):
            return f"{known.name}.{inner}"
    return ""


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
