"""From a vendor's bytes to reads, however broken: only the envelope can sink a batch, never a read.

Protobuf refuses a whole message for one bad byte. When it does, the message is parsed again as a twin
that has the same wire format but keeps the reads apart as bytes, and then each read by itself. The twins
are derived from the contract's own descriptors, so they follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gantry.common.v1 import read_pb2
from gantry.ingest.v1 import ingest_pb2 as pb
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from chassis.errors import InvalidInput
from services.ingest.refusals import MALFORMED, Refusal, not_utf8

_PACKAGE: Final = "gantry.ingest.loose"
_COUNT_FIRST_BYTES: Final = 4096


@dataclass(slots=True)
class Envelope:
    """A message taken apart. `broken` names the reads, by index, that could not be parsed."""

    sequence: int
    reads: Sequence[pb.SubmittedRead]
    traceparent: str
    broken: dict[int, Refusal]


class Opener:
    """Parses one kind of message; `most_reads` bounds a batch.

    Raises InvalidInput MALFORMED_MESSAGE or BATCH_TOO_LARGE.
    """

    def __init__(self, strict: Any, most_reads: int) -> None:
        self._parse = strict.FromString
        self._loose = _TWINS[strict.DESCRIPTOR.name].FromString
        self._has_sequence = "sequence" in strict.DESCRIPTOR.fields_by_name
        self._most_reads = most_reads

    def open(self, data: bytes) -> Envelope:
        """Take a message apart."""
        # A two-byte read becomes an object of hundreds: count before making any.
        if len(data) > _COUNT_FIRST_BYTES:
            self._count(self._open_loosely(data).reads)
        try:
            message = self._parse(data)
        except DecodeError:
            return self._salvage(data)
        self._count(message.reads)
        if not self._has_sequence:
            return Envelope(0, message.reads, "", {})
        return Envelope(message.sequence, message.reads, message.traceparent, {})

    def _count(self, reads: Sequence[object]) -> None:
        if len(reads) > self._most_reads:
            raise InvalidInput(
                "BATCH_TOO_LARGE",
                f"the batch has {len(reads)} reads, at most {self._most_reads} are allowed; split it",
                field="reads",
            )

    def _open_loosely(self, data: bytes) -> Any:
        try:
            return self._loose(data)
        except DecodeError:
            raise InvalidInput(
                "MALFORMED_MESSAGE",
                "the bytes are not this message; build it from the published contract",
            ) from None

    def _salvage(self, data: bytes) -> Envelope:
        message = self._open_loosely(data)
        self._count(message.reads)
        reads: list[pb.SubmittedRead] = []
        broken: dict[int, Refusal] = {}
        for index, encoded in enumerate(message.reads):
            try:
                reads.append(pb.SubmittedRead.FromString(encoded))
            except DecodeError:
                reads.append(_NOTHING)
                broken[index] = _fault_of(encoded)
        if not self._has_sequence:
            return Envelope(0, reads, "", broken)
        return Envelope(message.sequence, reads, message.traceparent.decode("ascii", "replace"), broken)


def _fault_of(encoded: bytes) -> Refusal:
    """Why a read does not parse: a text that is not UTF-8, or anything else."""
    try:
        read = _LOOSE_READ.FromString(encoded)
    except DecodeError:
        return MALFORMED
    for field in _TEXTS:
        if not _is_utf8(getattr(read, field)):
            return not_utf8(field)
    for field in _DETAIL_TEXTS:
        if not _is_utf8(getattr(read.details, field)):
            return not_utf8(f"details.{field}")
    return MALFORMED


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text_fields(descriptor: Any) -> tuple[str, ...]:
    return tuple(field.name for field in descriptor.fields if field.type == field.TYPE_STRING)


def _loosened(descriptor: Any) -> DescriptorProto:
    """A copy whose texts are bytes, so that no text can be refused."""
    twin = DescriptorProto()
    descriptor.CopyToProto(twin)
    for field in twin.field:
        if field.type == FieldDescriptorProto.TYPE_STRING:
            field.type = FieldDescriptorProto.TYPE_BYTES
        elif field.type_name == ".gantry.common.v1.ReadDetails":
            field.type_name = f".{_PACKAGE}.ReadDetails"
        elif field.type_name == ".gantry.ingest.v1.SubmittedRead":
            field.type = FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    return twin


def _build_twins() -> dict[str, Any]:
    originals = (
        pb.StreamReadsRequest.DESCRIPTOR,
        pb.SubmitReadsRequest.DESCRIPTOR,
        pb.SubmittedRead.DESCRIPTOR,
        read_pb2.ReadDetails.DESCRIPTOR,
    )
    pool = DescriptorPool()
    for needed in (timestamp_pb2.DESCRIPTOR, read_pb2.DESCRIPTOR):
        pool.AddSerializedFile(needed.serialized_pb)
    file = FileDescriptorProto(
        name="gantry/ingest/loose.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[timestamp_pb2.DESCRIPTOR.name, read_pb2.DESCRIPTOR.name],
        message_type=[_loosened(original) for original in originals],
    )
    pool.AddSerializedFile(file.SerializeToString())
    return {
        original.name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{original.name}"))
        for original in originals
    }


_TWINS: Final = _build_twins()
_LOOSE_READ: Final = _TWINS["SubmittedRead"]
_TEXTS: Final = _text_fields(pb.SubmittedRead.DESCRIPTOR)
_DETAIL_TEXTS: Final = _text_fields(read_pb2.ReadDetails.DESCRIPTOR)
_NOTHING: Final = pb.SubmittedRead()
