"""A replica of match over a real database and a log in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from gantry.common.v1.read_pb2 import Purpose
from gantry.match.v1.alert_pb2 import Alert
from gantry.match.v1.hotlist_pb2 import ImportHotlistResponse

from chassis.database import open_pool
from chassis.settings import DatabaseSettings
from services.match.assembly import Assembly, assemble
from services.match.importing import ImportOrder
from services.match.places import Place
from services.match.ports import Clock, ReadLog, utc_now
from services.match.postgres_alerts import PostgresAlerts
from services.match.settings import MatchSection

FORCE = "essex"
PATIENCE_SECONDS = 60.0


class MemoryAudit:
    """Keeps audit records, or refuses them all."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, int, str, str]] = []
        self.fault: Exception | None = None

    async def record(self, force: str, person: str, action: int, purpose: Purpose, subject: str) -> None:
        """See `services.match.ports.AuditTrail`."""
        if self.fault is not None:
            raise self.fault
        self.records.append((force, person, action, purpose.reason, subject))


@asynccontextmanager
async def replica(
    database: DatabaseSettings,
    log: ReadLog,
    *,
    forces: tuple[str, ...] = (FORCE,),
    audit: MemoryAudit | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[Assembly]:
    """A running replica. What dies in the background fails the test."""
    section = MatchSection(store="127.0.0.1:1", forces=forces)
    async with open_pool(database) as pool:
        match = assemble(section, pool, log, audit or MemoryAudit(), clock)
        await match.prepare()
        tasks = [asyncio.create_task(work, name=name) for work, name in match.tasks()]
        try:
            yield match
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            died = [error for error in ended if not isinstance(error, asyncio.CancelledError)]
            assert not died, died


async def load(
    match: Assembly, *lines: str, name: str = "stolen", near: bool = True, request_id: UUID | None = None
) -> ImportHotlistResponse:
    """Import lines of vrm,reason as a hotlist."""
    return await load_csv(
        match, "\n".join(("vrm,reason", *lines)).encode(), name=name, near=near, request_id=request_id
    )


async def load_csv(
    match: Assembly,
    content: bytes,
    *,
    name: str = "stolen",
    near: bool = True,
    request_id: UUID | None = None,
    force: str = FORCE,
) -> ImportHotlistResponse:
    """Import a file as a hotlist."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1 << 20):
            yield content[start : start + (1 << 20)]

    order = ImportOrder(force, name, near, request_id or uuid4(), "ana")
    return await match.imports.run(order, chunks())


async def eventually(check: Callable[[], Awaitable[object]]) -> None:
    """Wait until `check` gives something true."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not await check():
        assert time.monotonic() < ends_at, "did not come about in time"
        await asyncio.sleep(0.01)


async def until_matched(match: Assembly, position: int, force: str = FORCE) -> None:
    """Wait until the durable cursor has reached `position`."""

    async def reached() -> bool:
        return (await match.matching.cursor(force)).position >= position

    await eventually(reached)


async def alerts_of(database: DatabaseSettings, force: str = FORCE) -> Sequence[Alert]:
    """All alerts of a force, in order, checked for gaps."""
    async with open_pool(database) as pool:
        source = PostgresAlerts(pool)
        last = await source.last_number(force)
        found: list[Alert] = []
        place = Place(0, 0, 0)
        while place.number < last:
            page = await source.page(force, place)
            found += [event.what for event in page.events if isinstance(event.what, Alert)]
            place = place.at(page.upto)
    return found
