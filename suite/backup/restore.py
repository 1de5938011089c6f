"""Restores a site from an archive into an empty folder: the newest state, or the state of a time."""

from __future__ import annotations

import asyncio
import io
import json
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import pyrage

from suite.backup.archive import Archive
from suite.backup.base import DATA, SITE, Base, file_of
from suite.backup.copy import check_log, unpack
from suite.backup.images import archived_images, made_at
from suite.backup.lsn import Segment, number_at
from suite.backup.reach import Chain, chosen, complete_to
from suite.backup.site import unpack_site
from suite.backup.standing import Replayed, close_restored, newest_standing
from suite.backup.wal import archived, segment_file
from suite.database import DATABASE
from suite.errors import SuiteError
from suite.layout import RESTORED, RESTORING, Layout
from suite.lock import FolderLock
from suite.postgres import LocalPostgres
from suite.postgres_home import make_passable_folder
from suite.standby import give_all

_WAL: Final = "wal-to-replay"
_LOOKS: Final = 20
_FORM: Final = "%Y-%m-%d %H:%M:%S.%f+00"


@dataclass(frozen=True)
class Wish:
    """From which archive, with which identities, into which folder, as of when (None: the newest state)."""

    archive: Path
    identities: Sequence[pyrage.x25519.Identity]
    home: Path
    at: datetime | None = None


