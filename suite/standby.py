"""A synchronous standby beside a local PostgreSQL: what is committed is on both disks."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import asyncpg

from chassis.database import statements
from suite.child import run_to_end
from suite.errors import SuiteError
from suite.logfile import last_lines
from suite.postgres import LocalPostgres
from suite.postgres_configuration import SUPERUSER
from suite.postgres_home import give

NAME: Final = "gantry_standby"
_SQL: Final = statements("suite")


class Standby:
    """A copy of a running primary that follows it. `promote` makes it the primary."""

    def __init__(
        self,
        folder: Path,
        primary: LocalPostgres,
        *,
        settings: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        """Nothing is started. The other arguments are those of `LocalPostgres`."""
        follow = f"host='{primary.host}' port='{primary.port}' user='{SUPERUSER}' application_name='{NAME}'"
        self.postgres = LocalPostgres(folder, settings={**settings, "primary_conninfo": follow}, say=say)
        self._primary = primary

    async def start(self) -> None:
        """Copy the primary, follow it, and have its commits wait for this copy. SuiteError when it fails."""
        home = self.postgres.home
        home.make()
        log = home.base / "copy.log"
        draft = home.base / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        where = ("--host", self._primary.host, "--port", str(self._primary.port), "--username", SUPERUSER)
        how = ("--wal-method=stream", "--checkpoint=fast", "--no-password")
        command = (str(home.binaries / "pg_basebackup"), "--pgdata", str(draft), *where, *how)
        if await run_to_end(command, log=log) != 0:
            raise SuiteError(f"the standby could not be copied; the end of {log}:\n{last_lines(log)}")
        (draft / "standby.signal").touch(mode=0o600)
        give_all(draft, home.os_user)
        draft.rename(home.data)
        await self.postgres.start()
        await _execute(self._primary, "wait_for_standby")
        await _execute(self._primary, "reload")

    async def promote(self) -> None:
        """Make it the primary; its commits wait for no other. It returns when it takes writes."""
        if not await _execute(self.postgres, "promote"):
            raise SuiteError("the standby was not promoted in time")
        await _execute(self.postgres, "wait_for_nobody")
        await _execute(self.postgres, "reload")


def give_all(folder: Path, user: str | None) -> None:
    """Make the OS user the owner of everything in a folder that we made."""
    if user is None:
        return
    entry = pwd.getpwnam(user)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place) / name, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    give(folder, user)


async def _execute(postgres: LocalPostgres, statement: str) -> object:
    connection = await asyncpg.connect(**postgres.superuser())
    try:
        return await connection.fetchval(_SQL[statement])
    finally:
        await connection.close()
