"""A replica of match over a real database and a log in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from gantry.match.v1.alert_pb2 import Alert
from gantry.match.v1.hotlist_pb2 import ImportHotlistResponse

from chassis.database import open_pool
from chassis.pages import PageTokens
from chassis.settings import DatabaseSettings
from following.read_log import ReadLog
from services.match.alerts.postgres import PostgresAlerts
from services.match.assembly import Assembly, assemble
from services.match.cameras.camera_names import CameraSource
from services.match.clock import Clock, utc_now
from services.match.hotlists.importing import ImportOrder
from services.match.settings import MatchSection

FORCE = "essex"
PATIENCE_SECONDS = 60.0
SECTION = MatchSection(store="127.0.0.1:1")


@asynccontextmanager
async def replica(
    database: DatabaseSettings,
    log: ReadLog,
    *,
    forces: tuple[str, ...] = (FORCE,),
    clock: Clock = utc_now,
    cameras: CameraSource | None = None,
    polite: bool = True,
) -> AsyncIterator[Assembly]:
    """A running replica. What dies in the background fails the test. Not `polite`: it keeps its leases."""
    async with open_pool(database) as pool:
        pages = await PageTokens.open(pool)
        match = assemble(
            SECTION,
            pool,
            log,
            heads=getattr(log, "heads", _no_heads),
            forces=lambda: forces,
            pages=pages,
            cameras=cameras,
            clock=clock,
        )
        tasks = [asyncio.create_task(work, name=name) for work, name in match.tasks()]
        try:
            yield match
        finally:
            if polite:
                await match.stop()
            died = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            for task in tasks:
                task.cancel()
            # One that is told to end while its connection breaks may end with that error.
            await asyncio.gather(*tasks, return_exceptions=True)
            assert not any(died), died


async def _no_heads(_: Collection[str]) -> Mapping[str, int]:
    return {}


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


async def position_of(alerts: PostgresAlerts, force: str = FORCE) -> int:
    """The durable cursor."""
    return (await alerts.status(force)).position


async def until_matched(match: Assembly, position: int, force: str = FORCE) -> None:
    """Wait until the durable cursor has reached `position`."""

    async def reached() -> bool:
        return await position_of(match.alerts, force) >= position

    await eventually(reached)


async def alerts_of(database: DatabaseSettings, force: str = FORCE) -> Sequence[Alert]:
    """All alerts of a force as their events tell them, in order."""
    async with open_pool(database) as pool:
        source = PostgresAlerts(pool)
        last = await source.last_number(force)
        found: list[Alert] = []
        number = 0
        while number < last:
            page = await source.page(force, number)
            found += [each.event.raised for each in page.events if each.event.HasField("raised")]
            number = page.number
    return found
