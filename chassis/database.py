"""PostgreSQL: a pool that raises Unavailable when it cannot connect, and SQL kept in SQL files."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache, partial
from importlib import resources
from typing import Any, Final, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from chassis import database_tls
from chassis.backoff import Backoff
from chassis.database_faults import (
    DATABASE_TROUBLE,
    database_disk,
    database_fault,
    database_is_back,
    database_unavailable,
)
from chassis.database_server import check_server
from chassis.errors import Exhausted, StartupFailure, Unavailable
from chassis.metrics import Gauge
from chassis.names import MetricName
from chassis.sessions import MOST_IDLE, OF_MIGRATIONS, OF_SERVICES, QUERY_SECONDS, keep_alive
from chassis.settings import DatabaseSettings

START_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 5.0
_FIRST_WAIT: Final = 0.1
_MOST_WAIT: Final = 2.0
_REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)
_finishing: set[asyncio.Task[Any]] = set()
_pool_share: Final = Gauge(MetricName.DATABASE_POOL_SHARE)


@asynccontextmanager
async def open_pool(
    settings: DatabaseSettings,
    *,
    init: Callable[[asyncpg.Connection], Awaitable[None]] | None = None,
) -> AsyncIterator[asyncpg.Pool]:
    """A pool of up to `settings.pool_size` connections, each passed to `init` once.

    Waits up to 30 s for PostgreSQL at the start, then raises StartupFailure. Later, a connection that
    cannot be made raises Unavailable DATABASE_UNAVAILABLE. Its sessions have the limits of
    `chassis.sessions`: a statement lasts 60 s at most, unless `allow_long_statements` says otherwise.
    """

    async def make() -> asyncpg.Pool:
        # A pooler takes no settings at the start of a connection. Then each use of one begins with them.
        pooled = await _is_pooled(settings)
        pool = await asyncpg.create_pool(
            **_arguments(settings, {} if pooled else OF_SERVICES),
            setup=(lambda connection: _limit(connection, OF_SERVICES)) if pooled else None,
            # With a minimum, asyncpg would reconnect on its own, and log each failure, during an outage.
            min_size=0,
            max_size=settings.pool_size,
            command_timeout=QUERY_SECONDS,
            init=init,
            connect=partial(_connect, settings),
        )
        try:
            async with pool.acquire():
                return pool
        except BaseException:
            pool.terminate()
            raise

    database_disk(settings.host)
    pool = await _when_up(settings, make)
    try:
        with _pool_share.observing(lambda: [(_share_of(pool), {})]):
            yield pool
    finally:
        await _close(pool)


@asynccontextmanager
async def connect(settings: DatabaseSettings) -> AsyncIterator[asyncpg.Connection]:
    """One connection without a statement timeout, for migrations; waits like `open_pool`."""

    async def make() -> asyncpg.Connection:
        if not await _is_pooled(settings):
            return await _connect(settings, **_arguments(settings, OF_MIGRATIONS))
        made = await _connect(settings, **_arguments(settings, {}))
        await _limit(made, OF_MIGRATIONS)
        return made

    connection = await _when_up(settings, make)
    try:
        yield connection
    finally:
        await connection.close(timeout=_CLOSE_SECONDS)


@asynccontextmanager
async def in_forces(
    database: asyncpg.Pool | asyncpg.Connection,
    forces: str | Iterable[str],
    *,
    isolation: str | None = None,
    readonly: bool = False,
) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that sees and changes the rows of these forces, and of no others.

    `database` is a pool, or a connection that is in no transaction yet. `isolation` is as asyncpg has it, for
    example "serializable". PostgreSQL ends a transaction that asks nothing for 10 s, with its session.
    """
    async with AsyncExitStack() as opened:
        if isinstance(database, asyncpg.Pool):
            database = await opened.enter_async_context(database.acquire())
        await opened.enter_async_context(database.transaction(isolation=isolation, readonly=readonly))
        await database.execute(statements("chassis").declare_forces, _joined(forces), MOST_IDLE)
        yield database


async def allow_long_statements(connection: asyncpg.Connection, seconds: float) -> None:
    """Let statements last `seconds` until the connection goes back to its pool: for bulk loads.

    The driver's own limit is the `timeout` of each call.
    """
    await connection.execute(statements("chassis").allow_long_statements, f"{round(seconds * 1000)}ms")


