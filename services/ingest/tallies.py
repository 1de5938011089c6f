"""What each camera delivered, counted in memory and added to the database every few seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

CameraKey = tuple[str, str]
"""Force and camera_id."""


@dataclass(slots=True)
class Tally:
    """Counts of one camera since they were last written; times in microseconds, 0 for never."""

    accepted: int = 0
    duplicate: int = 0
    last_received_us: int = 0
    last_captured_us: int = 0
    rejected: Counter[int] = field(default_factory=Counter)


class Tallies:
    """The counts that are not in the database yet."""

    def __init__(self) -> None:
        self._tallies: dict[CameraKey, Tally] = {}

    def appended(
        self,
        force: str,
        camera_ids: Sequence[str],
        captured_at_us: Sequence[int],
        duplicates: Sequence[int],
        now_us: int,
    ) -> None:
        """Count the reads of an append that was committed."""
        repeated = Counter([camera_ids[index] for index in duplicates])
        latest = dict(zip(camera_ids, captured_at_us, strict=True))
        for camera_id, reads in Counter(camera_ids).items():
            tally = self._of(force, camera_id)
            tally.accepted += reads - repeated[camera_id]
            tally.duplicate += repeated[camera_id]
            tally.last_received_us = now_us
            tally.last_captured_us = latest[camera_id]

    def rejected(self, force: str, camera_id: str, reason: int) -> None:
        """Count a refused read of a camera that is enrolled."""
        self._of(force, camera_id).rejected[reason] += 1

    def take(self) -> dict[CameraKey, Tally]:
        """Everything counted since the last time."""
        taken, self._tallies = self._tallies, {}
        return taken

    def put_back(self, tallies: dict[CameraKey, Tally]) -> None:
        """Count again what could not be written."""
        for (force, camera_id), lost in tallies.items():
            tally = self._of(force, camera_id)
            tally.accepted += lost.accepted
            tally.duplicate += lost.duplicate
            tally.rejected.update(lost.rejected)
            if tally.last_received_us == 0:
                tally.last_received_us = lost.last_received_us
                tally.last_captured_us = lost.last_captured_us

    def _of(self, force: str, camera_id: str) -> Tally:
        tally = self._tallies.get((force, camera_id))
        if tally is None:
            tally = self._tallies[force, camera_id] = Tally()
        return tally
