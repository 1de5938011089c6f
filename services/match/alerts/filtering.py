"""Which alerts a person wants to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, MATCH_KIND_UNSPECIFIED, AlertEvent, AlertFilter

from chassis.errors import InvalidInput

MOST_HOTLISTS: Final = 100
MOST_CAMERAS: Final = 1_000
LOWEST_PRIORITY: Final = 9


@dataclass(frozen=True, slots=True)
class Subject:
    """What a filter asks of an alert."""

    hotlist: str
    camera_id: str
    priority: int
    near: bool


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, and the alert that it happened to."""

    event: AlertEvent
    subject: Subject


@dataclass(frozen=True, slots=True)
class Wanted:
    """The alerts that meet every condition. Empty or None: any."""

    hotlists: Sequence[str] = ()
    camera_ids: Sequence[str] = ()
    lowest_priority: int = LOWEST_PRIORITY
    near: bool | None = None

    def has(self, subject: Subject) -> bool:
        """Whether the alert is wanted."""
        return (
            (not self.hotlists or subject.hotlist in self.hotlists)
            and (not self.camera_ids or subject.camera_id in self.camera_ids)
            and subject.priority <= self.lowest_priority
            and (self.near is None or subject.near == self.near)
        )


ALL: Final = Wanted()


def wanted(asked: AlertFilter) -> Wanted:
    """The filter of a request. Raises InvalidInput FILTER_INVALID."""
    if len(asked.hotlists) > MOST_HOTLISTS:
        raise _invalid(f"name at most {MOST_HOTLISTS} hotlists", "filter.hotlists")
    if len(asked.camera_ids) > MOST_CAMERAS:
        raise _invalid(f"name at most {MOST_CAMERAS} cameras", "filter.camera_ids")
    if asked.lowest_priority > LOWEST_PRIORITY:
        raise _invalid(f"a priority is 1 to {LOWEST_PRIORITY}", "filter.lowest_priority")
    near = None if asked.kind == MATCH_KIND_UNSPECIFIED else asked.kind == MATCH_KIND_NEAR
    return Wanted(
        tuple(asked.hotlists), tuple(asked.camera_ids), asked.lowest_priority or LOWEST_PRIORITY, near
    )


def _invalid(message: str, field: str) -> InvalidInput:
    return InvalidInput("FILTER_INVALID", message, field=field)
