"""Messages put together from serialised parts, so that reads already in bytes are never parsed again.

Protobuf allows it: the fields of a message may come in any pieces, one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse

# Field 1 of ReadBatch (reads) and of TailReadsResponse (batches), both of a length that is told.
_FIELD_1: Final = b"\x0a"


def read_batch(reads: bytes, positions: Sequence[int], traceparent: str, received_at_us: int) -> bytes:
    """A ReadBatch around serialised ReadColumns."""
    rest = ReadBatch(positions=positions, traceparent=traceparent, received_at_us=received_at_us)
    return b"".join((*_field_1(reads), rest.SerializeToString()))


def with_images(batch: bytes, patches: Sequence[bytes], overviews: Sequence[bytes]) -> bytes:
    """The ReadBatch with the images added to its reads."""
    images = ReadColumns(plate_patches=patches, overviews=overviews).SerializeToString()
    return b"".join((batch, *_field_1(images)))


def tail_response(batches: Sequence[bytes], position: int, head: int) -> bytes:
    """A TailReadsResponse around serialised ReadBatches."""
    parts = [part for batch in batches for part in _field_1(batch)]
    parts.append(TailReadsResponse(position=position, head=head).SerializeToString())
    return b"".join(parts)


def _field_1(content: bytes) -> tuple[bytes, bytes, bytes]:
    return _FIELD_1, _varint(len(content)), content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
