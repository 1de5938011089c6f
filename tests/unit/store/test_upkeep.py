"""Upkeep outlives whatever the driver says when a connection breaks under it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date

import asyncpg
import pytest

from chassis.errors import Unavailable
from services.store.log import upkeep
from services.store.log.upkeep import Partition, Upkeep

TROUBLE = [
    asyncpg.InternalClientError("got result for unknown protocol state 3"),
    asyncpg.InterfaceError("connection has been released back to the pool"),
    asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"),
    ConnectionResetError(),
    Unavailable("DATABASE_UNAVAILABLE", "away"),
]


class Breaking:
    """Partitions whose connection breaks once in each way."""

    def __init__(self) -> None:
        self.trouble: list[Exception] = [*TROUBLE]
        self.worked = asyncio.Event()

    def appended(self) -> Mapping[Partition, int]:
        self.worked.set()
        return {}

    async def summarise(self, partition: Partition) -> None:
        """Nothing was appended."""

    async def make_ahead(self, days: tuple[date, ...]) -> None:
        if self.trouble:
            raise self.trouble.pop(0)


async def test_upkeep_goes_on_after_every_way_in_which_a_connection_breaks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "_LOOK_SECONDS", 0.01)
    partitions = Breaking()
    running = asyncio.create_task(Upkeep(partitions, lambda _: None, lambda: 0).run())
    worked = asyncio.create_task(partitions.worked.wait())
    await asyncio.wait([running, worked], timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert worked.done()
    assert len(caplog.records) == len(TROUBLE)
    running.cancel()
