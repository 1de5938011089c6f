"""Records of deliveries: written whole or not at all, fenced by the epoch, for the declared force."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import asyncpg
import pytest

from chassis.database import in_forces, open_pool, statements
from chassis.settings import DatabaseSettings
from following import Move
from reads.read import ReadIdentity
from services.nas_bridge.destinations.destination import DestinationSettings, Route
from services.nas_bridge.destinations.postgres import PostgresDestinations
from services.nas_bridge.forwarding.delivery import Delivery, RefusedRead
from services.nas_bridge.forwarding.postgres import PostgresDeliveries
from services.nas_bridge.receipts.postgres import PostgresRecords
from tests.postgres_server import SharedServer

NAS, KENT = Route("essex", "nas"), Route("kent", "nas")
SETTINGS = DestinationSettings("nas", "nas", {"target": "nas.example:443"}, identity="partner")
SQL = statements("services.nas_bridge.receipts")
DELIVERY = Delivery(
    receipt_id="NAS-1",
    first_position=3,
    last_position=18,
    accepted=10,
    duplicate=2,
    refused=[
        RefusedRead(5, ReadIdentity("A12-1", 1_763_759_612_000_007, "r5"), "TOO_DARK", "Cannot be seen.")
    ],
    traceparent="00-1-2-01",
)
TABLES = ["destinations", "delivery_counts", "receipts", "dead_letters", "lines", "line_cursors"]


@pytest.fixture
async def database(service_database: Callable[[str], Awaitable[DatabaseSettings]]) -> DatabaseSettings:
    return await service_database("nas_bridge")


@pytest.fixture
async def pool(database: DatabaseSettings) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(database) as opened:
        yield opened


@pytest.fixture
async def rows(pool: asyncpg.Pool) -> PostgresDestinations:
    made = PostgresDestinations(pool)
    for route in (NAS, KENT):
        await made.plan(route.force, SETTINGS)
        await made.go_live(route)
    return made


@pytest.fixture
def records(pool: asyncpg.Pool, rows: PostgresDestinations) -> PostgresRecords:
    return PostgresRecords(pool)


def move(route: Route = NAS, old: int = 0, new: int = 20, epoch: int = 0) -> Move:
    return Move(*route, epoch, "main", old, new, 30)


async def record(pool: asyncpg.Pool, under: Move = move(), delivery: Delivery = DELIVERY) -> bool:  # noqa: B008
    return await PostgresDeliveries(pool).record(under, delivery)


async def test_settings_are_found_as_they_were_added(rows: PostgresDestinations) -> None:
    assert await rows.settings(NAS) == SETTINGS
    (found,) = await rows.destinations("essex")
    assert found.settings == SETTINGS


async def test_a_delivery_is_found_again(
    pool: asyncpg.Pool, rows: PostgresDestinations, records: PostgresRecords
) -> None:
    assert await record(pool)
    (found,) = await rows.destinations("essex")
    assert (found.line.position, found.line.head) == (20, 30)
    assert (found.delivered, found.dead_letters, found.last_delivered_at is not None) == (12, 1, True)
    receipt = await records.receipt(*NAS, 10)
    assert receipt is not None
    assert (receipt.receipt_id, receipt.accepted, receipt.duplicate, receipt.refused) == ("NAS-1", 10, 2, 1)
    assert receipt.traceparent == DELIVERY.traceparent
    (letter,) = await records.dead_letters(*NAS, 2**63 - 1, 10)
    assert (letter.position, letter.camera_id, letter.read_id) == (5, "A12-1", "r5")
    assert letter.captured_at.isoformat() == "2025-11-21T21:13:32.000007+00:00"


async def test_only_reads_taken_count_as_a_delivery(pool: asyncpg.Pool, rows: PostgresDestinations) -> None:
    assert await record(pool, delivery=replace(DELIVERY, accepted=0, duplicate=0))
    (found,) = await rows.destinations("essex")
    assert (found.delivered, found.dead_letters, found.last_delivered_at) == (0, 1, None)


@pytest.mark.parametrize(("position", "found"), [(2, False), (3, True), (18, True), (19, False)])
async def test_a_receipt_covers_its_positions_and_no_more(
    pool: asyncpg.Pool, records: PostgresRecords, position: int, found: bool
) -> None:
    await record(pool)
    assert (await records.receipt(*NAS, position) is not None) is found


@pytest.mark.parametrize("under", [move(epoch=1), move(old=9), move(Route("essex", "elsewhere"))])
async def test_a_fenced_delivery_writes_nothing(
    pool: asyncpg.Pool, records: PostgresRecords, rows: PostgresDestinations, under: Move
) -> None:
    assert not await record(pool, under)
    assert await records.receipt(*NAS, 10) is None
    assert await records.dead_letters(*NAS, 2**63 - 1, 10) == []
    (found,) = await rows.destinations("essex")
    assert (found.delivered, found.line.position) == (0, 0)
    assert await record(pool)


@pytest.mark.parametrize("table", TABLES)
async def test_a_transaction_sees_the_declared_force_only(
    pool: asyncpg.Pool, records: PostgresRecords, table: str
) -> None:
    for route in (NAS, KENT):
        assert await record(pool, move(route))
    assert await pool.fetchval(f"select count(*) from {table}") == 0
    async with in_forces(pool, "kent") as connection:
        assert await connection.fetchval(f"select array_agg(distinct force) from {table}") == ["kent"]


async def test_a_row_for_another_force_is_refused(pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with in_forces(pool, "kent") as connection:
            await connection.execute(
                "insert into delivery_counts (force, destination) values ('essex', 'nas')"
            )


@pytest.mark.parametrize(
    "statement",
    [
        "delete from destinations",
        "delete from delivery_counts",
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


async def test_old_records_go_and_young_ones_stay(
    pool: asyncpg.Pool, records: PostgresRecords, database: DatabaseSettings, postgres_server: SharedServer
) -> None:
    assert await record(pool)

    async def delete_old_in(days: int) -> None:
        connection = await asyncpg.connect(**postgres_server.postgres.superuser(database.name))
        await connection.execute(
            f"alter role {database.user} in database {database.name} set gantry.present ="
            f" '{await connection.fetchval('select (now() + make_interval(days => $1))::text', days)}'"
        )
        await connection.close()
        async with open_pool(database) as later:
            await PostgresRecords(later).delete_old(["essex"], receipt_days=30, dead_letter_days=7)

    await records.delete_old(["essex"], receipt_days=30, dead_letter_days=7)
    assert len(await records.dead_letters(*NAS, 2**63 - 1, 10)) == 1
    await delete_old_in(8)
    assert await records.dead_letters(*NAS, 2**63 - 1, 10) == []
    assert await records.receipt(*NAS, 10) is not None
    await delete_old_in(31)
    assert await records.receipt(*NAS, 10) is None


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
    async with in_forces(pool, "essex") as connection:
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.fetch(f"explain {SQL[statement]}", *values)
        text = "\n".join(row[0] for row in plan)
        assert index in text
        assert "Sort" not in text