@dataclass(frozen=True)
class Restored:
    """What was restored. `complete_to`: everything committed before is there, unless it is after `at`."""

    base: Base
    at: datetime | None
    complete_to: datetime | None
    objects: int
    replayed: Replayed
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For reports."""
        return {
            "base": self.base.name,
            "at": None if self.at is None else self.at.isoformat(),
            "complete_to": None if self.complete_to is None else self.complete_to.isoformat(),
            "image_objects": self.objects,
            "replayed": self.replayed.as_json(),
            "seconds": round(self.seconds, 1),
        }


async def restore(wish: Wish, say: Callable[[str], None]) -> Restored:
    """Restore. SuiteError with a sentence when that is not possible; repeating begins anew.

    Until it is done, `gantry up` refuses the folder.
    """
    begun = time.monotonic()
    archive = Archive(wish.archive)
    archive.require()
    chain = await asyncio.to_thread(chosen, archive, wish.identities, wish.at)
    layout = Layout.of(wish.home)
    await _empty(layout)
    lock = FolderLock(layout.lock)
    lock.take()
    try:
        restored = await _Restore(wish, archive, chain, layout, say).run(begun)
    finally:
        lock.release()
    _note(layout.folder / RESTORED, {**restored.as_json(), "archive": str(wish.archive.absolute())})
    (layout.folder / RESTORING).unlink()
    return restored


class _Restore:
    """One restore into a folder that is ours and empty."""

    def __init__(
        self, wish: Wish, archive: Archive, chain: Chain, layout: Layout, say: Callable[[str], None]
    ) -> None:
        self._wish = wish
        self._archive = archive
        self._base = chain.base
        self._layout = layout
        self._say = say
        self._found = archived(archive)

    async def run(self, begun: float) -> Restored:
        found = LocalPostgres(self._layout.postgres, say=self._say).home
        found.make()
        wal = found.base / _WAL
        await asyncio.to_thread(self._unpack, found.data, found.binaries, found.os_user)
        await asyncio.to_thread(self._fetch_wal, wal, found.os_user)
        self._say("decrypting the pictures")
        objects = await asyncio.to_thread(self._images)
        replayed = await self._replay_log(wal)
        shutil.rmtree(wal)
        return Restored(
            self._base,
            self._wish.at,
            complete_to(self._archive),
            objects,
            replayed,
            time.monotonic() - begun,
        )

    def _unpack(self, data: Path, binaries: Path, user: str | None) -> None:
        self._say(f"unpacking and checking the base copy {self._base.name}")
        draft = data.with_name("data.draft")
        ranges = unpack(file_of(self._archive, self._base, DATA), draft, self._wish.identities)
        check_log(binaries, draft, ranges)
        (draft / "recovery.signal").touch(mode=0o600)
        give_all(draft, user)
        draft.rename(data)
        site = io.BytesIO()
        file_of(self._archive, self._base, SITE).open_into(site, self._wish.identities)
        unpack_site(site, self._layout.folder)
        self._layout.make()

    def _fetch_wal(self, folder: Path, user: str | None) -> None:
        """Decrypt the log after the copy into a folder from which PostgreSQL takes it."""
        found = self._found = archived(self._archive)
        first = number_at(self._base.start)
        segments = sorted(segment for segment in found.segments if segment.number >= first)
        self._say(f"decrypting {len(segments):,} segments of the log")
        folder.mkdir(mode=0o700)
        for timeline, file in found.histories.items():
            with (folder / f"{timeline:08X}.history").open("wb") as target:
                file.open_into(target, self._wish.identities)
        for segment in segments:
            self._fetch_segment(folder, segment)
        give_all(folder, user)

    def _fetch_segment(self, folder: Path, segment: Segment) -> None:
        """An archiver that still runs replaces the last segment every second: then look again."""
        for _ in range(_LOOKS):
            found = self._found
            sealed = found.whole.get(segment) or found.parts[segment][1]
            try:
                with segment_file(folder / segment.name) as target:
                    sealed.open_into(target, self._wish.identities)
            except FileNotFoundError:
                self._found = archived(self._archive)
            else:
                return
        raise SuiteError(f"{segment.name} is replaced in the archive all the time: stop its archiver")

    def _images(self) -> int:
        """Decrypt the pictures that were made before the wanted time."""
        restored = 0
        for force, day, file in archived_images(self._archive):
            if self._wish.at is None or made_at(file.stem) <= self._wish.at:
                folder = self._layout.images / force / day.isoformat()
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # pruned meanwhile
                    with (folder / file.stem).open("wb") as target:
                        file.open_into(target, self._wish.identities)
                    restored += 1
        return restored

    async def _replay_log(self, wal: Path) -> Replayed:
        self._say("PostgreSQL replays the log")
        postgres = LocalPostgres(self._layout.postgres, settings=_recovery(wal, self._wish.at), say=self._say)
        await postgres.start()
        try:
            connection = await asyncpg.connect(**postgres.superuser(DATABASE))
            try:
                return await self._replay_standing(connection)
            finally:
                await connection.close()
        finally:
            await postgres.stop()

    async def _replay_standing(self, connection: asyncpg.Connection) -> Replayed:
        """Before any service runs: what was withdrawn and revoked since; search and alerts are closed."""
        stood = newest_standing(self._archive, self._wish.identities)
        return await close_restored(connection, stood, self._subject)

    def _subject(self, replayed: Replayed) -> str:
        """What the audit trail says of this restore."""
        reached = self._wish.at or complete_to(self._archive)
        to = "the end of its base copy" if reached is None else reached.isoformat(timespec="seconds")
        return f"restored to {to}; {replayed.sentence}"


def _recovery(wal: Path, at: datetime | None) -> dict[str, str]:
    """Lines of postgresql.conf for the replay of the log."""
    folder = shlex.quote(str(wal)).replace("%", "%%")
    target = {} if at is None else {"recovery_target_time": at.astimezone(UTC).strftime(_FORM)}
    return {
        "restore_command": f'cp {folder}/%f "%p"',
        "recovery_target_timeline": "latest",
        "recovery_target_action": "promote",
        "synchronous_standby_names": "",
        # So that it takes no connection before it has replayed the log and takes writes.
        "hot_standby": "off",
        **target,
    }


async def _empty(layout: Layout) -> None:
    """Have an empty folder that is marked as being restored. What a killed restore left is deleted."""
    folder = layout.folder
    postgres = LocalPostgres(layout.postgres)
    if (folder / RESTORING).exists():
        await postgres.erase()
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise SuiteError(f"{folder} is not empty: restore into another folder, or move this one away")
    if postgres.home.data.exists():
        raise SuiteError(
            f"{postgres.home.base} holds the database of an earlier suite of {folder}: move it away"
        )
    make_passable_folder(layout.folder)
    _note(folder / RESTORING, {"begun_at": datetime.now(UTC).isoformat()})


def _note(file: Path, content: dict[str, Any]) -> None:
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(file)
