"""A log of reads whose overviews are removed, for a destination that gets plate patches only."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from gantry.common.v1.read_columns_pb2 import ReadColumns

from following import Part, Source
from reads.appended import Appended, encoded_appended


@dataclass(frozen=True)
class WithoutOverviews:
    """See `following.log.Source`."""

    source: Source[Appended]

    async def follow(self, after: int | None) -> AsyncGenerator[Part[Appended], None]:
        """The log after a position, without overviews."""
        async with aclosing(self.source.follow(after)) as parts:
            async for part in parts:
                yield Part([_without_overviews(item) for item in part.items], part.position, part.head)

    async def report(self, position: int) -> None:
        """Report that everything up to `position` is durably processed. Raises Fault."""
        await self.source.report(position)


def _without_overviews(item: Appended) -> Appended:
    columns = ReadColumns.FromString(item.encoded)
    if not columns.overviews:
        return item
    columns.ClearField("overviews")
    reads = columns.SerializeToString()
    return Appended(encoded_appended(reads, item.positions, item.traced, item.received_at_us))
