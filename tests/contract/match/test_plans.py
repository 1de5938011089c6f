"""The statements of the hot path use their indexes, and a load's size does not show in a look-up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from anpr.confusable import folded_keys
from chassis.database import connect
from reads.canary import canary_sequence
from services.match.alerts.postgres import SQL as ALERTS
from services.match.matching.postgres import SQL as MATCHING
from tests.contract.match.memory_log import Seen
from tests.contract.match.replica import FORCE, load, load_csv, replica, until_matched

NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2000, 1, 1, tzinfo=UTC)
LINES = 20_000
# No hotlist or camera in particular, any priority and kind.
EVERY = ([], [], 9, None)


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
        await connection.execute("select set_config('gantry.forces', $1, true)", FORCE)
        yield connection


async def test_entries_are_found_by_key(loaded):
    load_no = await loaded.fetchval("select load_no from hotlists where name = 'stolen'")
    keys = [int(key) for key in folded_keys(vrms()[:40])]
    # Often enough for PostgreSQL to settle on a plan that does not know the parameters.
    for _ in range(12):
        assert len(await loaded.fetch(MATCHING["find_entries"], FORCE, [load_no], keys, NOW)) == 40
    assert await scans(loaded, f"entries_{load_no}") == (0, 12)


@pytest.mark.parametrize("statement", ["raise_alerts", "raise_canary_alerts"])
async def test_an_alert_that_was_raised_before_is_found_by_its_identity(loaded, log, statement):
    of_canary = statement == "raise_canary_alerts"
    hotlist_no = await loaded.fetchval("select hotlist_no from hotlists where name = 'stolen'")
    line = await loaded.fetchrow("select epoch, position from lines join line_cursors using (force, line)")
    last = 0 if of_canary else await loaded.fetchval(ALERTS["last_number"], FORCE)
    for position in range(line["position"], line["position"] + 12):
        move = (FORCE, "match", line["epoch"], "main", position, position + 1, position + 1)
        texts = (["a12-east"], [f"new {position}"], ["A000001"], ["stolen"], ["x"], [""], [""], [b""])
        further = ([b""], [""], [False])
        raised = await loaded.fetchval(
            *(MATCHING[statement], *move, *([canary_sequence(FORCE)] if of_canary else []), NOW),
            *([position + 1], [NOW], [hotlist_no], [5], [False], *texts, *further),
        )
        last += 1
        assert raised == [last]
    for table in ("alerts", "alert_events", "alert_sequences"):
        assert (await scans(loaded, table))[0] == 0


async def fetched(connection) -> int:
    """How many rows this transaction has read through indexes of alerts and events."""
    return await connection.fetchval(
        "select sum(idx_tup_fetch)::bigint from pg_stat_xact_user_tables"
        " where relname in ('alerts', 'alert_events')"
    )


async def test_a_page_of_events_reads_no_more_than_the_page(loaded):
    for number in range(12):
        assert len(await loaded.fetch(ALERTS["list_events"], FORCE, 100 + number, 50)) == 50
    assert await fetched(loaded) == 12 * 2 * 50
    assert [(await scans(loaded, table))[0] for table in ("alerts", "alert_events")] == [0, 0]


@pytest.mark.parametrize("statement", ["list_alerts", "list_open_alerts"])
async def test_a_page_of_alerts_reads_no_more_than_the_page(loaded, statement):
    middle = await loaded.fetchrow("select raised_at, number from alerts where number = 1000")
    for number in (1990, 1000):
        await loaded.fetch(ALERTS["acknowledge_alert"], FORCE, number, "ana", "", NOW)
    before = await fetched(loaded)
    for _ in range(12):
        query = (FORCE, START, middle["raised_at"], 1000, 50, *EVERY)
        assert len(await loaded.fetch(ALERTS[statement], *query)) == 50
    assert await fetched(loaded) - before <= 12 * 50
    assert [(await scans(loaded, table))[0] for table in ("alerts", "alert_events")] == [0, 0]
