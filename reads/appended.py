"""The reads of one append, as consumers of the log get them. Columns are parsed on first use."""

from __future__ import annotations

from collections.abc import Sequence

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.log_pb2 import AppendedReads, TailReadsResponse

from reads import columns as read_columns


class Appended:
    """The reads of one append, from a serialised `AppendedReads`. There is at least one read.

    Raises DecodeError when the bytes are no AppendedReads. `columns` raises it for reads that are no columns.
    """

    __slots__ = ("_columns", "_positions", "count", "encoded", "first", "received_at_us", "traceparent")

    count: int
    """How many reads there are."""
    first: int
    """Position of the first read."""
    encoded: bytes
    """The reads: a serialised ReadColumns."""
    traceparent: str
    """W3C traceparent of the append; empty when it was not traced."""
    received_at_us: int
    """When the store received the append, in microseconds since the epoch."""

    def __init__(self, serialised: bytes) -> None:
        message = AppendedReads.FromString(serialised)
        self.count = message.count
        self.first = message.first_position
        self.encoded = message.reads
        self.traceparent = message.traceparent
        self.received_at_us = message.received_at_us
        self._positions = tuple(message.positions)
        self._columns: ReadColumns | None = None

    @property
    def positions(self) -> Sequence[int]:
        """The position of each read, ascending. Duplicates leave gaps."""
        return self._positions or range(self.first, self.first + self.count)

    @property
    def last(self) -> int:
        """Position of the last read."""
        return self._positions[-1] if self._positions else self.first + self.count - 1

    @property
    def columns(self) -> ReadColumns:
        """The reads in columns; parsed once. Not to be changed."""
        if self._columns is None:
            self._columns = ReadColumns.FromString(self.encoded)
        return self._columns

    def sliced(self, start: int, stop: int) -> Appended:
        """The reads from index `start` up to but not including `stop`; at least one."""
        if start == 0 and stop >= self.count:
            return self
        columns = read_columns.sliced(self.columns, start, stop)
        return Appended(
            encoded_appended(
                columns.SerializeToString(), self.positions[start:stop], self.traceparent, self.received_at_us
            )
        )

    def with_images(self, plate_patches: Sequence[bytes], overviews: Sequence[bytes]) -> bytes:
        """The same append, serialised, with images: one element a read in each list. Parses no columns."""
        reads = read_columns.with_images(self.encoded, plate_patches, overviews)
        return encoded_appended(reads, self.positions, self.traceparent, self.received_at_us)


def encoded_appended(reads: bytes, positions: Sequence[int], traceparent: str, received_at_us: int) -> bytes:
    """A serialised `AppendedReads` around serialised `ReadColumns`. `positions` has one element a read."""
    first, last = positions[0], positions[-1]
    return AppendedReads(
        reads=reads,
        count=len(positions),
        first_position=first,
        positions=() if last - first == len(positions) - 1 else positions,
        traceparent=traceparent,
        received_at_us=received_at_us,
    ).SerializeToString()


def appends_of(response: TailReadsResponse) -> list[Appended]:
    """The appends of one part of the log, in order. Raises DecodeError."""
    return [Appended(serialised) for serialised in response.appends]
