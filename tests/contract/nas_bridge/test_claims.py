"""One forwarder runs once, over all processes, and another takes over when it is gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing

import asyncpg
import pytest

from chassis.database import open_pool
from chassis.settings import DatabaseSettings
from services.nas_bridge.claims import PostgresClaims
from services.nas_bridge.postgres import PostgresRecords
from services.nas_bridge.records import ClaimLostError, Route

NAS, NADC = Route("essex", "nas"), Route("essex", "nadc")


class Replicas:
    """Two bridges' claims on one database."""

    def __init__(self, database: DatabaseSettings, opened: AsyncExitStack) -> None:
        self.database = database
        self.opened = opened

    async def claims(self) -> PostgresClaims:
        pool = await self.opened.enter_async_context(open_pool(self.database))
        await PostgresRecords(pool).register([NAS, NADC])
        return await self.opened.enter_async_context(aclosing(PostgresClaims(pool)))

    async def cut_locks(self) -> None:
        """End the connections that hold advisory locks, as a failover would."""
        connection = await asyncpg.connect(
            host=self.database.host,
            port=self.database.port,
            user=self.database.user,
            database=self.database.name,
            password=str(self.database.password_file and self.database.password_file.read_text().strip()),
        )
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database ="
            " (select oid from pg_database where datname = current_database())"
        )
        await connection.close()


@pytest.fixture
async def replicas(
    service_database: Callable[[str], Awaitable[DatabaseSettings]],
) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as opened:
        yield Replicas(await service_database("nas_bridge"), opened)


async def test_another_replica_waits_for_its_turn(replicas: Replicas) -> None:
    first, second = await replicas.claims(), await replicas.claims()
    async with first.hold(NAS) as held:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), second.hold(NAS):
                pass
        async with second.hold(NADC):
            await held.move_cursor(0, 5, 5)
    async with asyncio.timeout(10), second.hold(NAS) as taken_over:
        assert taken_over.position == 5


async def test_a_holder_whose_connection_dies_is_told_and_fenced_off(replicas: Replicas) -> None:
    first, second = await replicas.claims(), await replicas.claims()
    beating = asyncio.create_task(first.beat_forever())
    async with first.hold(NAS) as held:
        await replicas.cut_locks()
        async with asyncio.timeout(10):
            await held.lost()
            async with second.hold(NAS) as taken_over:
                with pytest.raises(ClaimLostError):
                    await held.move_cursor(0, 5, 5)
                await taken_over.move_cursor(0, 6, 6)
    async with asyncio.timeout(10), first.hold(NAS) as again:
        assert again.position == 6
    beating.cancel()


async def test_claims_can_be_made_again_after_giving_them_back(replicas: Replicas) -> None:
    claims = await replicas.claims()
    for _ in range(3):
        async with asyncio.timeout(5), claims.hold(NAS), claims.hold(NADC):
            pass
