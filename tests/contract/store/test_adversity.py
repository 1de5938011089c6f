"""The database stops under load: callers get a fault, no acknowledged read is lost or stored twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
import urllib.request
from collections.abc import Sequence

import asyncpg
import pytest

from chassis.database import open_pool
from chassis.errors import Exhausted, Fault, Unavailable
from chassis.settings import DatabaseSettings, TelemetrySettings
from chassis.telemetry import metrics_port, telemetry
from chassis.transient import is_transient
from clients.store import ReadLogClient
from services.store.days import US_A_DAY
from services.store.images.objects import open_images
from services.store.log.postgres import AppendConnections
from services.store.replicas.postgres import ReplicaNews
from services.store.retention.postgres import PostgresRetention
from services.store.retention.purging import Retention
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import collect
from tests.contract.store.reads import columns
from tests.postgres_server import SharedServer

pytestmark = pytest.mark.usefixtures("two_forces")

CUT = """
select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
where datname = $1 and usename = 'gantry_store'
"""


async def append_until_acknowledged(client: ReadLogClient, name: str, at_us: int) -> list[str]:
    """Appends, each repeated until it is acknowledged. Returns the acknowledged reads in order."""
    acknowledged: list[str] = []
    for number in range(40):
        reads = columns(5, at_us=at_us + number * 1_000_000, cameras=(name,), images=number % 4 == 0)
        while True:
            try:
                await client.append("essex", reads)
                break
            except Fault as fault:
                if not is_transient(fault):
                    raise
                await asyncio.sleep(0.01)
        acknowledged += reads.read_ids
    return acknowledged


async def test_idle_connections_whose_server_hangs_are_given_back_together(
    database_settings: DatabaseSettings,
) -> None:
    async with open_pool(database_settings) as pool:
        connections, began = AppendConnections(pool, 4), asyncio.Barrier(4)

        async def session() -> int:
            async with connections.one() as connection:
                await began.wait()
                return int(await connection.fetchval("select pg_backend_pid()"))

        async with connections:
            sessions = await asyncio.gather(*(session() for _ in range(4)))
            for each in sessions:
                os.kill(each, signal.SIGSTOP)
            left = time.monotonic()
        try:
            # Each of them takes a second.
            assert 0.9 < time.monotonic() - left < 3
        finally:
            for each in sessions:
                os.kill(each, signal.SIGCONT)


async def test_connections_that_are_cut_lose_nothing(
    start_store: StartStore, postgres_server: SharedServer
) -> None:
    store, other = await start_store(), await start_store()
    chance = random.Random(5)
    superuser = await asyncpg.connect(**postgres_server.postgres.superuser())
    database = await store.pool.fetchval("select current_database()")

    async def cut() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.05, 0.25))
            await superuser.fetchval(CUT, database)

    cutting = asyncio.create_task(cut())
    clients = [await each.log("ingest") for each in (store, other) for _ in range(3)]
    try:
        async with asyncio.timeout(90):
            sent = await asyncio.gather(
                *(
                    append_until_acknowledged(client, f"c{n}", store.clock())
                    for n, client in enumerate(clients)
                )
            )
    finally:
        cutting.cancel()
        await superuser.close()
    await nothing_is_lost(store, sent)


async def nothing_is_lost(store: RunningStore, sent: Sequence[Sequence[str]]) -> None:
    """The log has what each client has sent once, and in its order. Client n sends as camera "cn"."""
    total = sum(map(len, sent))
    appends = await collect(await store.log("match"), "essex", after=0, reads=total)
    seen = [
        (append.columns.camera_ids[camera], read_id)
        for append in appends
        for camera, read_id in zip(append.columns.camera_indexes, append.columns.read_ids, strict=True)
    ]
    assert len(seen) == len(set(seen)) == total
    for number, read_ids in enumerate(sent):
        assert [read_id for camera, read_id in seen if camera == f"c{number}"] == read_ids


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
async def test_a_restart_of_postgresql_loses_nothing(
    start_store: StartStore, postgres_server: SharedServer, how: signal.Signals
) -> None:
    store, other = await start_store(), await start_store()
    postgres = postgres_server.postgres
    supervising = asyncio.create_task(postgres.supervise())
    clients = [await each.log("ingest") for each in (store, other) for _ in range(2)]
    appending = asyncio.gather(
        *(append_until_acknowledged(client, f"c{n}", store.clock()) for n, client in enumerate(clients))
    )
    async with asyncio.timeout(60):
        while not await store.rows("select head from forces where head > 100"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        before = postgres.pid
        assert before is not None
        os.kill(before, how)
        sent = await appending
    supervising.cancel()
    await asyncio.gather(supervising, return_exceptions=True)
    assert postgres.pid not in {None, before}
    await nothing_is_lost(store, sent)


async def test_notices_of_other_replicas_end_on_a_stop_also_with_a_dead_connection(
    database_settings: DatabaseSettings, postgres_server: SharedServer
) -> None:
    async with open_pool(database_settings) as pool:
        heard = asyncio.Event()
        watching = asyncio.create_task(ReplicaNews(pool, lambda _: heard.set()).run())
        async with asyncio.timeout(10):
            await heard.wait()
        superuser = await asyncpg.connect(**postgres_server.postgres.superuser())
        await superuser.fetchval(CUT, database_settings.name)
        await superuser.close()
        async with asyncio.timeout(10):
            # It sleeps, and only the pool has noticed.
            while pool.get_size():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.wait({watching}, timeout=5)
        assert watching.cancelled()


async def test_followers_of_a_store_that_stops_get_stopping_at_once(
    start_store: StartStore,
) -> None:
    store = await start_store()
    match = await store.log("match")
    following = match.follow("essex", "match", after=0)
    await anext(following)
    async with asyncio.timeout(5):
        stopping = asyncio.create_task(store.stop())
        with pytest.raises(Unavailable, match="STOPPING"):
            _ = [response async for response in following]
        await stopping


async def test_more_than_the_queue_holds_is_refused_with_a_time_to_come_back(
    start_store: StartStore,
) -> None:
    gate = asyncio.Event()
    store = await start_store(before_commit=gate.wait, queue_reads=10)
    ingest = await store.log("ingest")
    tasks = [asyncio.create_task(ingest.append("essex", columns(4, at_us=store.clock()))) for _ in range(8)]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    faults = [task.exception() for task in done]
    assert faults
    for fault in faults:
        assert isinstance(fault, Exhausted)
        assert (fault.reason, fault.retry_after) == ("QUEUE_FULL", 0.5)
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_retention_logs_an_outage_of_the_database_once_and_continues_afterwards(
    start_store: StartStore, postgres_server: SharedServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = await start_store(retention_interval_seconds=0.02)
    await (await store.log("ingest")).append("essex", columns(2, at_us=store.clock()))
    superuser = await asyncpg.connect(**postgres_server.postgres.superuser())
    database = await store.pool.fetchval("select current_database()")

    def told(message: str) -> list[str]:
        return [record.levelname for record in caplog.records if record.message == message]

    async def until_told(message: str, times: int) -> None:
        async with asyncio.timeout(30):
            while len(told(message)) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    try:
        await superuser.execute("alter role gantry_store connection limit 0")
        await superuser.fetchval(CUT, database)
        await until_told("retention failed", 1)
        await until_told("news of other replicas failed", 1)
        before = told("retention failed")
        # Retention tries several times in this time.
        await asyncio.sleep(1)
    finally:
        await superuser.execute("alter role gantry_store connection limit -1")
        await superuser.close()
    # While connections are cut one after the other, it may work once more in between.
    assert before[:1] == ["WARNING"]
    assert told("retention failed") == before
    match = await store.log("match")
    await match.report_cursor("essex", "match", 2)
    with caplog.at_level("INFO"):
        store.clock.ahead_us += 9 * US_A_DAY
        await until_told("purged", 1)


async def test_a_bug_in_retention_is_an_error_each_time(
    store: RunningStore, caplog: pytest.LogCaptureFixture
) -> None:
    records, failures = PostgresRetention(store.database.rows, store.pool), asyncio.Semaphore(0)

    async def fail() -> list[str]:
        failures.release()
        raise KeyError("a bug")

    records.forces = fail  # type: ignore[method-assign]
    retention = Retention(records, open_images(f"file://{store.images}"), 7, store.clock)
    running = asyncio.create_task(retention.run(0.01))
    for _ in range(3):
        await asyncio.wait_for(failures.acquire(), 5)
    running.cancel()
    levels = [each.levelname for each in caplog.records if "retention met a bug" in each.message]
    assert levels[:2] == ["ERROR", "ERROR"]


async def test_each_replica_shows_how_far_the_log_reaches(start_store: StartStore) -> None:
    first = await start_store()
    await (await first.log("ingest")).append("essex", columns(7, at_us=first.clock()))
    other = await start_store()
    async with telemetry("test", TelemetrySettings(metrics_listen="127.0.0.1:0")):
        await _until_shown('gantry_store_position{force="essex"} 7.0')
        # The newest commit is shown by those who have not made it, too.
        await (await other.log("ingest")).append("essex", columns(2, at_us=other.clock()))
        await _until_shown('gantry_store_position{force="essex"} 9.0')


async def _until_shown(line: str) -> None:
    async with asyncio.timeout(10):
        while line not in await asyncio.to_thread(_page):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _page() -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port()}/metrics") as answer:
        return str(answer.read().decode())
