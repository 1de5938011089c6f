"""What is written down: whole or not at all, by the claim's holder, and for the declared force only."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from chassis.database import open_pool, statements
from chassis.settings import DatabaseSettings
from services.nas_bridge.destination import ReadName
from services.nas_bridge.housekeeping import Housekeeping
from services.nas_bridge.postgres import ForwarderRow, PostgresRecords, of_force
from services.nas_bridge.records import ClaimLostError, Delivery, RefusedRead, Route, State

NAS = Route("essex", "nas")
SQL = statements("services.nas_bridge")
CAPTURED = datetime(2025, 11, 21, 21, 13, 32, 7, UTC)
DELIVERY = Delivery(
    before=0,
    after=20,
    head=30,
    receipt_id="NAS-1",
    first_position=3,
    last_position=18,
    accepted=10,
    duplicate=2,
    refused=[RefusedRead(5, ReadName("A12-1", "r5", CAPTURED), "TOO_DARK", "Cannot be seen.")],
    traceparent="00-1-2-01",
)


@pytest.fixture
async def pool(
    service_database: Callable[[str], Awaitable[DatabaseSettings]],
) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(await service_database("nas_bridge")) as opened:
        yield opened


@pytest.fixture
async def records(pool: asyncpg.Pool) -> PostgresRecords:
    made = PostgresRecords(pool)
    await made.register([NAS, Route("kent", "nas")])
    return made


async def claim(pool: asyncpg.Pool, route: Route = NAS) -> ForwarderRow:
    async with of_force(pool, route.force) as connection:
        row = await connection.fetchrow(SQL.claim_forwarder, *route)
    return ForwarderRow(pool, route, row["epoch"])


async def test_a_delivery_is_found_again(pool: asyncpg.Pool, records: PostgresRecords) -> None:
    await (await claim(pool)).record_delivery(DELIVERY)
    (status,) = await records.forwarders("essex")
    assert (status.position, status.head, status.delivered, status.dead_letters) == (20, 30, 12, 1)
    assert (status.state, status.last_delivered_at is not None) == (State.RUNNING, True)
    receipt = await records.receipt(NAS, 10)
    assert receipt is not None
    assert (receipt.receipt_id, receipt.accepted, receipt.duplicate, receipt.refused) == ("NAS-1", 10, 2, 1)
    assert receipt.traceparent == DELIVERY.traceparent
    (letter,) = await records.dead_letters(NAS, 2**63 - 1, 10)
    assert (letter.position, letter.name) == (5, ReadName("A12-1", "r5", CAPTURED))


@pytest.mark.parametrize(("position", "found"), [(2, False), (3, True), (18, True), (19, False)])
async def test_a_receipt_covers_its_stretch_and_no_more(
    pool: asyncpg.Pool, records: PostgresRecords, position: int, found: bool
) -> None:
    await (await claim(pool)).record_delivery(DELIVERY)
    assert (await records.receipt(NAS, position) is not None) is found


async def test_an_old_claim_writes_nothing(pool: asyncpg.Pool, records: PostgresRecords) -> None:
    old, new = await claim(pool), await claim(pool)
    for attempt in (
        old.record_delivery(DELIVERY),
        old.move_cursor(0, 9, 9),
        old.note_state(State.STOPPED, "", 9),
    ):
        with pytest.raises(ClaimLostError):
            await attempt
    assert await records.receipt(NAS, 10) is None
    assert await records.dead_letters(NAS, 2**63 - 1, 10) == []
    await new.record_delivery(DELIVERY)


async def test_a_cursor_moves_only_from_where_it_was(pool: asyncpg.Pool, records: PostgresRecords) -> None:
    row = await claim(pool)
    await row.record_delivery(DELIVERY)
    with pytest.raises(ClaimLostError):
        await row.record_delivery(replace(DELIVERY, first_position=21, last_position=22))
    await row.move_cursor(20, 25, 25)
    assert [status.position for status in await records.forwarders("essex")] == [25]


async def test_trouble_is_shown_and_forgotten_after_a_success(
    pool: asyncpg.Pool, records: PostgresRecords
) -> None:
    row = await claim(pool)
    await row.note_state(State.RETRYING, "NAS answered UNAVAILABLE", 12)
    (status,) = await records.forwarders("essex")
    assert (status.state, status.last_error, status.head) == (State.RETRYING, "NAS answered UNAVAILABLE", 12)
    since = status.failing_since
    assert since is not None
    again = await claim(pool)
    await again.note_state(State.RETRYING, "NAS answered PERMISSION_DENIED", 12)
    (status,) = await records.forwarders("essex")
    assert status.failing_since == since
    row = again
    await row.record_delivery(DELIVERY)
    (status,) = await records.forwarders("essex")
    assert (status.state, status.last_error, status.failing_since) == (State.RUNNING, "", None)


@pytest.mark.parametrize("table", ["forwarders", "receipts", "dead_letters"])
async def test_a_transaction_sees_the_declared_force_only(
    pool: asyncpg.Pool, records: PostgresRecords, table: str
) -> None:
    for route in (NAS, Route("kent", "nas")):
        await (await claim(pool, route)).record_delivery(DELIVERY)
    assert await pool.fetchval(f"select count(*) from {table}") == 0
    async with of_force(pool, "kent") as connection:
        assert await connection.fetchval(f"select array_agg(distinct force) from {table}") == ["kent"]


async def test_a_row_for_another_force_is_refused(pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with of_force(pool, "kent") as connection:
            await connection.execute(SQL.register_forwarder, *NAS)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from forwarders",
        "update receipts set accepted = 0",
        "update dead_letters set reason = ''",
        "truncate receipts",
        "drop table receipts",
        "create table extra (a int)",
    ],
)
async def test_the_running_service_may_do_only_what_it_does(pool: asyncpg.Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


async def test_old_records_go_and_young_ones_stay(pool: asyncpg.Pool, records: PostgresRecords) -> None:
    await (await claim(pool)).record_delivery(DELIVERY)
    tidy = Housekeeping(records, ["essex"], receipt_days=30, dead_letter_days=7)
    await tidy.tidy()
    assert await records.receipt(NAS, 10) is not None
    in_days = datetime.now(UTC) + timedelta(days=8)
    await replace(tidy, now=lambda: in_days).tidy()
    assert await records.dead_letters(NAS, 2**63 - 1, 10) == []
    assert await records.receipt(NAS, 10) is not None
    in_days = datetime.now(UTC) + timedelta(days=31)
    await replace(tidy, now=lambda: in_days).tidy()
    assert await records.receipt(NAS, 10) is None


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        ("find_receipt", ("essex", "nas", 500), "receipts_pkey"),
        ("list_dead_letters", ("essex", "nas", 500, 10), "dead_letters_pkey"),
    ],
)
async def test_questions_are_answered_from_an_index(
    pool: asyncpg.Pool, statement: str, values: tuple[object, ...], index: str
) -> None:
    async with of_force(pool, "essex") as connection:
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.fetch(f"explain {SQL[statement]}", *values)
        text = "\n".join(row[0] for row in plan)
        assert index in text
        assert "Sort" not in text
