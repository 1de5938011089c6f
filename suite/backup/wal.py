"""Archives the write-ahead log: pg_receivewal writes it into a spool folder, from which it is encrypted."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import pyrage

from suite.backup.archive import Archive, SealedFile, sealed_in
from suite.backup.lsn import SEGMENT_BYTES, Segment, history_timeline, segment_named
from suite.backup.sealing import Growing, Packed

SLOT: Final = "gantry_backup"
_PARTIAL: Final = ".partial"
_PART: Final = re.compile(r"(?P<name>[0-9A-F]{24})\.(?P<length>[0-9A-F]{8})")
PADDING_BYTES: Final = 7
"""At most so many zeros follow a record of the log, whose end is a multiple of 8."""
# PostgreSQL sends the log in pieces of at most this size, and a piece may be half written when we read.
_UNSETTLED_BYTES: Final = 1 << 17
_PIECE: Final = 1 << 16
_ZEROS: Final = bytes(_PIECE)


@dataclass(frozen=True)
class Archived:
    """The archived WAL: whole segments, the longest part of others with its bytes, history files."""

    whole: dict[Segment, SealedFile]
    parts: dict[Segment, tuple[int, SealedFile]]
    histories: dict[int, SealedFile]

    @property
    def segments(self) -> set[Segment]:
        """All segments, whole or in part."""
        return {*self.whole, *self.parts}


def archived(archive: Archive) -> Archived:
    """What WAL the archive holds."""
    found = Archived({}, {}, {})
    for file in sealed_in(archive.wal):
        if (segment := segment_named(file.stem)) is not None:
            found.whole[segment] = file
        elif (timeline := history_timeline(file.stem)) is not None:
            found.histories[timeline] = file
        elif match := _PART.fullmatch(file.stem):
            part, length = segment_named(match["name"]), int(match["length"], 16)
            if part is not None and length >= found.parts.get(part, (0, file))[0]:
                found.parts[part] = (length, file)
    return found


class Spool:
    """The folder into which pg_receivewal writes, and what of it is archived."""

    def __init__(self, folder: Path, archive: Archive) -> None:
        self.folder = folder
        self._archive = archive
        self._newest: Segment | None = None
        self._parts: list[SealedFile] = []
        self._pack_of: Segment | None = None
        self._pack = Growing()
        self.reached = 0
        self.timeline = 0
        self.gap: Segment | None = None

    def open(self) -> None:
        """Make the folder, and see what is archived already."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = archived(self._archive)
        self._newest = max(found.whole, default=None)
        self._parts = [file for _, file in found.parts.values()]

    def size(self) -> int:
        """Bytes of the spool."""
        sizes = []
        for place in self.folder.iterdir():
            with suppress(FileNotFoundError):  # pg_receivewal renames what has become whole
                sizes.append(place.stat().st_size)
        return sum(sizes)

    def growing(self) -> Segment | None:
        """The segment that is received at present; None when there is none."""
        parts = [place.name for place in self.folder.iterdir() if place.name.endswith(_PARTIAL)]
        return segment_named(max(parts).removesuffix(_PARTIAL)) if parts else None

    def forget_growing(self) -> None:
        """Delete the growing segment from the spool. What of it is archived stays in the archive."""
        for place in self.folder.iterdir():
            if place.name.endswith(_PARTIAL):
                place.unlink()
        self._parts = []
        self._pack_of = None

    def written(self) -> int:
        """Up to which position of the log the spool holds it, less zeros at the end; 0 when it is empty."""
        ends = [0, self.reached]
        for place in self.folder.iterdir():
            segment = segment_named(place.name.removesuffix(_PARTIAL))
            if segment is not None:
                with suppress(FileNotFoundError):
                    whole = not place.name.endswith(_PARTIAL)
                    ends.append(segment.begin + (SEGMENT_BYTES if whole else written_bytes(place)))
        return max(ends)

    def ship(self, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
        """Archive everything in the spool. Whole segments leave it; the growing one stays."""
        names = sorted(place.name for place in self.folder.iterdir())
        for name in names:
            if history_timeline(name) is not None:
                self._ship_history(name, recipients)
        for name in names:
            if (segment := segment_named(name)) is not None:
                self._ship_whole(segment, recipients)
        growing = [name for name in names if name.endswith(_PARTIAL)]
        for name in growing[-1:]:
            self._ship_part(name, recipients)

    def _ship_history(self, name: str, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
        with (self.folder / name).open("rb") as file:
            self._archive.put(self._archive.wal, name, file, recipients)
        (self.folder / name).unlink()

    def _ship_whole(self, segment: Segment, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
        place = self.folder / segment.name
        with place.open("rb") as file:
            self._archive.put(self._archive.wal, segment.name, file, recipients)
        self._reach(segment, segment.begin + SEGMENT_BYTES)
        before = self._newest
        if before is not None and before.timeline == segment.timeline and segment.number > before.number + 1:
            self.gap = Segment(segment.timeline, before.number + 1)
        self._newest = segment if before is None else max(before, segment)
        self._drop_parts()
        place.unlink()

    def _ship_part(self, name: str, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
        segment = segment_named(name.removesuffix(_PARTIAL))
        try:
            with (self.folder / name).open("rb") as file:
                length = written_bytes(self.folder / name)
                if segment is None or not length or segment.begin + length <= self.reached:
                    return
                part = self._packed(segment, file, length)
        except FileNotFoundError:  # it has just become whole; the next look finds it
            return
        new = self._archive.put(self._archive.wal, f"{segment.name}.{length:08X}", part, recipients)
        self._drop_parts()
        self._parts = [new]
        self._reach(segment, segment.begin + length)

    def _packed(self, segment: Segment, file: BinaryIO, length: int) -> Packed:
        """The first bytes of a growing segment. Only new ones are compressed: that is most of the work."""
        if self._pack_of != segment or self._pack.length > length:
            self._pack_of, self._pack = segment, Growing()
        file.seek(self._pack.length)
        settled = length - _UNSETTLED_BYTES
        if settled > self._pack.length:
            self._pack.add(file.read(settled - self._pack.length))
        return self._pack.packed(file.read(length - self._pack.length))

    def _drop_parts(self) -> None:
        for part in self._parts:
            part.path.unlink(missing_ok=True)
        self._parts = []

    def _reach(self, segment: Segment, lsn: int) -> None:
        self.timeline, self.reached = segment.timeline, max(self.reached, lsn)


def written_bytes(file: Path) -> int:
    """How many bytes of a growing segment are written: its rest is zeros."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        end = size
        while end > 0:
            begin = max(0, end - _PIECE)
            piece = os.pread(opened.fileno(), end - begin, begin)
            if piece != _ZEROS[: len(piece)]:
                return begin + len(piece.rstrip(b"\0"))
            end = begin
    return 0


@contextmanager
def segment_file(place: Path) -> Iterator[io.BufferedWriter]:
    """A segment to write a part of; its rest becomes zeros."""
    with place.open("wb") as file:
        yield file
        file.flush()
        os.truncate(place, SEGMENT_BYTES)
