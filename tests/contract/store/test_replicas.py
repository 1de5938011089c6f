"""Two active replicas: followers are served from memory, and one force never waits for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chassis.errors import Fault, OutOfRange, Unavailable
from clients.store import ReadLogClient
from reads.appended import appends_of
from services.store.days import US_A_DAY
from services.store.log.ring import LogEntry
from services.store.replicas.postgres import CHANNEL, ReplicaNews
from tests.contract.store.conftest import RunningStore, StartStore
from tests.contract.store.following import PATIENCE_SECONDS, collect
from tests.contract.store.reads import columns
from tests.postgres_server import SharedServer

FOLLOWERS = 5
COMMITS = 12
LOCK = "select from store.forces where force = $1 for update"

pytestmark = pytest.mark.usefixtures("two_forces")


class CountedReads:
    """Counts how often a replica reads the log in the database."""

    def __init__(self, store: RunningStore) -> None:
        self.calls = 0
        self._read = store.database.log.entries_after
        store.database.log.entries_after = self._counted  # type: ignore[method-assign]

    async def _counted(self, force: str, position: int, most_reads: int) -> Sequence[LogEntry]:
        self.calls += 1
        return await self._read(force, position, most_reads)


async def follow_to(client: ReadLogClient, last: int, caught_up: asyncio.Semaphore) -> list[str]:
    """Read_ids up to a position. Tells when the follower waits for new reads."""
    read_ids: list[str] = []
    following = client.follow("essex", "match", after=0)
    async for response in following:
        caught_up.release()
        read_ids += [read_id for append in appends_of(response) for read_id in append.columns.read_ids]
        if response.position >= last:
            break
    await following.aclose()
    return read_ids


@pytest.mark.parametrize("appending", [1, 2])
async def test_followers_at_each_replica_cost_one_database_read_a_foreign_commit_at_most(
    start_store: StartStore, appending: int
) -> None:
    """One replica appends, or both do: the order is the log's at each, and the database is read rarely."""
    stores = [await start_store(), await start_store()]
    counted = [CountedReads(store) for store in stores]
    caught_up = asyncio.Semaphore(0)
    last = COMMITS * appending * 2
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as work:
        followers = [
            work.create_task(follow_to(await store.log("match"), last, caught_up))
            for store in stores
            for _ in range(FOLLOWERS)
        ]
        for _ in followers:
            await caught_up.acquire()
        doors = [await store.log("ingest") for store in stores[:appending]]
        for _ in range(COMMITS):
            reads = [columns(2, at_us=stores[0].clock()) for _ in doors]
            await asyncio.gather(
                *(door.append("essex", each) for door, each in zip(doors, reads, strict=True))
            )
    assert all(task.result() == followers[0].result() for task in followers)
    assert len(set(followers[0].result())) == last
    foreign = [0 if appending == 1 else COMMITS, COMMITS]
    for each, commits in zip(counted, foreign, strict=True):
        assert each.calls <= commits


async def test_a_lost_notice_is_covered_by_the_poll(
    start_store: StartStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReplicaNews, "committed", lambda *_: None)
    one, other = await start_store(), await start_store()
    match = await other.log("match")
    following = asyncio.create_task(collect(match, "essex", after=0, reads=2))
    await (await one.log("ingest")).append("essex", columns(2, at_us=one.clock()))
    started = time.monotonic()
    assert sum(append.count for append in await following) == 2
    assert time.monotonic() - started < 3


async def test_a_forged_notice_changes_nothing(store: RunningStore, postgres_server: SharedServer) -> None:
    """Any role may notify any channel of its database. What it says is compared with the database."""
    ingest, match = await store.log("ingest"), await store.log("match")
    await ingest.append("essex", columns(2, at_us=store.clock()))
    database = await store.pool.fetchval("select current_database()")
    forger = await asyncpg.connect(**postgres_server.postgres.superuser(database))
    following = match.follow("essex", "match", after=0)
    try:
        for payload in ("x essex=1000000", "x essex", "x", "", "x surrey=5", "x essex=-9 kent=x=y"):
            await forger.execute("select pg_notify($1, $2)", CHANNEL, payload)
        await ingest.append("essex", columns(1, at_us=store.clock()))
        heads, position = set(), 0
        while position < 3:
            response = await anext(following)
            position = response.position
            heads.add(response.head)
        assert heads <= {2, 3}
        with pytest.raises(OutOfRange, match="POSITION_AHEAD"):
            await anext(match.follow("essex", "match", after=4))
    finally:
        await following.aclose()
        await forger.close()


@asynccontextmanager
async def locked(server: SharedServer, store: RunningStore, force: str) -> AsyncIterator[None]:
    """Another transaction holds the row of a force."""
    database = await store.pool.fetchval("select current_database()")
    connection = await asyncpg.connect(**server.postgres.superuser(database))
    try:
        async with connection.transaction():
            await connection.execute(LOCK, force)
            yield
    finally:
        await connection.close()


async def test_a_lock_on_the_row_of_one_force_stops_no_other(
    store: RunningStore, postgres_server: SharedServer
) -> None:
    ingest = await store.log("ingest")
    for force in ("essex", "kent"):
        await ingest.append(force, columns(1, at_us=store.clock()))
    async with locked(postgres_server, store, "essex"):
        started = time.monotonic()
        waiting = asyncio.create_task(ingest.append("essex", columns(1, at_us=store.clock())))
        for _ in range(5):
            await ingest.append("kent", columns(1, at_us=store.clock()))
        assert time.monotonic() - started < 3
        assert not waiting.done()
        # The transaction of the append ends after 5 seconds. The client tries again until its deadline.
        with pytest.raises(Fault, match=r"DATABASE_UNAVAILABLE|DEADLINE_EXCEEDED"):
            await waiting
        assert 4 < time.monotonic() - started < 12
        await ingest.append("kent", columns(1, at_us=store.clock() + US_A_DAY))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await ingest.append("essex", columns(1, at_us=store.clock()))
                break
            except Unavailable:
                await asyncio.sleep(0.02)


async def test_more_forces_than_connections_all_get_their_turn(store: RunningStore) -> None:
    forces = [f"force-{number}" for number in range(25)]
    await store.create(*forces)
    ingest = await store.log("ingest")
    answers = await asyncio.gather(
        *(ingest.append(force, columns(1, at_us=store.clock())) for force in forces for _ in range(3))
    )
    assert sorted(answer.last_position for answer in answers) == sorted([1, 2, 3] * 25)
    assert store.pool.get_size() <= 10
