"""Base copies: pg_basebackup through encryption into the archive, with the WAL that the copy needs."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyrage

from suite.backup.archive import Archive, SealedFile, sealed_in
from suite.backup.images import archived_images
from suite.backup.lsn import position
from suite.backup.server import SQL, Server
from suite.backup.site import packed_site
from suite.errors import SuiteError

DATA: Final = "data"
SITE: Final = "site"
OBJECTS: Final = "objects"
_MANIFEST: Final = "manifest.json"
_FORM: Final = "%Y%m%dT%H%M%SZ"
_PIPE: Final = 1 << 20
_TOLD_BYTES: Final = 4_000


@dataclass(frozen=True)
class Base:
    """A base copy. `start` and `end` are positions in the log between which it was made."""

    name: str
    begun_at: datetime
    ended_at: datetime
    system: str
    postgres: str
    timeline: int
    start: int
    end: int
    size: int
    objects: int
    objects_digest: str
    images: str
    """Where pictures are: "archive", or the URL of a bucket, which the archive does not cover."""

    def as_json(self) -> dict[str, Any]:
        """The manifest."""
        return {
            **asdict(self),
            "begun_at": self.begun_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
        }


def base_in(folder: Path) -> Base:
    """The base copy of a folder. SuiteError when its manifest is missing or damaged."""
    try:
        told = json.loads((folder / _MANIFEST).read_text())
        for name in ("begun_at", "ended_at"):
            told[name] = datetime.fromisoformat(told[name])
        return Base(**told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SuiteError(f"{folder / _MANIFEST} is missing or damaged") from error


def bases(archive: Archive) -> list[Base]:
    """All base copies, oldest first."""
    return [base_in(folder) for folder in archive.base_folders()]


def file_of(archive: Archive, base: Base, stem: str) -> SealedFile:
    """One of the files of a base copy. SuiteError when it is missing."""
    for file in sealed_in(archive.bases / base.name):
        if file.stem == stem:
            return file
    raise SuiteError(f"the base copy {base.name} lacks its file {stem}")


async def make_base(
    server: Server,
    archive: Archive,
    recipients: Sequence[pyrage.x25519.Recipient],
    *,
    home: Path,
    images_url: str = "",
) -> Base:
    """Copy the database, with the WAL of that time, and the site's files. SuiteError when it fails.

    The pictures have to be archived before: the copy notes which ones there are.
    """
    begun_at = datetime.now(UTC)
    folder = archive.bases / begun_at.strftime(_FORM)
    await server.require_programs()
    async with server.connected() as connection:
        system = await connection.fetchrow(SQL.system)
        start = await connection.fetchrow(SQL.flushed)
    if folder.exists():
        raise SuiteError(f"the base copy {folder.name} exists: wait for a second")
    with archive.drafted(folder) as draft:
        copy = await asyncio.to_thread(_copy, server, archive, draft, recipients)
        async with server.connected() as connection:
            end = await connection.fetchrow(SQL.flushed)
        listed, names = await asyncio.to_thread(_listed_images, archive)
        archive.put(draft, OBJECTS, io.BytesIO(listed), recipients)
        archive.put(draft, SITE, packed_site(home), recipients)
        base = Base(
            name=folder.name,
            begun_at=begun_at,
            ended_at=datetime.now(UTC),
            system=system["system"],
            postgres=system["version"],
            timeline=start["timeline"],
            start=position(start["lsn"]),
            end=position(end["lsn"]),
            size=copy.path.stat().st_size,
            objects=names,
            objects_digest=hashlib.sha256(listed).hexdigest(),
            images=images_url or "archive",
        )
        archive.note(_MANIFEST, base.as_json(), draft)
    return base


def _copy(
    server: Server, archive: Archive, draft: Path, recipients: Sequence[pyrage.x25519.Recipient]
) -> SealedFile:
    """Run pg_basebackup and encrypt what it writes, piece by piece."""
    words = ["--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast", "--label=gantry"]
    words += ["--manifest-checksums=SHA256", "--no-password"]
    copying = subprocess.Popen(  # noqa: S603 - the program is PostgreSQL's own
        [server.program("pg_basebackup"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=server.environment(),
        bufsize=_PIPE,
    )
    assert copying.stdout is not None, "asked for"
    assert copying.stderr is not None, "asked for"
    try:
        file = archive.put(draft, DATA, _Whole(copying), recipients)
    finally:
        if copying.poll() is None:
            copying.kill()
        copying.stdout.close()
        copying.stderr.close()
        copying.wait()
    return file


class _Whole:
    """The output of a program. Its end counts only when the program has ended well."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self._program = program

    def read(self, size: int = -1) -> bytes:
        assert self._program.stdout is not None, "asked for"
        piece = self._program.stdout.read(size)
        if not piece:
            self._end()
        return piece

    def _end(self) -> None:
        assert self._program.stderr is not None, "asked for"
        told = self._program.stderr.read(_TOLD_BYTES).decode(errors="replace").strip()
        if (code := self._program.wait()) != 0:
            raise SuiteError(f"pg_basebackup ended with exit code {code}: {told}")


def _listed_images(archive: Archive) -> tuple[bytes, int]:
    """The names of all archived objects with their digests, one a line, and how many they are."""
    lines = [
        f"{force}/{day.isoformat()}/{file.stem} {file.digest}\n"
        for force, day, file in archived_images(archive)
    ]
    return "".join(lines).encode(), len(lines)


def remove_base(archive: Archive, base: Base) -> None:
    """Delete a base copy. A part of it never looks like a whole one."""
    folder = archive.bases / base.name
    with archive.told():
        gone = folder.with_name(f"{folder.name}.draft")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)
