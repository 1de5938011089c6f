"""A restored match shows no alert before those past their time are deleted again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import asyncpg
import pytest

from chassis.database import open_pool
from chassis.errors import Unavailable
from chassis.restoration import Restoration
from services.match.__main__ import reopening
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import alerts_of, load, replica, until_matched

LONG_AGO = datetime(2025, 3, 1, 12, tzinfo=UTC)


async def test_alerts_past_their_time_are_deleted_before_any_is_shown(match_database, log, postgres_server):
    now = LONG_AGO
    async with replica(match_database, log, clock=lambda: now) as match, open_pool(match_database) as pool:
        await load(match, "AB12CDE,Stolen")
        await until_matched(match, log.append(Seen("AB12CDE", read_id="old")))
        now += timedelta(days=40)
        await until_matched(match, log.append(Seen("AB12CDE", read_id="new")))
        assert [alert.read.read_id for alert in await alerts_of(match_database)] == ["old", "new"]
        superuser = await asyncpg.connect(**postgres_server.postgres.superuser(match_database.name))
        await superuser.execute("insert into match.restoration (subject) values ('restored')")
        await superuser.close()
        restoration = Restoration(pool)
        with pytest.raises(Unavailable, match="RESTORE_IN_PROGRESS"):
            restoration.require_open()
        directory = SimpleNamespace(forces={})
        attempt = reopening(restoration, match, directory)
        await attempt()
        assert not restoration.is_open, "without the forces, nothing was deleted"
        directory.forces = {"essex": ...}
        await attempt()
        restoration.require_open()
        assert [alert.read.read_id for alert in await alerts_of(match_database)] == ["new"]
        assert await Restoration(pool).subject() is None
