"""The durable cursor is never thought to be further than it is."""

from __future__ import annotations

import asyncpg

from services.match.matcher import Matcher
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import FORCE, eventually, replica, until_matched


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
