"""Parts of a parcel, cut between any two reads: how a read that spoils its submission is found."""

from __future__ import annotations

from collections.abc import Iterator

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.store_pb2 import ReadBatch

from services.nas_bridge.intake import Parcel


def halves(parcel: Parcel) -> tuple[Parcel, Parcel]:
    """The first and the second half of at least two reads."""
    middle = parcel.reads // 2
    first, second = _cut(parcel, 0, middle), _cut(parcel, middle, parcel.reads)
    return (
        Parcel(first, first[-1].positions[-1], parcel.head),
        Parcel(second, parcel.position, parcel.head),
    )


def rest_after(parcel: Parcel, position: int) -> Parcel:
    """What of the parcel lies after a position."""
    done = sum(each <= position for batch in parcel.batches for each in batch.positions)
    return Parcel(_cut(parcel, done, parcel.reads), parcel.position, parcel.head) if done else parcel


def _cut(parcel: Parcel, start: int, stop: int) -> list[ReadBatch]:
    """The reads from `start` up to `stop`, counted through all batches."""
    return list(_parts(parcel, start, stop))


def _parts(parcel: Parcel, start: int, stop: int) -> Iterator[ReadBatch]:
    for batch in parcel.batches:
        count = len(batch.positions)
        inside = slice(max(start, 0), min(stop, count))
        if inside.start < inside.stop:
            yield batch if inside == slice(0, count) else _part(batch, inside)
        start, stop = start - count, stop - count


def _part(batch: ReadBatch, inside: slice) -> ReadBatch:
    part = ReadBatch(
        positions=batch.positions[inside], traceparent=batch.traceparent, received_at_us=batch.received_at_us
    )
    for field, column in batch.reads.ListFields():
        # Cameras are referred to by index; every other list has an element for each read.
        wanted = column if field.name == "camera_ids" else column[inside]
        getattr(part.reads, field.name).extend(wanted)
    return part


assert all(field.is_repeated for field in ReadColumns.DESCRIPTOR.fields), "a run is cut list by list"
