"""Judges canaries: which of them were heard in time, and how many in a row were not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _Waiting:
    """A canary whose alert was not heard yet. `number` counts from 1, `due_at` is in attentive seconds."""

    number: int
    due_at: float
    sent_at: float | None = None


class Judge:
    """The canaries of one force.

    A canary is late when this process has listened for `late_seconds` since it was due. Time during which the
    process stood still does not count, so callers count `attentive` seconds.
    """

    def __init__(self, late_seconds: float) -> None:
        self.due = 0
        """Canaries that were due."""
        self.heard = 0
        """Canaries that were heard in time."""
        self.missed = 0
        """Canaries in a row that were not heard in time."""
        self._late_seconds = late_seconds
        self._waiting: dict[str, _Waiting] = {}
        self._last_heard = 0

    def begin(self, read_id: str, attentive: float) -> None:
        """A canary is due now."""
        self.due += 1
        self._waiting[read_id] = _Waiting(self.due, attentive)

    def send(self, read_id: str, now: float) -> None:
        """A canary is sent, at `now` in seconds of any monotonic clock. Only the first attempt counts."""
        waiting = self._waiting.get(read_id)
        if waiting is not None and waiting.sent_at is None:
            waiting.sent_at = now

    def hear(self, read_id: str, now: float) -> float | None:
        """The alert of a canary was heard. Returns the seconds since it was sent.

        None for one that is late, was heard already, or was sent by another process.
        """
        waiting = self._waiting.pop(read_id, None)
        if waiting is None or waiting.sent_at is None:
            return None
        self.heard += 1
        self.missed = 0
        self._last_heard = max(self._last_heard, waiting.number)
        return now - waiting.sent_at

    def settle(self, attentive: float) -> list[str]:
        """Count the canaries that have become late as missed. Returns their read_ids."""
        late = [
            read_id
            for read_id, waiting in self._waiting.items()
            if attentive - waiting.due_at >= self._late_seconds
        ]
        for read_id in late:
            # When a later one was heard, this one begins no row.
            self.missed += self._waiting.pop(read_id).number > self._last_heard
        return late

    def forget(self) -> None:
        """Judge none of the canaries that were not heard yet, because this process could not listen."""
        self._waiting.clear()
