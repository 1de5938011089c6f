"""How far the reads of a running suite have come, as the rows in its database say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping

import asyncpg

from suite.suite import Suite
from tests.chaos.flow import Flow
from tests.e2e.waiting import eventually

HEADS = "select force, head from store.forces"
CURSORS = """
    select force, line, min(position) as position
    from (table match.line_cursors union all table nas_bridge.line_cursors) as cursors
    group by force, line"""
OWNERS = """
    select 'match/' || force || '/' || line as line, owner from match.lines
    union all
    select 'nas_bridge/' || force || '/' || line, owner from nas_bridge.lines"""
LOG_READS = """
    select coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_user_tables
    where schemaname = 'store' and relname = 'appends'"""
COMMITTED = "select count(distinct received_at_us) from store.appends"


async def rows(suite: Suite, query: str) -> list[asyncpg.Record]:
    """The rows of a query of the superuser, over a connection of its own."""
    connection = await asyncpg.connect(**suite.postgres.superuser("gantry"))
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def owners(suite: Suite) -> Mapping[str, str | None]:
    """The replica that holds each line."""
    return {row["line"]: row["owner"] for row in await rows(suite, OWNERS)}


async def all_goes_on(
    suite: Suite, flow: Flow, *, within: float, what: str, without: Collection[str] = ()
) -> None:
    """Wait until each feed has a read made from now on acknowledged, and all lines have passed those.

    Lines of destinations in `without` need not.
    """
    since = time.time_ns() // 1000

    async def acked() -> bool:
        return all(flow.newest_acked.get(feed, 0) > since for feed in flow.feeds)

    heads: dict[str, int] = {}

    async def passed() -> bool:
        try:
            if not heads:
                heads.update((row["force"], row["head"]) for row in await rows(suite, HEADS))
            cursors = await rows(suite, CURSORS)
        except (OSError, asyncpg.PostgresError):
            return False
        return all(row["position"] >= heads[row["force"]] for row in cursors if row["line"] not in without)

    async with asyncio.timeout(within + 10):
        await eventually(acked, within=within, what=f"an acknowledgement for each feed after {what}")
        await eventually(passed, within=within, what=f"matching and delivery after {what}")
