"""A PostgreSQL server on this machine: its cluster is made once, and it is restarted when it dies."""

import asyncio
import contextlib
import logging
import os
import pwd
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from ssl import SSLContext
from typing import NotRequired, TypedDict

import psutil

from suite.child import Child, run_to_end
from suite.disk import ended_for_want_of_room, full_sentence, is_for_want_of_room, is_full
from suite.errors import SuiteError
from suite.lock import FolderLock
from suite.logfile import last_lines, lines_from, rotate
from suite.ports import HeldPorts
from suite.postgres_configuration import SUPERUSER, access_rules, configuration, superuser_names
from suite.postgres_home import PostgresHome, find_home, give
from suite.recovery import end_of_wal, own_recovery, starting_sentence
from suite.restarts import RestartPolicy

_log = logging.getLogger(__name__)
_MAJOR_VERSION = "18"
_START_SECONDS = 300.0  # without any progress in its log
_TELL_SECONDS = 1.0
_FULL_SECONDS = 2.0  # between attempts while its disk is full
_STRAGGLER_SECONDS = 60.0  # sessions of a killed server hold its shared memory until they notice
_POLL_SECONDS = 0.02
_FAST_STOP = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))
_IMMEDIATE_STOP = ((signal.SIGQUIT, 10.0),)


class ConnectArguments(TypedDict):
    """Keyword arguments of `asyncpg.connect`; for a local server `host` is the socket folder."""

    host: str
    port: int
    user: str
    database: str
    password: NotRequired[str]
    ssl: NotRequired[SSLContext]
    timeout: NotRequired[float]


