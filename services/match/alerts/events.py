"""Alerts and their events as messages."""

from __future__ import annotations

from datetime import datetime

from gantry.common.v1.read_pb2 import Read
from gantry.match.v1.alert_pb2 import (
    MATCH_KIND_EXACT,
    MATCH_KIND_NEAR,
    Acknowledgement,
    Alert,
    AlertEvent,
)

from reads.epoch import timestamp


def alert(
    *,
    number: int,
    read: Read,
    position: int,
    near: bool,
    hotlist: str,
    entry_vrm: str,
    reason: str,
    priority: int,
    markers: str,
    instruction: str,
    raised_at: datetime,
) -> Alert:
    """An alert without its acknowledgement. `markers` are separated by ";"."""
    return Alert(
        alert_id=str(number),
        read=read,
        position=position,
        kind=MATCH_KIND_NEAR if near else MATCH_KIND_EXACT,
        hotlist=hotlist,
        entry_vrm=entry_vrm,
        reason=reason,
        priority=priority,
        markers=markers.split(";") if markers else [],
        instruction=instruction,
        raised_at=timestamp(raised_at),
    )


def raised(number: int, raised_alert: Alert) -> AlertEvent:
    """The event that an alert was raised; it has the alert's number."""
    return AlertEvent(
        number=number, at=raised_alert.raised_at, alert_id=raised_alert.alert_id, raised=raised_alert
    )


def acknowledged(number: int, alert_number: int, acknowledgement: Acknowledgement) -> AlertEvent:
    """The event that a person took an alert in hand."""
    return AlertEvent(
        number=number, at=acknowledgement.at, alert_id=str(alert_number), acknowledged=acknowledgement
    )


def acknowledgement(person: str, at: datetime, note: str) -> Acknowledgement:
    """The acknowledgement of an alert: person, time and note."""
    return Acknowledgement(person=person, at=timestamp(at), note=note)
