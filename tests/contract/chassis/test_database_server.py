"""Which PostgreSQL a service starts on. Skips what is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chassis.database import connect, open_pool
from chassis.errors import StartupFailure
from chassis.settings import DatabaseSettings
from suite.database import runtime_role
from suite.postgres import ConnectArguments
from suite.postgres_configuration import SUPERUSER
from tests.other_postgres import other_postgres, pooler
from tests.postgres_server import SharedServer


async def test_an_older_version_is_refused() -> None:
    with other_postgres(15) as server:
        settings = DatabaseSettings(host="127.0.0.1", port=server["port"], name="postgres", user=SUPERUSER)
        for way_in in (open_pool, connect):
            with pytest.raises(StartupFailure, match="is version 15, and Gantry needs 17 or 18; upgrade it"):
                async with way_in(settings):
                    pass


async def test_a_pooler_in_transaction_mode_is_named(postgres_server: SharedServer, service_database) -> None:
    settings = await service_database("store")
    with _pooled(postgres_server, settings, "transaction") as pooled:
        for way_in in (open_pool, connect):
            with pytest.raises(
                StartupFailure, match=r"is a pooler in transaction mode.*pool_mode to session"
            ):
                async with way_in(pooled):
                    pass


async def test_a_pooler_in_session_mode_works(postgres_server: SharedServer, service_database) -> None:
    settings = await service_database("store")
    with _pooled(postgres_server, settings, "session") as pooled:
        async with open_pool(pooled) as pool:
            assert [await pool.fetchval("select $1::int", number) for number in range(3)] == [0, 1, 2]
            # Each use begins with the limits of our sessions, though a pooler refuses settings at the start.
            assert [await pool.fetchval("show lock_timeout") for _ in range(2)] == ["10s", "10s"]


@contextmanager
def _pooled(server: SharedServer, settings: DatabaseSettings, mode: str) -> Iterator[DatabaseSettings]:
    """The settings for the same database through a PgBouncer."""
    role = runtime_role("store")
    password = server.roles.password_file(role).read_text().strip()
    tcp = ConnectArguments(**{**server.postgres.superuser(), "host": "127.0.0.1"})
    with pooler(tcp, mode, {role: password}) as port:
        yield settings.model_copy(update={"host": "127.0.0.1", "port": port})