class LocalPostgres:
    """One cluster in one folder. It needs no event loop. Start it from the main thread."""

    def __init__(
        self,
        folder: Path,
        *,
        listen_tcp: bool = False,
        port: int | None = None,
        os_user: str | None = None,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = _log.info,
        run: Path | None = None,
    ) -> None:
        """Choose the folders. Nothing is started.

        `listen_tcp` adds 127.0.0.1 on `port` (None: a free one at each start); `settings` override
        postgresql.conf; `os_user` is who runs it when we are root; in `run` it leaves its process id, and a
        file that is there while it takes connections. SuiteError when the binaries or that user are missing.
        """
        self.home: PostgresHome = find_home(folder, os_user)
        self.port = port or 5432
        self._listen_tcp = listen_tcp
        self._fixed_port = port
        self._ports = HeldPorts()
        self._settings = dict(settings or {})
        self._say = say
        self._lock = FolderLock(self.home.base / "lock")
        self._child: Child | None = None
        self._stopping = False
        self._restarts = RestartPolicy()
        self._crashed_on_purpose = False
        self._log_begins = 0
        self._serves = False
        self._run = run
        if self.home.base != folder.resolve():
            say(f"PostgreSQL's data is in {self.home.base}, because its OS user cannot reach {folder}")

    @property
    def host(self) -> str:
        """The socket folder: what a client on this machine gives as host."""
        return str(self.home.sockets)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, or None while it is down."""
        return self._child.pid if self._child is not None and self._child.exit_code is None else None

    def superuser(self, database: str = "postgres") -> ConnectArguments:
        """Arguments to connect as the superuser: over the socket, as our own OS user."""
        return ConnectArguments(host=self.host, port=self.port, user=SUPERUSER, database=database)

    async def start(self) -> None:
        """Make the cluster if it is new, recover it if it crashed, and return when it takes connections.

        SuiteError with the last log lines when it cannot.
        """
        self._stopping = False
        self.home.make()
        self._lock.take()
        try:
            await self._end_orphan()
            if not (self.home.data / "PG_VERSION").exists():
                await self._initialise()
            self._check_version()
            await self._configure()
            await self._launch()
        except BaseException as error:
            await self.stop(immediately=True)
            if is_for_want_of_room(error):
                raise SuiteError(
                    f"PostgreSQL cannot start, because {full_sentence(self.home.base)}"
                ) from error
            raise

    async def stop(self, *, immediately: bool = False) -> None:
        """End it with a checkpoint, or `immediately` without one (then the next start recovers)."""
        self._stopping = True
        if self._child is not None:
            await self._child.stop(_IMMEDIATE_STOP if immediately else _FAST_STOP)
        self._child = None
        self._mark(None, serves=False)
        self._ports.release()
        self._lock.release()

    def end_now(self) -> None:
        """Ask it to end without a checkpoint; `stop` still has to be called."""
        self._stopping = True
        if self._child is not None:
            self._child.send(signal.SIGQUIT)

    async def lose(self) -> None:
        """SIGKILL it and its sessions without a restart, and delete its data: as when a machine is lost."""
        self._stopping = True
        if self._child is not None:
            sessions = psutil.Process(self._child.pid).children(recursive=True)
            for process in (self._child.pid, *(session.pid for session in sessions)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            await self._child.exited()
        self.home.erase()

    async def crash(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the postmaster a signal that ends it, and wait for its end. It is restarted.

        SIGINT is a fast shutdown and SIGQUIT an immediate one. The restart policy does not count this death.
        """
        if self._child is not None:
            self._crashed_on_purpose = True
            self._child.send(number)
            await self._child.exited()

    async def supervise(self) -> None:
        """Restart it whenever it dies, until `stop`; while its disk is full, for as long as that takes.

        SuiteError when it keeps dying for another reason.
        """
        while self._child is not None and not self._stopping:
            await self._ended(self._child)
            self._serves = False
            if not self._stopping:
                await self._bring_back()

    async def _ended(self, child: Child) -> None:
        """Wait for the server's end, and tell meanwhile of a recovery that it does by itself."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.exited(), _TELL_SECONDS)
                return
            self._tell_of_own_recovery(child.pid)

    def _tell_of_own_recovery(self, pid: int) -> None:
        log = own_recovery(self._written())
        if log:
            self._mark(pid, serves=False)
            self._say(starting_sentence(log, end_of_wal(self.home.data / "pg_wal")))
        elif not self._serves:
            self._mark(pid, serves=True)
            self._say("PostgreSQL serves again")

    def trouble(self) -> str:
        """Why it is down, when it is: a sentence for people. Empty while it runs."""
        if self._stopping or (self._serves and self.pid is not None):
            return ""
        return full_sentence(self.home.data) if self._lacks_space() else "PostgreSQL is being started again"

    def _mark(self, pid: int | None, *, serves: bool) -> None:
        """Write down for others whether it runs and whether it takes connections."""
        self._serves = serves
        if self._run is None:
            return
        with contextlib.suppress(OSError):
            _write_or_remove(self._run / "postgres.pid", None if pid is None else f"{pid}\n")
            _write_or_remove(self._run / "postgres.json", "{}\n" if serves else None)

    async def _bring_back(self) -> None:
        if self._lacks_space():
            self._say(
                f"PostgreSQL stopped, because {full_sentence(self.home.data)}; it starts by itself then"
            )
            await asyncio.sleep(_FULL_SECONDS)
        else:
            delay = 0.0 if self._crashed_on_purpose else self._restarts.delay()
            if delay is None:
                raise SuiteError(self._explained("PostgreSQL keeps dying"))
            self._say("PostgreSQL died and is being started again")
            await asyncio.sleep(delay)
        self._crashed_on_purpose = False
        begun = time.monotonic()
        try:
            await self._launch()
        except SuiteError:
            if not self._lacks_space():
                raise
        if self._serves:
            self._say(f"PostgreSQL serves again, {time.monotonic() - begun:.0f} s after its start")

    def _lacks_space(self) -> bool:
        """Whether the server ended for want of room, or would do so again."""
        return is_full(self.home.data) or ended_for_want_of_room(self._written())

    def _written(self) -> str:
        """The log since the last start."""
        return lines_from(self.home.log, self._log_begins)

    async def erase(self) -> None:
        """Delete the cluster. A server that a killed suite left behind is stopped first.

        SuiteError when another process runs it.
        """
        if self.home.base.exists():
            self._lock.take()
            await self._end_orphan()
            self.home.erase()
            self._lock.release()

    async def _initialise(self) -> None:
        """Make the cluster in a draft folder, then rename that, so that a failure leaves no half cluster."""
        draft = self.home.base / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        give(draft, self.home.os_user)
        log = self.home.base / "initdb.log"
        options = ("--username", SUPERUSER, "--encoding", "UTF8", "--locale-provider", "builtin")
        locale = (
            "--builtin-locale",
            "C.UTF-8",
            "--locale",
            "C",
            "--auth-local",
            "peer",
            "--auth-host",
            "scram-sha-256",
        )
        command = (self._binary("initdb"), "-D", str(draft), *options, *locale)
        if await run_to_end(command, log=log, folder=draft, user=self.home.os_user) != 0:
            raise SuiteError(
                f"PostgreSQL's data folder could not be made in {self.home.base}:\n{last_lines(log)}"
            )
        draft.rename(self.home.data)

    def _check_version(self) -> None:
        version = (self.home.data / "PG_VERSION").read_text().strip()
        if version != _MAJOR_VERSION:
            raise SuiteError(
                f"{self.home.data} was made by PostgreSQL {version} and ours is {_MAJOR_VERSION}: "
                "move the data with pg_dump, or choose another folder"
            )

    async def _configure(self) -> None:
        if self._listen_tcp and self._fixed_port is None:
            self.port = self._ports.another()
        text = configuration(
            sockets=self.home.sockets,
            port=self.port,
            listen="127.0.0.1" if self._listen_tcp else "",
            lz4=await self._has_lz4(),
            overrides=self._settings,
        )
        me = pwd.getpwuid(os.geteuid()).pw_name
        self._write("postgresql.conf", text)
        self._write("pg_hba.conf", access_rules())
        self._write("pg_ident.conf", superuser_names({me, self.home.os_user or me}))

    def _write(self, name: str, text: str) -> None:
        target = self.home.data / name
        draft = target.with_name(f"{name}.draft")
        draft.write_text(text)
        give(draft, self.home.os_user)
        draft.replace(target)

    async def _has_lz4(self) -> bool:
        probe = ("-D", str(self.home.data), "-c", "config_file=/dev/null", "-c", "wal_compression=lz4")
        command = (self._binary("postgres"), *probe, "-C", "wal_compression")
        nowhere = Path(os.devnull)
        return await run_to_end(command, log=nowhere, folder=self.home.data, user=self.home.os_user) == 0

    async def _launch(self) -> None:
        """Start the server. It is tried again while sessions of a killed server hold its memory."""
        rotate(self.home.log)
        self._log_begins = self.home.log.stat().st_size if self.home.log.exists() else 0
        stragglers_until = time.monotonic() + _STRAGGLER_SECONDS
        recovering = (self.home.data / "postmaster.pid").exists()
        while not self._stopping:
            self._child = Child(
                (self._binary("postgres"), "-D", str(self.home.data)),
                log=self.home.log,
                folder=self.home.data,
                user=self.home.os_user,
                death_signal=signal.SIGINT,
            )
            self._mark(self._child.pid, serves=False)
            if await self._ready(self._child):
                self._mark(self._child.pid, serves=True)
                return
            if self._stopping:
                return
            if not recovering or self._lacks_space() or time.monotonic() > stragglers_until:
                raise SuiteError(self._explained("PostgreSQL did not start"))
            await asyncio.sleep(_POLL_SECONDS * 5)

    async def _ready(self, child: Child) -> bool:
        """Wait until the server's pid file says that it is ready. False when the server ended."""
        begun = time.monotonic()
        told, told_at, moved_at = "", begun, begun
        while child.exit_code is None:
            if self._status_of(child.pid) == "ready":
                return True
            now = time.monotonic()
            if now - told_at >= _TELL_SECONDS:
                told_at, before = now, told
                told = starting_sentence(self._written(), end_of_wal(self.home.data / "pg_wal"))
                if told != before:
                    moved_at = now
                    self._say(told)
            if now - moved_at > _START_SECONDS:
                raise SuiteError(self._explained(f"PostgreSQL made no progress in {_START_SECONDS:.0f} s"))
            await asyncio.sleep(_POLL_SECONDS)
        return False

    def _status_of(self, pid: int) -> str:
        lines = self._pid_file()
        return lines[7].strip() if len(lines) > 7 and lines[0] == str(pid) else ""

    def _pid_file(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.home.data / "postmaster.pid").read_text().splitlines()
        return []

    async def _end_orphan(self) -> None:
        """Stop a server that a killed suite left behind. We hold the lock, so no other suite uses it."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return
        pid = int(lines[0])
        if not _runs_with(pid, str(self.home.data)):
            (self.home.data / "postmaster.pid").unlink()  # another process may have its number by now
            return
        self._say("PostgreSQL of an earlier run is still there and is being stopped")
        for number, patience in (*_FAST_STOP, (signal.SIGKILL, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if await _gone(pid, str(self.home.data), patience):
                return
        raise SuiteError(f"the PostgreSQL of an earlier run (process {pid}) does not end: stop it by hand")

    def _binary(self, name: str) -> str:
        return str(self.home.binaries / name)

    def _explained(self, sentence: str) -> str:
        if self._lacks_space():
            sentence = f"{sentence}, because {full_sentence(self.home.data)}"
        return f"{sentence}; the end of {self.home.log}:\n{last_lines(self.home.log)}"


def _write_or_remove(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(text)


def _runs_with(pid: int, argument: str) -> bool:
    """Whether the process lives and has this among its arguments."""
    try:
        return argument in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False


async def _gone(pid: int, argument: str, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while _runs_with(pid, argument):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
