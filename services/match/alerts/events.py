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
from services.match.alerts.filtering import Happening, Subject


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
    entries: bytes,
    camera_name: str,
    late: bool,
) -> Alert:
    """An alert without its acknowledgement.

    `markers` are separated by ";". `entries` is the message Alert with only the fields about its entries.
    """
    message = Alert(
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
        camera_name=camera_name,
        differing_characters=differing(read.vrm, entry_vrm),
        late=late,
    )
    message.age.FromMicroseconds(message.raised_at.ToMicroseconds() - read.captured_at.ToMicroseconds())
    message.MergeFromString(entries)
    return message


def differing(vrm: str, entry_vrm: str) -> list[int]:
    """Indexes of the characters of a read's plate that differ from the entry's, which has the same length."""
    return [index for index, pair in enumerate(zip(vrm, entry_vrm, strict=False)) if pair[0] != pair[1]]


def raised(number: int, alert: Alert) -> Happening:
    """The event that an alert was raised; it has the alert's number."""
    event = AlertEvent(number=number, at=alert.raised_at, alert_id=alert.alert_id, raised=alert)
    near = alert.kind == MATCH_KIND_NEAR
    return Happening(event, Subject(alert.hotlist, alert.read.camera_id, alert.priority, near))


def acknowledged(
    number: int, alert_number: int, acknowledgement: Acknowledgement, subject: Subject
) -> Happening:
    """The event that a person took an alert in hand."""
    event = AlertEvent(
        number=number, at=acknowledgement.at, alert_id=str(alert_number), acknowledged=acknowledgement
    )
    return Happening(event, subject)


def acknowledgement(person: str, at: datetime, note: str) -> Acknowledgement:
    """The acknowledgement of an alert: person, time and note."""
    return Acknowledgement(person=person, at=timestamp(at), note=note)
