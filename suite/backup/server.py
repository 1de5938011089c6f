"""The PostgreSQL that is backed up: how to reach it, and the programs for it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from chassis.database import statements
from chassis.database_tls import tls_refusal, verified_by
from chassis.errors import StartupFailure
from suite.database import DATABASE
from suite.errors import SuiteError
from suite.layout import Layout
from suite.postgres_configuration import SUPERUSER
from suite.postgres_home import find_home

SQL: Final = statements("suite.backup")
_CONNECT_SECONDS: Final = 5.0
_PROGRAM_SECONDS: Final = 30.0
_COPIES: Final = "pg_basebackup"
_PROGRAMS: Final = (_COPIES, "pg_receivewal")
_NOWHERE: Final = "/nonexistent"
_LACKS_TLS: Final = "SSL support is not compiled in"


@dataclass(frozen=True)
class Server:
    """A server that is reached as a superuser, or as a role with REPLICATION and pg_monitor.

    With an `authority`, connections use TLS and verify the server's certificate and name.
    """

    host: str
    port: int
    user: str
    binaries: Path
    password_file: Path | None = None
    database: str = DATABASE
    authority: Path | None = None

    @property
    def where(self) -> str:
        """Its name in messages."""
        return f"PostgreSQL at {self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The environment of PostgreSQL's own programs. A password is never among their arguments."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        password = {} if self.password_file is None else {"PGPASSWORD": self._password()}
        return {
            **kept,
            **password,
            **self._tls(),
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGAPPNAME": "gantry/backup",
        }

    def program(self, name: str) -> str:
        """The path of one of PostgreSQL's programs."""
        return str(self.binaries / name)

    async def require_programs(self) -> None:
        """SuiteError when PostgreSQL's programs are of another version than the server."""
        async with self.connected() as connection:
            major = connection.get_server_version().major
        of_programs = await asyncio.to_thread(_major, self.program(_COPIES))
        if of_programs != major:
            raise SuiteError(
                f"{self.where} is version {major}, and the programs in {self.binaries} are version "
                f"{of_programs}: give --programs FOLDER with those of version {major}, such as "
                f"/usr/lib/postgresql/{major}/bin"
            )

    @asynccontextmanager
    async def connected(self, database: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection. SuiteError when there is none."""
        try:
            connection = await asyncpg.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                database=database or self.database,
                password=None if self.password_file is None else self._password(),
                ssl=None if self.authority is None else verified_by(self.authority),
                timeout=_CONNECT_SECONDS,
                server_settings={"application_name": "gantry/backup"},
            )
        except (OSError, TimeoutError, StartupFailure, asyncpg.PostgresError) as error:
            if refusal := tls_refusal(error, self.where, self.authority):
                raise SuiteError(refusal) from error
            code = getattr(error, "sqlstate", None)
            raise SuiteError(
                f"{self.where} takes no connection of {self.user}" + (f" (sqlstate {code})" if code else "")
            ) from error
        try:
            yield connection
        finally:
            await connection.close(timeout=_CONNECT_SECONDS)

    def _tls(self) -> dict[str, str]:
        if self.authority is None:
            return {}
        return {
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.authority.absolute()),
            # Encryption by Kerberos would come before TLS, and verifies no certificate.
            "PGGSSENCMODE": "disable",
        }

    def _password(self) -> str:
        assert self.password_file is not None, "asked only where there is one"
        return self.password_file.read_text(encoding="utf-8").strip()


def server_of(home: Path) -> Server:
    """The server of the suite of a folder."""
    found = find_home(Layout.of(home).postgres)
    return Server(str(found.sockets), 5432, SUPERUSER, found.binaries)


def server_elsewhere(
    home: Path,
    *,
    host: str,
    port: int,
    user: str,
    password_file: Path | None,
    authority: Path | None,
    programs: Path | None,
) -> Server:
    """A server that is not the suite's own. SuiteError when it cannot be reached safely with the programs.

    `programs` is the folder of PostgreSQL's programs, by default that of the suite.
    """
    if authority is None:
        _require_near(host)
    elif host.startswith("/"):
        raise SuiteError(f"{host} is a socket's folder, where PostgreSQL has no TLS: leave --authority out")
    elif not authority.is_file():
        raise SuiteError(f"--authority {authority}: there is no such file")
    binaries = server_of(home).binaries if programs is None else programs.absolute()
    server = Server(host, port, user, binaries, password_file, authority=authority)
    for name in _PROGRAMS:
        if not Path(server.program(name)).is_file():
            raise SuiteError(f"{binaries} has no {name}: name a folder of PostgreSQL's programs that has it")
    if authority is not None:
        _require_tls(server)
    return server


def _require_near(host: str) -> None:
    """SuiteError for a host across a network: without an authority, anybody there could read all of it."""
    if host.startswith("/") or host == "localhost":
        return
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near:
        raise SuiteError(
            f"{host} is on a network, on which reads must not travel in clear: give --authority FILE with "
            "the certificate of the authority that signed the server's certificate"
        )


def _require_tls(server: Server) -> None:
    """Have pg_basebackup connect to nowhere: it refuses PGSSLMODE first when its libpq has no TLS."""
    tried = subprocess.run(  # noqa: S603 - the program is PostgreSQL's own
        [server.program(_COPIES), "--pgdata=-", "--format=tar", "--wal-method=none", "--no-password"],
        env={**server.environment(), "PGHOST": _NOWHERE, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=_PROGRAM_SECONDS,
    )
    if _LACKS_TLS in tried.stderr:
        raise SuiteError(
            f"the programs in {server.binaries} have no TLS, which --authority requires: give --programs "
            "FOLDER with others of the server's version, such as /usr/lib/postgresql/18/bin of the system"
        )


def _major(program: str) -> int:
    """The major version of one of PostgreSQL's programs. SuiteError when it does not tell."""
    try:
        told = subprocess.run(  # noqa: S603 - the program is PostgreSQL's own
            [program, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_PROGRAM_SECONDS,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SuiteError(f"{program} cannot be run: {type(error).__name__}") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", told)
    if found is None:
        raise SuiteError(f"{program} does not tell its version: name a folder of PostgreSQL's programs")
    return int(found[1])
