"""What the canary of a suite shows, and what the tables have of canaries."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import asyncpg

from suite.plan import CANARY
from suite.suite import Suite, erase
from tests.e2e.machine import settings_in
from tests.e2e.waiting import eventually
from tests.postgres_server import throwaway_folder

EVERY_SECONDS = 0.5
LATE_SECONDS = 2.0


@asynccontextmanager
async def suite_with_canaries(*forces: str) -> AsyncIterator[Suite]:
    """A running suite with two canaries a second. Its folder is deleted afterwards."""
    with throwaway_folder() as folder:
        settings = settings_in(folder, forces)
        hasty = {
            "GANTRY_CANARY__EVERY_SECONDS": str(EVERY_SECONDS),
            "GANTRY_CANARY__LATE_SECONDS": str(LATE_SECONDS),
        }
        async with Suite(replace(settings, environment={**settings.environment, CANARY: hasty})) as suite:
            yield suite
        await erase(settings.folder)


async def series_at(address: str) -> dict[str, float]:
    """The canary's series on the page of metrics at HOST:PORT, such as "missed essex"."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as response:
        text = await response.text()
    found = re.findall(r'^gantry_canary_(\w+)\{force="([^"]+)"[^}]*\} (\S+)$', text, re.MULTILINE)
    return {f"{name} {force}": float(value) for name, force, value in found}


async def shown(suite: Suite, force: str) -> dict[str, float]:
    """The canary's series of a force by name, such as "missed"; none before it serves its page."""
    if "metrics" not in suite.process(CANARY).ports:
        return {}
    found = await series_at(suite.address(CANARY, "metrics"))
    return {name.split()[0]: value for name, value in found.items() if name.split()[1] == force}


async def until_heard(suite: Suite, force: str, more: int, *, within: float = 40.0) -> None:
    """Wait until `more` further canaries were heard and none is missed."""
    before = (await shown(suite, force)).get("heard_total", 0.0)

    async def heard() -> bool:
        now = await shown(suite, force)
        return now.get("heard_total", 0.0) >= before + more and now["missed"] == 0

    await eventually(heard, within=within, what=f"{more} canaries of {force}")


async def until_missed(suite: Suite, force: str, count: int, *, within: float = 60.0) -> None:
    """Wait until so many canaries in a row are missed."""

    async def missed() -> bool:
        return (await shown(suite, force)).get("missed", 0.0) >= count

    await eventually(missed, within=within, what=f"{count} missed canaries of {force}")


async def rows(suite: Suite, statement: str, *values: object) -> list[asyncpg.Record]:
    """Ask the database about everything, past the policies of rows."""
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        found: list[asyncpg.Record] = await connection.fetch(statement, *values)
    finally:
        await connection.close()
    return found


async def positions(suite: Suite, force: str) -> list[int]:
    """The positions of a force's log that its canaries took."""
    statement = """select last_position from store.appends join store.forces using (force_no)
        where force = $1 and canary is not null order by last_position"""
    return [row["last_position"] for row in await rows(suite, statement, force)]


async def read_ids(suite: Suite, force: str) -> list[str]:
    """The read_ids of a force's canaries."""
    statement = "select read_id from store.canaries join store.forces using (force_no) where force = $1"
    return [row["read_id"] for row in await rows(suite, statement, force)]
