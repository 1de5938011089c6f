"""Deletes what is too old: a backup must not outlive the data in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from suite.backup.archive import Archive, sealed_in
from suite.backup.base import Base, bases, remove_base
from suite.backup.images import ImageMirror
from suite.backup.lsn import number_at
from suite.backup.wal import archived

_SECONDS_A_DAY: Final = 86_400
_STANDING_KEPT: Final = 2


@dataclass(frozen=True)
class Pruned:
    """What was deleted."""

    bases: tuple[str, ...]
    segments: int
    objects: int


def prune(archive: Archive, keep_days: int, images: Path | None, now: datetime | None = None) -> Pruned:
    """Delete base copies older than `keep_days`, WAL that no copy needs or that is as old, old pictures.

    `images` is the folder of the pictures, if there is one: those of past days go when they have gone there.
    """
    now = now or datetime.now(UTC)
    kept: list[Base] = []
    gone: list[str] = []
    for base in bases(archive):
        if base.ended_at < now - timedelta(days=keep_days):
            remove_base(archive, base)
            gone.append(base.name)
        else:
            kept.append(base)
    with archive.told():
        segments = _prune_wal(archive, kept, now.timestamp() - keep_days * _SECONDS_A_DAY)
        objects = 0
        if images is not None:
            objects = ImageMirror(images, archive, keep_days).remove_purged(now.date())
        for file in sealed_in(archive.standing)[:-_STANDING_KEPT]:
            file.path.unlink()
    archive.remove_old_drafts()
    return Pruned(tuple(gone), segments, objects)


def _prune_wal(archive: Archive, kept: list[Base], before: float) -> int:
    """Delete segments before the oldest copy, and those written before a time. History files stay."""
    first = min((number_at(base.start) for base in kept), default=None)
    found = archived(archive)
    removed = 0
    for segment, file in [*found.whole.items(), *((part, each[1]) for part, each in found.parts.items())]:
        old = file.path.stat().st_mtime < before
        if old or (first is not None and segment.number < first):
            file.path.unlink()
            removed += 1
    return removed


def is_due(found: Sequence[Base], hours: float, timeline: int) -> bool:
    """Whether it is time for another base copy: there is none of this timeline, or the newest is old."""
    ours = [base for base in found if base.timeline == timeline]
    return not ours or time.time() - ours[-1].ended_at.timestamp() >= hours * 3_600
