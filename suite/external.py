"""Prepares a PostgreSQL that others run: reached by TCP, with passwords that are in files."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from chassis.backoff import Backoff
from chassis.database import statements
from chassis.database_server import check_version
from chassis.database_tls import tls_refusal, verified_by
from suite.database import (
    SERVICES,
    owner_role,
    prepare_database,
    runtime_role,
    scram_verifier,
)
from suite.errors import SuiteError
from suite.postgres import ConnectArguments

_CONNECT_SECONDS: Final = 5.0
_FIRST_WAIT: Final = 0.2
_MOST_WAIT: Final = 2.0
_AWAY: Final = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # The driver raises it for a connection that has been closed.
    asyncpg.InterfaceError,
)


class PasswordFiles:
    """Passwords that others chose: the file ``ROLE.password`` of a folder for each role."""

    def __init__(self, folder: Path, services: Sequence[str] = SERVICES) -> None:
        """Read all files. SuiteError names the missing ones, and one with an unusable password."""
        roles = [role(service) for service in services for role in (runtime_role, owner_role)]
        files = {role: folder / f"{role}.password" for role in roles}
        if missing := [file.name for file in files.values() if not file.is_file()]:
            raise SuiteError(f"{folder} has no {', '.join(missing)}: put the passwords of these roles there")
        self._passwords = {role: secret_in(file) for role, file in files.items()}

    @property
    def roles(self) -> list[str]:
        """The roles that have a file."""
        return list(self._passwords)

    def due(self, role: str, *, exists: bool) -> str | None:  # noqa: ARG002 - the file decides in both cases
        """The password of the file, also for a role that exists: so passwords are rotated."""
        return self._passwords[role]


@dataclass(frozen=True)
class ExternalPostgres:
    """Where the server is, and as whom to prepare it. `authority` makes TLS necessary and verifies it."""

    host: str
    port: int
    user: str
    password: str
    authority: Path | None = None

    @property
    def where(self) -> str:
        """Its name in messages."""
        return f"PostgreSQL at {self.host}:{self.port}"

    def superuser(self, database: str = "postgres") -> ConnectArguments:
        """Arguments to connect to a database. StartupFailure when the authority cannot be read."""
        arguments = ConnectArguments(
            host=self.host,
            port=self.port,
            user=self.user,
            database=database,
            password=self.password,
            timeout=_CONNECT_SECONDS,
        )
        if self.authority is not None:
            arguments["ssl"] = verified_by(self.authority)
        return arguments


async def prepare_external(
    server: ExternalPostgres, passwords: PasswordFiles, *, database: str, sessions: int, wait: float
) -> list[str]:
    """Wait up to `wait` seconds for the server, then prepare it as `prepare_database` does.

    SuiteError or StartupFailure with a sentence when that is impossible.
    """
    await _wait_for(server, wait)
    try:
        return await prepare_database(server.superuser, passwords, database=database, sessions=sessions)
    except _AWAY as error:
        raise SuiteError(
            f"{server.where} went away in the middle ({_told(error)}): run this again when it is back"
        ) from error
    except asyncpg.PostgresError as error:
        raise SuiteError(
            f"{server.where} refuses a step ({type(error).__name__}, sqlstate {error.sqlstate})"
        ) from error


def secret_in(file: Path) -> str:
    """The text of a secret's file, without spaces and line breaks around it.

    OSError when the file cannot be read, SuiteError when no password can be like that.
    """
    try:
        secret = file.read_text(encoding="utf-8").strip()
        scram_verifier(secret, bytes(16))
    except ValueError as error:
        raise SuiteError(f"{file} holds letters that are not printable ASCII: use others") from error
    if not secret:
        raise SuiteError(f"{file} is empty: put the secret there")
    return secret


@asynccontextmanager
async def connected_to(server: ExternalPostgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to a database of a primary server. SuiteError when there is none."""
    await _wait_for(server, _CONNECT_SECONDS)
    try:
        connection = await asyncpg.connect(**server.superuser(database))
    except asyncpg.InvalidCatalogNameError as error:
        raise SuiteError(f"{server.where} has no database {database}: correct --database") from error
    try:
        yield connection
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


async def _wait_for(server: ExternalPostgres, wait: float) -> None:
    ends_at, backoff = time.monotonic() + wait, Backoff(_FIRST_WAIT, _MOST_WAIT)
    while True:
        try:
            return await _look_at(server)
        except _AWAY as error:
            if refusal := tls_refusal(error, server.where, server.authority):
                raise SuiteError(refusal) from error
            if time.monotonic() > ends_at:
                raise SuiteError(
                    f"{server.where} did not answer within {wait:g} s ({_told(error)}): start it, or correct "
                    "--host and --port"
                ) from error
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise SuiteError(_refused(server, error)) from error
        await asyncio.sleep(backoff.next_wait())


async def _look_at(server: ExternalPostgres) -> None:
    connection = await asyncpg.connect(**server.superuser())
    try:
        check_version(connection, server.where, "--host")
        if await connection.fetchval(statements("suite").is_replica):
            raise SuiteError(
                f"{server.where} is a replica, which takes no changes: name the primary in --host"
            )
    finally:
        await connection.close()


def _refused(server: ExternalPostgres, error: asyncpg.PostgresError) -> str:
    if isinstance(error, asyncpg.InvalidPasswordError):
        return (
            f"{server.where} refuses the password of {server.user}: correct --user-file and --password-file"
        )
    return (
        f"{server.where} refuses {server.user} from here (sqlstate {error.sqlstate}): correct --user-file, "
        "or let this address in by its pg_hba.conf"
    )


def _told(error: BaseException) -> str:
    """The kind of an error, whose text may quote what we sent."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
