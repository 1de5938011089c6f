"""The archive folder: every file has the digest of its content in its name and appears whole or not at all.

::

    archive.json                               format, and the site that writes here
    reach.json                                 up to where the archived WAL reaches
    base/ID/                                   one base copy: manifest.json and its encrypted files
    wal/NAME[.OFFSET].DIGEST.age               a WAL segment, or its first OFFSET bytes, or a history file
    images/FORCE/DAY/OBJECT.DIGEST.age         the pictures of one commit
    standing/TIME.DIGEST.age                   what was withdrawn and revoked up to then
    drafts/                                    files that are being written
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyrage

from suite.backup.sealing import STORED, USUAL, Packed, Readable, Sealed, Writable, seal, unseal
from suite.disk import full_sentence, is_for_want_of_room
from suite.errors import SuiteError

FORMAT: Final = 1
_SEALED: Final = re.compile(r"(?P<stem>.+)\.(?P<digest>[0-9a-f]{64})\.age")
_DRAFT: Final = ".draft"
_OLD_DRAFT_SECONDS: Final = 3_600.0
_PIECE: Final = 1 << 20
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class SealedFile:
    """An encrypted file: where it is, its name without digest, and its digest."""

    path: Path
    stem: str
    digest: str

    def intact(self) -> bool:
        """Whether its content has the digest of its name, or it was replaced or pruned meanwhile."""
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
        except FileNotFoundError:
            return True
        return digest.hexdigest() == self.digest

    def open_into(self, target: Writable, identities: Sequence[pyrage.x25519.Identity]) -> None:
        """Write its decrypted content to `target`. SuiteError when that is not possible."""
        try:
            with self.path.open("rb") as file:
                unseal(file, target, identities)
        except SuiteError as error:
            raise SuiteError(f"{self.path}: {error}") from error


class Archive:
    """The folder of an archive. OSError of the file system becomes a SuiteError with a sentence."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def bases(self) -> Path:
        """The base copies, a folder each."""
        return self.folder / "base"

    @property
    def wal(self) -> Path:
        """The archived WAL."""
        return self.folder / "wal"

    @property
    def images(self) -> Path:
        """The archived pictures."""
        return self.folder / "images"

    @property
    def standing(self) -> Path:
        """What was withdrawn and revoked."""
        return self.folder / "standing"

    @property
    def _drafts(self) -> Path:
        return self.folder / "drafts"

    def make(self) -> None:
        """Make what is missing. SuiteError when the folder holds something else."""
        with self.told():
            if self.folder.exists() and any(self.folder.iterdir()) and self._head() is None:
                raise SuiteError(f"{self.folder} is not empty and no archive of Gantry: name another folder")
            for place in (self.bases, self.wal, self.images, self.standing, self._drafts):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._head() is None:
                self.note("archive.json", {"format": FORMAT, "writer": ""})

    def require(self) -> None:
        """SuiteError when it is no archive that we can read."""
        head = self._head()
        if head is None:
            raise SuiteError(f"{self.folder} is no archive of Gantry: archive.json is missing or damaged")
        if head.get("format") != FORMAT:
            raise SuiteError(
                f"{self.folder} has format {head.get('format')}, and this version reads {FORMAT}"
            )

    def claim(self, writer: str) -> None:
        """From now on this site writes here. Any other stops at its next look."""
        with self.told():
            self.note("archive.json", {"format": FORMAT, "writer": writer})

    def writer(self) -> str:
        """Which site writes here; empty for none."""
        return str((self._head() or {}).get("writer", ""))

    def note(self, name: str, content: dict[str, Any], folder: Path | None = None) -> None:
        """Write a small JSON file, at once and durably."""
        place = (folder or self.folder) / name
        draft = place.with_name(f"{name}{_DRAFT}")
        with self.told():
            with private(draft) as file:
                file.write(json.dumps(content, indent=2).encode() + b"\n")
            draft.replace(place)
            sync(place.parent)

    def noted(self, name: str) -> dict[str, Any]:
        """A small JSON file; empty when it is missing."""
        try:
            found: dict[str, Any] = json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise SuiteError(f"{self.folder / name} is damaged") from error
        return found

    def put(
        self,
        folder: Path,
        stem: str,
        source: Readable | Packed,
        recipients: Sequence[pyrage.x25519.Recipient],
    ) -> SealedFile:
        """Encrypt a stream into a file of `folder`; durable on return. Nothing is left after a failure."""
        file = self._put(folder, stem, source, recipients)
        with self.told():
            sync(folder)
        return file

    def put_many(
        self, folder: Path, files: Sequence[Path], recipients: Sequence[pyrage.x25519.Recipient]
    ) -> None:
        """Encrypt pictures into files of `folder` under the same names; durable on return.

        Several at once, because each waits for the disk. FileNotFoundError when one has gone.
        """

        def put(file: Path) -> None:
            with file.open("rb") as source:
                self._put(folder, file.name, source, recipients, level=STORED)

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="archive") as pool:
            list(pool.map(put, files))
        with self.told():
            sync(folder)

    def _put(
        self,
        folder: Path,
        stem: str,
        source: Readable | Packed,
        recipients: Sequence[pyrage.x25519.Recipient],
        *,
        level: int = USUAL,
    ) -> SealedFile:
        """As `put`; the name is not durable before the folder is."""
        draft = self._drafts / uuid.uuid4().hex
        with self.told():
            try:
                with private(draft) as file:
                    sealed: Sealed = seal(source, file, recipients, level=level)
                made_private(folder)
                place = folder / f"{stem}.{sealed.digest}.age"
                draft.replace(place)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
        return SealedFile(place, stem, sealed.digest)

    @contextmanager
    def drafted(self, folder: Path) -> Iterator[Path]:
        """A folder to fill, which gets its name at the end; a failure leaves nothing."""
        draft = folder.with_name(f"{folder.name}{_DRAFT}")
        with self.told():
            shutil.rmtree(draft, ignore_errors=True)
            made_private(draft)
            try:
                yield draft
                sync(draft)
                draft.rename(folder)
                sync(folder.parent)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise

    def remove_old_drafts(self) -> None:
        """Delete what a killed process left behind."""
        before = time.time() - _OLD_DRAFT_SECONDS
        for place in [*_entries(self._drafts), *_entries(self.bases)]:
            if place.parent == self._drafts or place.name.endswith(_DRAFT):
                with suppress(OSError):
                    if _touched(place) < before:
                        shutil.rmtree(place) if place.is_dir() else place.unlink()

    def base_folders(self) -> list[Path]:
        """The folders of whole base copies, oldest first."""
        return sorted(place for place in _entries(self.bases) if not place.name.endswith(_DRAFT))

    @contextmanager
    def told(self) -> Iterator[None]:
        """OSError inside becomes a sentence."""
        try:
            yield
        except OSError as error:
            if is_for_want_of_room(error):
                raise SuiteError(f"nothing can be archived, because {full_sentence(self.folder)}") from error
            raise SuiteError(
                f"the archive {self.folder} cannot be used: {error.strerror or error}"
            ) from error

    def _head(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder / "archive.json").read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def sealed_in(folder: Path) -> list[SealedFile]:
    """The encrypted files of a folder by name; none when there is no such folder."""
    matches = ((place, _SEALED.fullmatch(place.name)) for place in _entries(folder))
    return sorted(
        (SealedFile(place, match["stem"], match["digest"]) for place, match in matches if match),
        key=lambda file: file.path.name,
    )


@contextmanager
def private(place: Path) -> Iterator[BinaryIO]:
    """A new file that only our OS user may read; on disk when the block ends."""
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def made_private(folder: Path) -> None:
    """Make a folder that only our OS user may enter, durably."""
    if not folder.exists():
        made_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync(folder.parent)


def sync(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _touched(place: Path) -> float:
    """When a file, or anything in a folder, was written last."""
    inside = [each.stat().st_mtime for each in place.rglob("*")] if place.is_dir() else []
    return max(place.stat().st_mtime, *inside, 0.0)
