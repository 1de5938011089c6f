"""Copies the rows of a load in portions, so that a slow upload holds no connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from services.match.hotlists.ports import Loading
from services.match.hotlists.turns import Turns

PORTION_BYTES: Final = 4 << 20


async def fill(load: Loading, force: str, rows: AsyncIterator[bytes], turns: Turns) -> None:
    """Copy all rows into the load. Each portion takes a turn; the next one is gathered meanwhile."""
    copying: asyncio.Task[None] | None = None
    try:
        async with aclosing(_portions(rows)) as portions:
            async for portion in portions:
                if copying is not None:
                    await copying
                copying = asyncio.create_task(_copy(load, force, portion, turns), name="copying of entries")
        if copying is not None:
            await copying
    finally:
        if copying is not None and not copying.done():
            copying.cancel()
            await asyncio.wait([copying])


async def _copy(load: Loading, force: str, portion: bytes, turns: Turns) -> None:
    async with turns.of(force):
        await load.fill(portion)


async def _portions(rows: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    gathered: list[bytes] = []
    size = 0
    async for part in rows:
        gathered.append(part)
        size += len(part)
        if size >= PORTION_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)
