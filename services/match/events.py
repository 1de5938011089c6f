"""Alerts and acknowledgements as subscribers get them, under the numbers that order them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gantry.match.v1.alert_pb2 import MATCH_KIND_EXACT, MATCH_KIND_NEAR, Acknowledgement, Alert, MatchKind

from services.match.matching import NewAlert, read_of, timestamp


@dataclass(frozen=True, slots=True)
class Event:
    """An alert or an acknowledgement under its number."""

    number: int
    what: Alert | Acknowledgement


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and the number up to which that is everything."""

    events: Sequence[Event]
    upto: int


def raised(force: str, number: int, alert: NewAlert, raised_at: datetime) -> Event:
    """An alert that has just been raised."""
    seen, entry = alert.candidate, alert.entry
    message = Alert(
        alert_id=str(number),
        read=read_of(force, seen.batch.reads, seen.place),
        position=seen.position,
        kind=kind_of(near=alert.near),
        hotlist=entry.hotlist,
        entry_vrm=entry.vrm,
        reason=entry.reason,
        priority=entry.priority,
        markers=markers_of(entry.markers),
        instruction=entry.instruction,
        raised_at=timestamp(raised_at),
    )
    return Event(number, message)


def taken(alert_number: int, person: str, at: datetime, note: str) -> Acknowledgement:
    """Who took an alert in hand."""
    return Acknowledgement(alert_id=str(alert_number), person=person, at=timestamp(at), note=note)


def kind_of(*, near: bool) -> MatchKind.ValueType:
    """The contract's name for how a read matched."""
    return MATCH_KIND_NEAR if near else MATCH_KIND_EXACT


def markers_of(joined: str) -> list[str]:
    """The markers of an entry, one by one."""
    return joined.split(";") if joined else []
