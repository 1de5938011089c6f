"""The store's log of reads as a source."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from gantry.store.v1.log_pb2 import TailReadsResponse

from following.log import Part
from reads.appended import Appended, appends_of


class ReadLog(Protocol):
    """See `clients.store.ReadLogClient`."""

    def follow(
        self,
        force: str,
        consumer: str,
        *,
        after: int | None,
        include_images: bool,
        max_reads: int,
        canaries: bool,
    ) -> AsyncGenerator[TailReadsResponse, None]:
        """The log after a position, or from its oldest read (None). Raises Fault."""

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        """Report the position up to which a consumer has durably processed the log. Raises Fault."""


@dataclass(frozen=True, slots=True)
class ReadLogSource:
    """Follows the reads of `force` in the name of `consumer`; with `canaries` the canaries, too."""

    log: ReadLog
    force: str
    consumer: str
    include_images: bool = False
    max_reads: int = 5_000
    canaries: bool = False

    async def follow(self, after: int | None) -> AsyncGenerator[Part[Appended], None]:
        """See `following.log.Source`."""
        responses = self.log.follow(
            self.force,
            self.consumer,
            after=after,
            include_images=self.include_images,
            max_reads=self.max_reads,
            canaries=self.canaries,
        )
        async with aclosing(responses):
            async for response in responses:
                yield Part(appends_of(response), response.position, response.head)

    async def report(self, position: int) -> None:
        """See `following.log.Source`."""
        await self.log.report_cursor(self.force, self.consumer, position)
