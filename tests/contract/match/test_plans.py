"""The statements of the hot path use their indexes, and a load's size does not show in a look-up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from anpr.confusable import folded_keys
from chassis.database import connect
from services.match.postgres import SQL
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import FORCE, load, load_csv, replica, until_matched

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINES = 20_000


def vrms() -> list[str]:
    return [f"A{number:06}" for number in range(LINES)]


async def scans(connection, table: str) -> tuple[int, int]:
    """How often this transaction has read the table as a whole, and through an index."""
    row = await connection.fetchrow(
        "select seq_scan, idx_scan from pg_stat_xact_user_tables where relname = $1", table
    )
    return (row["seq_scan"], row["idx_scan"])


@pytest.fixture
async def loaded(match_database, log):
    async with replica(match_database, log) as match:
        await load(match, "A000001,x", name="other")
        await load_csv(match, "\n".join(("vrm,reason", *(f"{vrm},x" for vrm in vrms()))).encode())
        for number in range(4):
            log.append(*(Seen(vrm, read_id=f"{vrm} {number}") for vrm in vrms()[:500]))
        await until_matched(match, log.head)
    async with connect(match_database) as connection, connection.transaction():
        await connection.execute(SQL["declare_force"], FORCE)
        yield connection


async def test_entries_are_found_by_key(loaded):
    load_no = await loaded.fetchval("select load_no from hotlists where name = 'stolen'")
    keys = [int(key) for key in folded_keys(vrms()[:40])]
    # Often enough for PostgreSQL to settle on a plan that does not know the parameters.
    for _ in range(12):
        assert len(await loaded.fetch(SQL["find_entries"], FORCE, [load_no], keys, NOW)) == 40
    assert await scans(loaded, f"entries_{load_no}") == (0, 12)


async def test_what_was_raised_before_is_found_by_its_identity(loaded, log):
    hotlist_no = await loaded.fetchval("select hotlist_no from hotlists where name = 'stolen'")
    for number in range(12):
        row = await loaded.fetchrow(SQL["lock_matching"], FORCE)
        position, generation = row["position"], row["generation"]
        texts = (["a12-east"], [f"new {number}"], ["A000001"], ["stolen"], ["x"], [""], [""], [b""])
        raised = await loaded.fetchval(
            *(SQL["raise_alerts"], FORCE, position, generation, position + 1, position + 1, NOW),
            *([position + 1], [NOW], [hotlist_no], [5], [False], *texts),
        )
        assert raised == [row["last_number"] + 1]
    assert (await scans(loaded, "alerts"))[0] == 0


async def test_events_are_read_in_the_order_of_their_index(loaded):
    for number in range(12):
        assert len(await loaded.fetch(SQL["list_alerts"], FORCE, 100 + number, 50, 0)) == 50
        assert await loaded.fetch(SQL["list_acknowledgements"], FORCE, number, 50, 0, 0) == []
    assert (await scans(loaded, "alerts"))[0] == 0
