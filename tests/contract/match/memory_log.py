"""A store's log in memory: appends, tails and the store's promises, without the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.log_pb2 import TailReadsResponse

from chassis.errors import OutOfRange
from reads.appended import Appended, encoded_appended
from reads.canary import CANARY, CANARY_VRM
from reads.traced import Traced

MOST_APPENDS = 3
"""In one response, so that there is more than one commit."""

NOON_US = 1_750_000_000_000_000


@dataclass(frozen=True)
class Seen:
    """A read: which camera saw which plate when."""

    vrm: str
    camera_id: str = "a12-east"
    read_id: str = "r1"
    captured_at_us: int = NOON_US


class MemoryLog:
    """The log of one force."""

    def __init__(self) -> None:
        self.appends: list[tuple[int, bytes]] = []
        """First position and serialised AppendedReads of each append."""
        self.appended: list[Seen] = []
        self.head = 0
        self.reported = 0
        self.first_kept = 1
        self.follows: list[int | None] = []
        self._grown = asyncio.Event()

    def append(
        self,
        *reads: Seen,
        received_at_us: int = NOON_US,
        traceparent: str = "",
        traceparents: Sequence[str] = (),
    ) -> int:
        """Append reads in one append; returns the position of the last.

        `traceparents` has the trace of each read, which came in a batch of its own.
        """
        positions = range(self.head + 1, self.head + 1 + len(reads))
        columns = columns_of(reads).SerializeToString()
        traced = [Traced(traceparent, positions[0], positions[-1])] if traceparent else []
        traced += [Traced(*each) for each in zip(traceparents, positions, positions, strict=False) if each[0]]
        encoded = encoded_appended(columns, positions, traced, received_at_us)
        self._add(reads, encoded)
        return self.head

    def append_canary(self, read_id: str, *, traceparent: str = "") -> int:
        """Append a canary; returns its position."""
        columns, position = columns_of([canary(read_id)]).SerializeToString(), self.head + 1
        traced = [Traced(traceparent, position, position)] if traceparent else []
        encoded = encoded_appended(columns, [position], traced, NOON_US, canary=True)
        self._add([canary(read_id)], encoded)
        return self.head

    def _add(self, reads: Sequence[Seen], encoded: bytes) -> None:
        self.appends.append((self.head + 1, encoded))
        self.appended += reads
        self.head += len(reads)
        self._grown.set()
        self._grown = asyncio.Event()

    async def heads(self, forces: Collection[str]) -> dict[str, int]:
        """The head, for each force."""
        return dict.fromkeys(forces, self.head)

    async def follow(
        self,
        force: str,
        consumer: str,
        *,
        after: int | None,
        include_images: bool = False,
        max_reads: int = 0,
        canaries: bool = False,
    ) -> AsyncGenerator[TailReadsResponse, None]:
        """See `following.read_log.ReadLog`."""
        self.follows.append(after)
        if after is not None and after + 1 < self.first_kept:
            raise OutOfRange("POSITION_PURGED", "gone", metadata={"first_position": str(self.first_kept)})
        position = self.first_kept - 1 if after is None else after
        while True:
            after = [encoded for first, encoded in self.appends if first > position]
            appends = [each for each in after if canaries or not Appended(each).canary][:MOST_APPENDS]
            position = Appended(appends[-1]).last if appends else self.head
            yield TailReadsResponse(appends=appends, position=position, head=self.head)
            if position == self.head:
                await self._grown.wait()

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        """See `following.read_log.ReadLog`."""
        self.reported = position


def canary(read_id: str) -> Seen:
    """The read of a canary."""
    return Seen(CANARY_VRM, CANARY, read_id)


def columns_of(reads: Sequence[Seen]) -> ReadColumns:
    """The reads in the form in which they travel."""
    cameras = sorted({read.camera_id for read in reads})
    return ReadColumns(
        camera_ids=cameras,
        camera_indexes=[cameras.index(read.camera_id) for read in reads],
        read_ids=[read.read_id for read in reads],
        captured_at_us=[read.captured_at_us for read in reads],
        vrms=[read.vrm for read in reads],
        confidences=[0.9] * len(reads),
        latitudes_e7=[515_000_000] * len(reads),
        longitudes_e7=[5_000_000] * len(reads),
    )
