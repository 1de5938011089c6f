"""Following a log in a test, up to a number of reads and never for long."""

from __future__ import annotations

import asyncio

from gantry.store.v1.store_pb2 import ReadBatch

from clients.store import StoreClient

PATIENCE_SECONDS = 20.0


async def collect(
    client: StoreClient,
    force: str,
    *,
    after: int | None,
    reads: int,
    include_images: bool = False,
    max_reads: int = 0,
) -> list[ReadBatch]:
    """The batches of the first `reads` reads after a position."""
    batches: list[ReadBatch] = []
    following = client.follow(force, "match", after=after, include_images=include_images, max_reads=max_reads)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for response in following:
            batches += response.batches
            if sum(len(batch.positions) for batch in batches) >= reads:
                break
    await following.aclose()
    return batches
