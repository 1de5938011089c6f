"""The durable cursor is never thought to be further than it is."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress

import asyncpg

from services.match import matcher as matcher_module
from services.match.matcher import Matcher
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import FORCE, alerts_of, eventually, load, replica, until_matched


async def test_reads_that_are_matched_while_the_cursor_is_written_are_written_next(
    match_database, log, monkeypatch
):
    matchers: list[Matcher] = []
    match_loop = Matcher.match

    async def watched(self: Matcher) -> None:
        matchers.append(self)
        await match_loop(self)

    monkeypatch.setattr(Matcher, "match", watched)
    holder = await asyncpg.connect(
        host=match_database.host,
        port=match_database.port,
        user=match_database.user,
        database=match_database.name,
        password=match_database.password_file.read_text().strip() if match_database.password_file else None,
    )
    try:
        async with replica(match_database, log) as match:
            await until_matched(match, log.append(Seen("AA11AAA", read_id="before")))
            async with holder.transaction():
                await holder.execute("select from match.matching where force = $1 for update", FORCE)
                first = log.append(Seen("AA11AAA", read_id="during 1"))

                async def is_being_written() -> bool:
                    waiting = "select count(*) from pg_locks where not granted"
                    return bool(await holder.fetchval(waiting))

                await eventually(is_being_written)
                last = log.append(Seen("AA11AAA", read_id="during 2"))

                async def is_matched() -> bool:
                    return matchers[-1]._seen >= last

                await eventually(is_matched)
                assert matchers[-1]._durable.position < first
            await until_matched(match, last)
        assert len(matchers) == 1, "it was fenced off by itself"
    finally:
        await holder.close()


async def test_an_alert_needs_no_connection_that_somebody_else_may_have(match_database, log):
    async with AsyncExitStack() as taken, replica(match_database, log) as match:
        await load(match, "AA11AAA,x")
        await until_matched(match, log.append(Seen("AA11AAA", read_id="before")))
        pool = match.matching._pool
        with suppress(TimeoutError):
            while True:
                await taken.enter_async_context(pool.acquire(timeout=0.5))
        log.append(Seen("AA11AAA", read_id="while all others are busy"))
        await eventually(lambda: _raised(match_database, 2))
        await taken.aclose()


async def _raised(database, count: int) -> bool:
    return len(await alerts_of(database)) == count


async def test_more_forces_than_connections_get_their_alerts_too(match_database, log):
    async with replica(match_database, log) as match:
        match.matching._may_hold = 0
        await load(match, "AA11AAA,x")
        await until_matched(match, log.append(Seen("AA11AAA")))
    assert await _raised(match_database, 1)


async def test_the_store_hears_of_the_cursor_only_when_it_is_on_disk(match_database, log, monkeypatch):
    monkeypatch.setattr(matcher_module, "REPORT_SECONDS", 0.3)
    async with replica(match_database, log) as match:
        position = log.append(Seen("AA11AAA"))
        await until_matched(match, position)
        assert log.reported < position

        async def heard() -> bool:
            return log.reported == position

        await eventually(heard)
