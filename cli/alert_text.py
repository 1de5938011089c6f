"""An alert as text: the plate, the place, and why the vehicle is of interest."""

from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, Acknowledgement, Alert

from cli.forms import moment
from cli.output import local_time, plain


def alert_text(alert: Alert) -> str:
    """An alert in two lines of markup."""
    return f"{_headline(alert)}\n   {_whereabouts(alert)}"


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


def _headline(alert: Alert) -> str:
    match = "[green]exact match[/green]"
    if alert.kind == MATCH_KIND_NEAR:
        match = f"[yellow]near match of {plain(alert.entry_vrm)}[/yellow]"
    parts = [f"[bold black on yellow] {plain(alert.read.vrm)} [/]", match, f"priority {alert.priority}"]
    parts += [f"[bold white on red] {plain(marker)} [/]" for marker in alert.markers]
    return " ".join([*parts, plain(alert.reason)])


def _whereabouts(alert: Alert) -> str:
    read = alert.read
    captured = moment(read, "captured_at")
    parts = [f"alert {plain(alert.alert_id)}:", local_time(captured), read.force, plain(read.camera_id)]
    if read.HasField("position"):
        parts.append(f"({read.position.latitude:.4f} {read.position.longitude:.4f})")
    parts.append(f"list {plain(alert.hotlist)}")
    if alert.instruction:
        parts.append(f"- {plain(alert.instruction)}")
    if alert.HasField("acknowledgement"):
        parts.append(f"[dim]{plain(taken_text(alert.alert_id, alert.acknowledgement))}[/dim]")
    return " ".join(parts)
