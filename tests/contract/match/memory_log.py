"""A store's log in memory: appends, tails and the store's promises, without the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse

from chassis.errors import OutOfRange

MOST_BATCHES = 3
"""In one response, so that there is more than one commit."""

NOON_US = 1_750_000_000_000_000


@dataclass(frozen=True)
class Seen:
    """A read: who saw which plate when."""

    vrm: str
    camera_id: str = "a12-east"
    read_id: str = "r1"
    captured_at_us: int = NOON_US


class MemoryLog:
    """The log of one force."""

    def __init__(self) -> None:
        self.batches: list[ReadBatch] = []
        self.appended: list[Seen] = []
        self.head = 0
        self.reported = 0
        self.first_kept = 1
        self.follows: list[int | None] = []
        self._grown = asyncio.Event()

    def append(self, *reads: Seen, received_at_us: int = NOON_US, traceparent: str = "") -> int:
        """Append reads in one batch; returns the position of the last."""
        positions = range(self.head + 1, self.head + 1 + len(reads))
        self.batches.append(
            ReadBatch(
                reads=columns_of(reads),
                positions=positions,
                received_at_us=received_at_us,
                traceparent=traceparent,
            )
        )
        self.appended += reads
        self.head += len(reads)
        self._grown.set()
        self._grown = asyncio.Event()
        return self.head

    async def follow(self, force: str, after: int | None) -> AsyncIterator[TailReadsResponse]:
        """See `services.match.ports.ReadLog`."""
        self.follows.append(after)
        if after is not None and after + 1 < self.first_kept:
            raise OutOfRange("POSITION_PURGED", "gone", metadata={"first_position": str(self.first_kept)})
        position = self.first_kept - 1 if after is None else after
        while True:
            batches = [batch for batch in self.batches if batch.positions[0] > position][:MOST_BATCHES]
            position = batches[-1].positions[-1] if batches else self.head
            yield TailReadsResponse(batches=batches, position=position, head=self.head)
            if position == self.head:
                await self._grown.wait()

    async def report(self, force: str, position: int) -> None:
        """See `services.match.ports.ReadLog`."""
        self.reported = position


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
