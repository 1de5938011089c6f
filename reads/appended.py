"""The reads of one append, as consumers of the log get them. Columns are parsed on first use."""

from __future__ import annotations

from collections.abc import Sequence

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.log_pb2 import AppendedReads, TailReadsResponse, TracedReads

from reads import columns as read_columns
from reads.traced import Traced, that_have


class Appended:
    """The reads of one append, from a serialised `AppendedReads`. There is at least one read.

    Raises DecodeError when the bytes are no AppendedReads. `columns` raises it for reads that are no columns.
    """

    __slots__ = ("_columns", "_positions", "canary", "count", "encoded", "first", "received_at_us", "traced")

    count: int
    """How many reads there are."""
    first: int
    """Position of the first read."""
    encoded: bytes
    """The reads: a serialised ReadColumns."""
    traced: Sequence[Traced]
    """The traces of its reads, by position; empty for most appends."""
    received_at_us: int
    """When the store received the append, in microseconds since the epoch."""
    canary: bool
    """Whether it is a canary: its one read is no read of the force. Only who asks for canaries gets any."""

    def __init__(self, serialised: bytes) -> None:
        message = AppendedReads.FromString(serialised)
        self.count = message.count
        self.first = message.first_position
        self.encoded = message.reads
        self.received_at_us = message.received_at_us
        self.canary = message.canary
        self._positions = tuple(message.positions)
        self.traced = self._traced_of(message) if message.traceparent else ()
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
    def traceparent(self) -> str:
        """W3C traceparent of the append; empty when it was not traced."""
        return self.traced[0].traceparent if self.traced else ""

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
        return Appended(self._encoded_with(columns.SerializeToString(), self.positions[start:stop]))

    def with_images(self, plate_patches: Sequence[bytes], overviews: Sequence[bytes]) -> bytes:
        """The same append, serialised, with images: one element a read in each list. Parses no columns."""
        reads = read_columns.with_images(self.encoded, plate_patches, overviews)
        return self._encoded_with(reads, self.positions)

    def _encoded_with(self, reads: bytes, positions: Sequence[int]) -> bytes:
        return encoded_appended(reads, positions, self.traced, self.received_at_us, canary=self.canary)

    def _traced_of(self, message: AppendedReads) -> Sequence[Traced]:
        if not message.traced_reads:
            return (Traced(message.traceparent, self.first, self.last),)
        return [
            Traced(each.traceparent, each.first_position, each.last_position) for each in message.traced_reads
        ]


def encoded_appended(
    reads: bytes,
    positions: Sequence[int],
    traced: Sequence[Traced],
    received_at_us: int,
    *,
    canary: bool = False,
) -> bytes:
    """A serialised `AppendedReads` around serialised `ReadColumns`. `positions` has one element a read.

    `traced` has positions; a trace without any of these reads is left out.
    """
    first, last = positions[0], positions[-1]
    message = AppendedReads(
        reads=reads,
        count=len(positions),
        first_position=first,
        positions=() if last - first == len(positions) - 1 else positions,
        received_at_us=received_at_us,
        canary=canary,
    )
    if traced and (kept := that_have(traced, positions)):
        message.traceparent = kept[0].traceparent
        if len(kept) > 1 or kept[0].first > first or kept[0].last < last:
            message.traced_reads.extend(
                TracedReads(traceparent=each.traceparent, first_position=each.first, last_position=each.last)
                for each in kept
            )
    return message.SerializeToString()


def appends_of(response: TailReadsResponse) -> list[Appended]:
    """The appends of one part of the log, in order. Raises DecodeError."""
    return [Appended(serialised) for serialised in response.appends]
