"""An alert as text: the plate, the place, and why the vehicle is of interest."""

from collections.abc import Iterator

from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, Acknowledgement, Alert

from cli.forms import moment
from cli.output import Marked, local_time, say


def show_alert(alert: Alert) -> None:
    """Print an alert in two lines."""
    say(*_headline(alert))
    say("   ", *_whereabouts(alert))


def taken_text(alert_id: str, acknowledgement: Acknowledgement, person: str = "") -> str:
    """Who took an alert in hand. The text calls `person` "you"."""
    who = "you" if acknowledgement.person == person else acknowledgement.person
    when = local_time(moment(acknowledgement, "at"))
    said = f": {acknowledgement.note}" if acknowledgement.note else ""
    return f"alert {alert_id} taken in hand by {who} at {when}{said}"


def taken_already_text(alert_id: str, acknowledgement: Acknowledgement, person: str, *, dropped: bool) -> str:
    """That the alert was in hand already. `dropped`: a note was given and not kept."""
    who = "you" if acknowledgement.person == person else acknowledgement.person
    when = local_time(moment(acknowledgement, "at"))
    said = f", who said: {acknowledgement.note}" if acknowledgement.note else ""
    lost = "; your note was not kept" if dropped else ""
    return f"alert {alert_id} was in hand already: taken by {who} at {when}{said}{lost}"


def _headline(alert: Alert) -> Iterator[str | Marked]:
    near = alert.kind == MATCH_KIND_NEAR
    yield Marked(f" {alert.read.vrm} ", "plate")
    yield " "
    yield Marked(f"near match of {alert.entry_vrm}", "doubt") if near else Marked("exact match", "good")
    yield f" priority {alert.priority} "
    for marker in alert.markers:
        yield Marked(f" {marker} ", "danger")
        yield " "
    yield alert.reason


def _whereabouts(alert: Alert) -> Iterator[str | Marked]:
    read = alert.read
    captured = moment(read, "captured_at")
    parts = [f"alert {alert.alert_id}:", local_time(captured), read.force, read.camera_id]
    if read.HasField("position"):
        parts.append(f"({read.position.latitude:.4f} {read.position.longitude:.4f})")
    parts.append(f"list {alert.hotlist}")
    if alert.instruction:
        parts.append(f"- {alert.instruction}")
    yield " ".join(parts)
    if alert.HasField("acknowledgement"):
        yield Marked(f" {taken_text(alert.alert_id, alert.acknowledgement)}", "dim")
