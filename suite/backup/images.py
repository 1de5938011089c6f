"""Archives the picture objects of a folder: new ones are added, and those of purged days go."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pyrage

from suite.backup.archive import Archive, SealedFile, sealed_in
from suite.errors import SuiteError
from suite.layout import Layout

IMAGES: Final = "GANTRY_STORE__IMAGES"
_OBJECT: Final = re.compile(r"[0-9a-f]{16}")
_RANDOM_BITS: Final = 20
_AT_ONCE: Final = 200
_FRESH_NS: Final = 2_000_000_000

DayFolder = tuple[str, date, Path]
"""Force, day and folder."""


def image_folder(home: Path, url: str) -> Path | None:
    """The folder that holds the pictures; None when they are in a bucket."""
    if not url:
        return Layout.of(home).images
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def made_at(name: str) -> datetime:
    """When an object was named."""
    return datetime.fromtimestamp((int(name, 16) >> _RANDOM_BITS) / 1000, UTC)


def day_folders(root: Path) -> Iterator[DayFolder]:
    """The folders FORCE/DAY below a folder."""
    for force in sorted(_folders(root)):
        for day in sorted(_folders(force)):
            with suppress(ValueError):
                yield force.name, date.fromisoformat(day.name), day


def archived_images(archive: Archive) -> Iterator[tuple[str, date, SealedFile]]:
    """Force, day and file of every archived object."""
    for force, day, folder in day_folders(archive.images):
        for file in sealed_in(folder):
            yield force, day, file


class ImageMirror:
    """Keeps the archive's pictures like those of a folder."""

    def __init__(self, source: Path, archive: Archive, keep_days: int) -> None:
        """Days older than `keep_days` may have been purged: what the source lacks of them is deleted."""
        self._source = source
        self._archive = archive
        self._keep_days = keep_days
        self._known: dict[tuple[str, date], set[str]] = {}
        self._looked_at: dict[Path, int] = {}

    def open(self) -> None:
        """See what is archived already."""
        for force, day, file in archived_images(self._archive):
            self._known.setdefault((force, day), set()).add(file.stem)

    def mirror(self, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
        """Archive new objects, and delete those of purged days. SuiteError when the folder is away."""
        if not self._source.is_dir():
            raise SuiteError(f"the folder of the pictures, {self._source}, is not there")
        for force, day, folder in day_folders(self._source):
            with suppress(FileNotFoundError):  # purged meanwhile
                changed_at = folder.stat().st_mtime_ns
                if self._looked_at.get(folder) != changed_at:
                    self._add(force, day, folder, recipients)
                    # Only now, with all of it archived. Times are coarse: a young folder is looked at again.
                    if time.time_ns() - changed_at > _FRESH_NS:
                        self._looked_at[folder] = changed_at

    def remove_purged(self, today: date) -> int:
        """Delete archived objects of days past their time that the source no longer has. Returns how many."""
        before, removed = today - timedelta(days=self._keep_days), 0
        for force, day, folder in list(day_folders(self._archive.images)):
            if day >= before:
                continue
            there = _objects(self._source / force / day.isoformat())
            files = sealed_in(folder)
            gone = [file for file in files if file.stem not in there]
            for file in gone:
                file.path.unlink()
            removed += len(gone)
            self._known[force, day] = {file.stem for file in files} & there
            if not there:
                shutil.rmtree(folder)
        return removed

    def _add(
        self, force: str, day: date, folder: Path, recipients: Sequence[pyrage.x25519.Recipient]
    ) -> None:
        known = self._known.setdefault((force, day), set())
        target = self._archive.images / force / day.isoformat()
        new = sorted(_objects(folder) - known)
        for start in range(0, len(new), _AT_ONCE):
            names = new[start : start + _AT_ONCE]
            self._archive.put_many(target, [folder / name for name in names], recipients)
            known.update(names)


def _objects(folder: Path) -> set[str]:
    with suppress(FileNotFoundError):
        return {place.name for place in folder.iterdir() if _OBJECT.fullmatch(place.name)}
    return set()


def _folders(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return [place for place in folder.iterdir() if place.is_dir()]
    return []
