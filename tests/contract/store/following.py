"""Following a log in a test, up to a number of reads and never for long."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from clients.store import ReadLogClient
from reads.appended import Appended, appends_of

PATIENCE_SECONDS = 20.0


async def collect(
    client: ReadLogClient,
    force: str,
    *,
    after: int | None,
    reads: int,
    include_images: bool = False,
    max_reads: int = 0,
    canaries: bool = False,
) -> list[Appended]:
    """The appends of the first `reads` reads after a position."""
    appends: list[Appended] = []
    following = client.follow(
        force,
        "match",
        after=after,
        include_images=include_images,
        max_reads=max_reads,
        canaries=canaries,
    )
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(following):
        async for response in following:
            appends += appends_of(response)
            if sum(each.count for each in appends) >= reads:
                break
    return appends
