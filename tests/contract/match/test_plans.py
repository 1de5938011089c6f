"""The statements of the hot path use their indexes, and a load's size does not show in a look-up."""

from __future__ import annotations

import json
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


async def plan(connection, name: str, *arguments) -> list[tuple[str, str]]:
    """Kind of each node, and the index or table that it reads."""
    (explained,) = json.loads(await connection.fetchval("explain (format json) " + SQL[name], *arguments))
    nodes, waiting = [], [explained["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", ())
        nodes.append((node["Node Type"], node.get("Index Name") or node.get("Relation Name") or ""))
    return nodes


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


async def test_entries_are_found_by_key_in_the_loads_asked_for(loaded):
    load_no = await loaded.fetchval("select load_no from hotlists where name = 'stolen'")
    keys = [int(key) for key in folded_keys(vrms()[:40])]
    found = await plan(loaded, "find_entries", [load_no], keys, NOW)
    assert f"entries_{load_no}_folded_key_vrm_idx" in [name for _, name in found]
    assert ("Seq Scan", f"entries_{load_no}") not in found


async def test_events_are_read_in_the_order_of_their_index(loaded):
    found = await plan(loaded, "list_alerts", FORCE, 100, 50, 0)
    assert ("Index Scan", "alerts_pkey") in found
    assert "Sort" not in [kind for kind, _ in found]
    found = await plan(loaded, "list_acknowledgements", FORCE, 1, 50, 0, 0)
    assert ("Index Scan", "acknowledgements_pkey") in found
