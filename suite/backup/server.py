"""The PostgreSQL that is backed up: how to reach it, and the programs for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from chassis.database import statements
from suite.database import DATABASE
from suite.errors import SuiteError
from suite.layout import Layout
from suite.postgres_configuration import SUPERUSER
from suite.postgres_home import find_home

SQL: Final = statements("suite.backup")
_CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Server:
    """A server that is reached as a superuser, or as a role with REPLICATION and pg_monitor."""

    host: str
    port: int
    user: str
    binaries: Path
    password_file: Path | None = None
    database: str = DATABASE

    def environment(self) -> dict[str, str]:
        """The environment of PostgreSQL's own programs. A password is never among their arguments."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        password = {} if self.password_file is None else {"PGPASSWORD": self._password()}
        return {
            **kept,
            **password,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGAPPNAME": "gantry/backup",
        }

    def program(self, name: str) -> str:
        """The path of one of PostgreSQL's programs."""
        return str(self.binaries / name)

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
                timeout=_CONNECT_SECONDS,
                server_settings={"application_name": "gantry/backup"},
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            code = getattr(error, "sqlstate", None)
            raise SuiteError(
                f"PostgreSQL at {self.host}:{self.port} takes no connection of {self.user}"
                + (f" (sqlstate {code})" if code else "")
            ) from error
        try:
            yield connection
        finally:
            await connection.close(timeout=_CONNECT_SECONDS)

    def _password(self) -> str:
        assert self.password_file is not None, "asked only where there is one"
        return self.password_file.read_text(encoding="utf-8").strip()


def server_of(home: Path) -> Server:
    """The server of the suite of a folder."""
    found = find_home(Layout.of(home).postgres)
    return Server(str(found.sockets), 5432, SUPERUSER, found.binaries)
