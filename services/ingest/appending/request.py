"""Joins the kept reads of many batches into one request to the store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.log_pb2 import AppendReadsRequest
from google.protobuf.message import Message

from reads.columns import columns_of
from services.ingest.appending.batch import PendingBatch
from services.ingest.checking.batch import KeptReads

_LENGTH_DELIMITED: Final = 2


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _tag(message: type[Message], name: str) -> bytes:
    return _varint(message.DESCRIPTOR.fields_by_name[name].number << 3 | _LENGTH_DELIMITED)


# Protobuf takes 9 ms to serialise 4 MiB of pictures, in which the loop serves nobody. Its fields may be
# joined as bytes, which takes a fraction of that.
_READS: Final = _tag(AppendReadsRequest, "reads")
_CANARY: Final = _tag(AppendReadsRequest, "canary")
_IMAGES: Final = {name: _tag(ReadColumns, name) for name in ("plate_patches", "overviews")}


@dataclass(frozen=True, slots=True)
class EncodedAppend:
    """A serialised AppendReadsRequest, with camera and capture time of each read for the camera counts."""

    request: bytes
    camera_ids: Sequence[str]
    captured_at_us: Sequence[int]


def append_of(force: str, batches: Sequence[PendingBatch]) -> EncodedAppend:
    """Join the kept reads of the batches, in their order. A canary is never joined with another batch."""
    kept = _joined(batches)
    columns = kept._asdict()
    images = [part for name, tag in _IMAGES.items() for part in _fields(tag, columns.pop(name))]
    reads = [columns_of(**columns).SerializeToString(), *images]
    size = _varint(sum(map(len, reads)))
    field = _CANARY if batches[0].canary else _READS
    request = b"".join((AppendReadsRequest(force=force).SerializeToString(), field, size, *reads))
    return EncodedAppend(request, kept.camera_ids, kept.captured_at_us)


def _fields(tag: bytes, images: Sequence[bytes]) -> Iterator[bytes]:
    """A column of images as a message has it: one field an image, or none when no read has one."""
    if any(images):
        for image in images:
            yield tag + _varint(len(image))
            yield image


def share_duplicates(batches: Sequence[PendingBatch], duplicates: Sequence[int]) -> None:
    """Set the number of duplicates of each batch. `duplicates` holds indexes in the append, ascending."""
    if not duplicates:
        return
    reads = counted = 0
    for batch in batches:
        reads += batch.kept
        upto = bisect_left(duplicates, reads)
        batch.duplicate = upto - counted
        counted = upto


def _joined(batches: Sequence[PendingBatch]) -> KeptReads:
    verdicts = [batch.verdict for batch in batches]
    if len(verdicts) == 1:
        return verdicts[0].as_columns()
    if all(verdict.columns is None for verdict in verdicts):
        # Single reads of many streams: one pass turns the rows of all batches into columns.
        return KeptReads(*zip(*chain.from_iterable([verdict.rows for verdict in verdicts]), strict=True))
    parts = [verdict.as_columns() for verdict in verdicts]
    return KeptReads(*(list(chain.from_iterable(column)) for column in zip(*parts, strict=True)))
