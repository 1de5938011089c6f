"""Counts of each camera's reads: kept in memory, added to the database every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from chassis.loops import repeat
from chassis.transient import cause_of, is_transient

CameraKey = tuple[str, str]
"""Force and camera_id."""

_LAST_WRITE_SECONDS: Final = 3.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CameraCounts:
    """Counts of one camera since the last write. Times are microseconds since 1970, 0 for never."""

    accepted: int = 0
    duplicate: int = 0
    last_received_us: int = 0
    last_captured_us: int = 0
    rejected: Counter[int] = field(default_factory=Counter)
    """Rejections by number of the reason."""
    warned: Counter[int] = field(default_factory=Counter)
    """Warnings by number of the reason."""


class CountsStore(Protocol):
    """The stored counts."""

    async def add(self, counts: Mapping[CameraKey, CameraCounts]) -> None:
        """Add to the counts of the cameras."""


class UnwrittenCounts:
    """The counts that are not in the database yet."""

    def __init__(self) -> None:
        self._counts: dict[CameraKey, CameraCounts] = {}

    def appended(
        self,
        force: str,
        camera_ids: Sequence[str],
        captured_at_us: Sequence[int],
        duplicates: Sequence[int],
        now_us: int,
    ) -> None:
        """Count the reads of an append that the store committed. `duplicates` holds indexes of reads."""
        repeated = Counter([camera_ids[index] for index in duplicates])
        latest = dict(zip(camera_ids, captured_at_us, strict=True))
        for camera_id, reads in Counter(camera_ids).items():
            counts = self._of(force, camera_id)
            counts.accepted += reads - repeated[camera_id]
            counts.duplicate += repeated[camera_id]
            counts.last_received_us = now_us
            counts.last_captured_us = latest[camera_id]

    def rejected(self, force: str, camera_id: str, reason: int) -> None:
        """Count a rejected read of a camera that is enrolled."""
        self._of(force, camera_id).rejected[reason] += 1

    def warned(self, force: str, camera_id: str, reason: int) -> None:
        """Count a remark on a durable read of a camera."""
        self._of(force, camera_id).warned[reason] += 1

    async def write(self, store: CountsStore) -> None:
        """Add the counts to the database. They are kept for the next time when that fails."""
        taken, self._counts = self._counts, {}
        if not taken:
            return
        try:
            await store.add(taken)
        except BaseException:
            self._put_back(taken)
            raise

    def _put_back(self, counts: dict[CameraKey, CameraCounts]) -> None:
        for (force, camera_id), lost in counts.items():
            current = self._of(force, camera_id)
            current.accepted += lost.accepted
            current.duplicate += lost.duplicate
            current.rejected.update(lost.rejected)
            current.warned.update(lost.warned)
            if current.last_received_us == 0:
                current.last_received_us = lost.last_received_us
                current.last_captured_us = lost.last_captured_us

    def _of(self, force: str, camera_id: str) -> CameraCounts:
        counts = self._counts.get((force, camera_id))
        if counts is None:
            counts = self._counts[force, camera_id] = CameraCounts()
        return counts


async def write_counts(counts: UnwrittenCounts, store: CountsStore, every: float) -> None:
    """Write the counts every few seconds, and once more when cancelled."""

    async def write() -> None:
        await counts.write(store)

    try:
        await repeat(write, name="camera counts", every=every)
    finally:
        await _write_last(counts, store)


async def _write_last(counts: UnwrittenCounts, store: CountsStore) -> None:
    try:
        async with asyncio.timeout(_LAST_WRITE_SECONDS):
            await counts.write(store)
    except Exception as error:
        if not is_transient(error):
            raise
        _log.warning("the last camera counts were not written", extra={"cause": cause_of(error)})