async def stop_listening(
    connection: PoolConnectionProxy, channels: Iterable[str], heard: Callable[..., object]
) -> None:
    """Remove a listener before a connection goes back to its pool. Raises nothing on a broken connection."""
    with suppress(*DATABASE_TROUBLE):
        for channel in channels:
            await connection.remove_listener(channel, heard)
    # Fails too when the pool has noticed first.
    with suppress(*DATABASE_TROUBLE):
        if connection.is_closed():
            # The driver removes no listener from a closed connection, and warns of it at the release.
            connection.terminate()


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, and let it finish even when the caller is cancelled, as when a deadline passes.

    For a commit whose outcome must be recorded even when the caller has gone.
    """
    task = asyncio.create_task(work)
    _finishing.add(task)
    task.add_done_callback(_finishing.discard)
    return await asyncio.shield(task)


class Statements(Mapping[str, str]):
    """The statements of a package, by the names of their files: ``s["append_reads"]``, ``s.append_reads``."""

    def __init__(self, package: str, texts: Mapping[str, str]) -> None:
        self._package = package
        self._texts = dict(texts)

    def __getitem__(self, name: str) -> str:
        if name not in self._texts:
            raise KeyError(f"{self._package} has no sql/{name}.sql")
        return self._texts[name]

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"{self._package} has no sql/{name}.sql") from None

    def __iter__(self) -> Any:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


@cache
def statements(package: str) -> Statements:
    """Every ``sql/*.sql`` of `package`, read once. Raises ValueError for a file without a purpose."""
    files = [file for file in (resources.files(package) / "sql").iterdir() if file.name.endswith(".sql")]
    texts = {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in files}
    for name, text in texts.items():
        if not text.startswith("--"):
            raise ValueError(f"{package} sql/{name}.sql should begin with a comment: purpose and parameters")
    return Statements(package, texts)


def _share_of(pool: asyncpg.Pool) -> float:
    return float((pool.get_size() - pool.get_idle_size()) / pool.get_max_size())


def _joined(forces: str | Iterable[str]) -> str:
    codes = [forces] if isinstance(forces, str) else list(forces)
    if any("," in code for code in codes):
        raise ValueError("a force's code has no comma")
    return ",".join(codes)


def _arguments(settings: DatabaseSettings, limits: Mapping[str, str]) -> dict[str, Any]:
    return {
        **_hosts(settings.host),
        "port": settings.port,
        "database": settings.name,
        "user": settings.user,
        "timeout": _CONNECT_SECONDS,
        "server_settings": {"application_name": f"gantry/{settings.user}", **limits},
    }


def _hosts(text: str) -> dict[str, Any]:
    """Several hosts are a primary and its standbys: connections go to the one that is the primary."""
    hosts = text.split(",")
    return {"host": text} if len(hosts) == 1 else {"host": hosts, "target_session_attrs": "primary"}


async def _is_pooled(settings: DatabaseSettings) -> bool:
    """Whether a pooler answers. Raises StartupFailure when the server cannot be used."""
    arguments = _arguments(settings, {})
    try:
        return await check_server(
            lambda: _connect(settings, **arguments, statement_cache_size=0),
            _where(settings),
            statements("chassis").session,
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise database_fault(error) or error from error


async def _limit(connection: asyncpg.Connection | PoolConnectionProxy, limits: Mapping[str, str]) -> None:
    await connection.execute(statements("chassis").limit_session, json.dumps(dict(limits)))


def _where(settings: DatabaseSettings) -> str:
    return f"PostgreSQL at {settings.host}:{settings.port}"


def _secrets(settings: DatabaseSettings) -> dict[str, Any]:
    """Read for each connection: passwords are rotated, and authorities are renewed."""
    file, authority = settings.password_file, settings.authority
    secrets: dict[str, Any] = {"password": file.read_text(encoding="utf-8").strip() if file else None}
    return secrets if authority is None else {**secrets, "ssl": database_tls.verified_by(authority)}


async def _connect(settings: DatabaseSettings, *args: Any, **arguments: Any) -> asyncpg.Connection:
    try:
        connection = await asyncpg.connect(*args, **arguments, **_secrets(settings))
    except (
        OSError,
        TimeoutError,
        StartupFailure,
        asyncpg.exceptions.TargetServerAttributeNotMatched,
    ) as error:
        database_tls.tell(database_tls.tls_refusal(error, _where(settings), settings.authority))
        raise database_unavailable() from error
    except asyncpg.PostgresError as error:
        raise database_fault(error) or error from error
    database_is_back()
    database_tls.tell(None)
    keep_alive(connection)
    return connection


async def _when_up(settings: DatabaseSettings, make: Callable[[], Awaitable[T]]) -> T:
    ends_at = time.monotonic() + START_SECONDS
    backoff = Backoff(_FIRST_WAIT, _MOST_WAIT)
    where = _where(settings)
    while True:
        try:
            return await make()
        except _REFUSED as error:
            raise StartupFailure(
                f"{where} refuses {settings.user} on {settings.name} (sqlstate {error.sqlstate}); "
                "check GANTRY_DATABASE__USER, __NAME and __PASSWORD_FILE."
            ) from error
        except (Unavailable, Exhausted) as fault:
            if refusal := database_tls.tls_refusal(fault.__cause__, where, settings.authority):
                raise StartupFailure(refusal) from fault
            if time.monotonic() > ends_at:
                raise StartupFailure(
                    f"{where} did not answer within {START_SECONDS:g} s; "
                    "start it or correct GANTRY_DATABASE__HOST."
                ) from fault
        _log.info("waiting for the database")
        await asyncio.sleep(backoff.next_wait())


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        _log.warning("closed connections that were still busy")
        pool.terminate()
