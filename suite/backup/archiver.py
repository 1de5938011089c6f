"""The archiver: archives WAL and pictures without end, makes base copies, deletes what is too old."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from suite.backup.archive import Archive
from suite.backup.base import Base, bases, make_base
from suite.backup.images import ImageMirror, image_folder
from suite.backup.lsn import position, written
from suite.backup.prune import is_due, prune
from suite.backup.server import SQL, Server
from suite.backup.settings import BackupSettings
from suite.backup.standing import Keeper
from suite.backup.wal import PADDING_BYTES, SLOT, Spool
from suite.child import Child
from suite.errors import SuiteError
from suite.layout import Layout

CYCLE_SECONDS: Final = 1.0
_ARCHIVED_TO: Final = "archived-to"
_FAILED_SECONDS: Final = 2.0
_PRUNE_SECONDS: Final = 600.0
_LARGEST_SPOOL: Final = 1 << 30
_CATCH_UP_SECONDS: Final = 5.0
_COPY_AGAIN_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.02

_log = logging.getLogger(__name__)


@dataclass
class State:
    """What the archiver shows: `complete_to` is the time before which everything is archived."""

    started_at: float
    complete_to: datetime | None = None
    failing: str = ""
    base_ended_at: datetime | None = None
    spool_bytes: int = 0

    @property
    def lag_seconds(self) -> float:
        """For how long commits have waited to be archived."""
        since = self.started_at if self.complete_to is None else self.complete_to.timestamp()
        return max(0.0, time.time() - since)

    @property
    def base_age_seconds(self) -> float:
        """The age of the newest base copy; since the start when there is none."""
        since = self.started_at if self.base_ended_at is None else self.base_ended_at.timestamp()
        return max(0.0, time.time() - since)


def site_id(home: Path) -> str:
    """The id of a site, by which an archive knows who writes to it. It is made at the first call."""
    file = Layout.of(home).folder / "site-id"
    if not file.exists():
        draft = file.with_name("site-id.draft")
        draft.write_text(secrets.token_hex(16) + "\n")
        draft.replace(file)
    return file.read_text().strip()


class Archiver:
    """Archives one site. Only one process may do so at a time."""

    def __init__(self, server: Server, settings: BackupSettings, home: Path, *, images_url: str = "") -> None:
        self._server = server
        self._settings = settings
        self._home = home
        self._keys = settings.keys()
        self._images_url = images_url
        self._images = image_folder(home, images_url)
        self.archive = Archive(settings.archive)
        self.state = State(time.time())
        self._spool = Spool(home / "spool", self.archive)
        self._mirror = (
            ImageMirror(self._images, self.archive, settings.keep_days) if self._images is not None else None
        )
        self._keeper = Keeper(self.archive)
        self._receiver: Child | None = None
        self._wants_base = False
        self._copying: asyncio.Task[Base] | None = None
        self._copy_after = 0.0
        self._opened = False
        self._pruned_at = 0.0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End after one more look: what was committed before is archived."""
        self._stopping.set()

    async def run(self) -> None:
        """Archive until `stop`. While that fails, `state.failing` says why, and it is tried again."""
        try:
            while not self._stopping.is_set():
                wait = await self._looked()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait)
            await self._looked()
        finally:
            if self._copying is not None:
                self._copying.cancel()
                await asyncio.wait([self._copying])
            await self._end_receiver()

    def _open(self) -> None:
        """See what is archived already. An archive that nobody writes to becomes this site's."""
        # A site whose PostgreSQL others run has a folder for the archiver alone.
        Layout.of(self._home).logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        mine, theirs = site_id(self._home), self.archive.writer()
        if not theirs:
            self._require_new()
            self.archive.make()
            self.archive.claim(mine)
        self.archive.make()
        if theirs in {"", mine}:
            (self._home / _ARCHIVED_TO).write_text(f"{self.archive.folder}\n")
        if self._mirror is not None:
            self._mirror.open()
        self._spool.open()
        self._note_bases()
        self._opened = True

    def _require_new(self) -> None:
        """An empty folder where our archive was is a disk that is not mounted. Nothing may go below it."""
        known = self._home / _ARCHIVED_TO
        if known.exists() and known.read_text().strip() == str(self.archive.folder):
            raise SuiteError(
                f"{self.archive.folder} holds no archive any more: mount it. To begin a new one there, "
                f"delete {known}"
            )

    async def _require_ours(self) -> None:
        self.archive.require()
        if self.archive.writer() != site_id(self._home):
            await self._end_receiver()
            raise SuiteError(
                f"another site writes to the archive {self.archive.folder}: name another folder. "
                "If this site replaces that one, `gantry backup take-over` says so"
            )

    async def _looked(self) -> float:
        """One look, which never ends the process. Returns the seconds to wait for the next."""
        try:
            await self.look()
        except (SuiteError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._tell_failing(error)
            return _FAILED_SECONDS
        if self.state.failing:
            _log.info("archives again")
            self.state.failing = ""
        return CYCLE_SECONDS

    async def look(self) -> None:
        """Archive what has come since the last look, and do what is due."""
        if not self._opened:
            await asyncio.to_thread(self._open)
        await self._require_ours()
        await self._receiving()
        reach = await self._caught_up()
        # Pictures are durable before the reads that name them are committed, so they come first.
        if self._mirror is not None:
            await asyncio.to_thread(self._mirror.mirror, self._keys)
        async with self._server.connected() as connection:
            await self._keeper.keep(connection, self._keys)
        await asyncio.to_thread(self._spool.ship, self._keys)
        self.state.spool_bytes = self._spool.size()
        if self._spool.reached >= reach.lsn - PADDING_BYTES:
            self._note_reach(reach)
        await self._make_base_if_due(reach.timeline)
        await self._prune_if_due()

    def _note_reach(self, reach: _Reach) -> None:
        self.state.complete_to = reach.at
        self.archive.note(
            "reach.json",
            {
                "complete_to": reach.at.isoformat(),
                "lsn": written(self._spool.reached),
                "timeline": self._spool.timeline,
            },
        )

    async def _receiving(self) -> None:
        """Have pg_receivewal run, unless the spool is full because the archive takes nothing."""
        if self._spool.size() > _LARGEST_SPOOL:
            await self._end_receiver()
        elif self._receiver is None or self._receiver.exit_code is not None:
            await self._server.require_programs()
            await self._require_slot()
            self._receiver = Child(
                (
                    self._server.program("pg_receivewal"),
                    *("--directory", str(self._spool.folder)),
                    *("--slot", SLOT, "--no-loop", "--no-password", "--status-interval", "1"),
                ),
                log=Layout.of(self._home).logs / "pg_receivewal.log",
                environment=self._server.environment(),
            )

    async def _require_slot(self) -> None:
        """Have PostgreSQL keep the WAL that is not archived. A slot that lost some is made again."""
        async with self._server.connected() as connection:
            keeps = await connection.fetchval(SQL.slot, SLOT)
            if keeps is False:
                await connection.execute(SQL.drop_slot, SLOT)
                self._gap("PostgreSQL has removed WAL that was not archived")
            if not keeps:
                await connection.execute(SQL.make_slot, SLOT)
            growing = self._spool.growing()
            if growing is not None and not await connection.fetchval(SQL.has_segment, growing.name):
                # pg_receivewal would ask for it again and again.
                await asyncio.to_thread(self._spool.ship, self._keys)
                self._spool.forget_growing()
                self._gap("PostgreSQL no longer has the log where the archive ends")

    async def _caught_up(self) -> _Reach:
        """A time and its position in the log; returns when the spool has it, or after some seconds."""
        async with self._server.connected() as connection:
            beat = await connection.fetchrow(SQL.heartbeat)
            mark = await connection.fetchrow(SQL.marked)
        reach = _Reach(beat["at"], position(mark["lsn"]), mark["timeline"])
        wanted, deadline = reach.lsn - PADDING_BYTES, time.monotonic() + _CATCH_UP_SECONDS
        while self._spool.written() < wanted and time.monotonic() < deadline:  # noqa: ASYNC110 - files tell
            await asyncio.sleep(_POLL_SECONDS)
        return reach

    async def _make_base_if_due(self, timeline: int) -> None:
        """Begin a base copy when one is due. It is made beside the archiving of WAL, which goes on."""
        if (gap := self._spool.gap) is not None:
            self._spool.gap = None
            self._gap(f"the archived WAL lacks {gap.name}")
        if self._copying is not None:
            if not self._copying.done():
                return
            copied, self._copying = self._copying, None
            self._copy_after = time.monotonic() + _COPY_AGAIN_SECONDS
            self._told_base(copied.result())
        if time.monotonic() < self._copy_after:
            return
        found = await asyncio.to_thread(self._note_bases)
        if self._wants_base or is_due(found, self._settings.hours, timeline):
            self._wants_base = False
            self._copying = asyncio.create_task(self._base(), name="base copy")

    async def _base(self) -> Base:
        return await make_base(
            self._server, self.archive, self._keys, home=self._home, images_url=self._bucket
        )

    def _told_base(self, base: Base) -> None:
        _log.info("base copy made", extra={"base": base.name, "bytes": base.size})
        self._pruned_at = 0.0
        self._note_bases()

    async def _prune_if_due(self) -> None:
        if time.monotonic() - self._pruned_at < _PRUNE_SECONDS and self._pruned_at:
            return
        self._pruned_at = time.monotonic()
        done = await asyncio.to_thread(prune, self.archive, self._settings.keep_days, self._images)
        if done.bases or done.segments or done.objects:
            _log.info(
                "pruned",
                extra={"bases": len(done.bases), "segments": done.segments, "objects": done.objects},
            )

    @property
    def _bucket(self) -> str:
        return self._images_url if self._images is None else ""

    def _gap(self, why: str) -> None:
        _log.error("a base copy is made, because %s", why)
        self._wants_base = True

    def _note_bases(self) -> list[Base]:
        """All base copies, also those of `gantry backup create`; the state shows the newest."""
        found = bases(self.archive)
        self.state.base_ended_at = found[-1].ended_at if found else None
        return found

    def _tell_failing(self, error: Exception) -> None:
        code = getattr(error, "sqlstate", None)
        said = str(error) if isinstance(error, SuiteError) else f"{type(error).__name__} {code or ''}".strip()
        if said != self.state.failing:
            _log.error("nothing is archived at present", extra={"said": said})
        self.state.failing = said

    async def _end_receiver(self) -> None:
        if self._receiver is not None:
            await self._receiver.stop(())
            self._receiver = None


@dataclass(frozen=True)
class _Reach:
    at: datetime
    lsn: int
    timeline: int
