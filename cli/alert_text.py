"""An alert as text: what was read and how surely, why the vehicle is of interest, where it was and when."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from gantry.common.v1.read_pb2 import ReadDetails
from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, Acknowledgement, Alert, MatchedEntry, Vehicle

from anpr.country import BRACKETED_CODES
from cli.flow import prose
from cli.forms import moment
from cli.grid import Words
from cli.output import Marked, flow, local_time

LOW_CONFIDENCE: Final = 0.8
"""Below this confidence, an alert tells people to look at the picture first."""

_INDENT: Final = "   "


def show_alert(alert: Alert) -> None:
    """Print an alert. Its first line has the plate, and what decides whether a crew is sent."""
    flow(_headline(alert), continued=_INDENT)
    for part in (_doubt(alert), _whereabouts(alert), _order(alert), *map(_also, alert.entries[1:])):
        flow(part, _INDENT)
    if alert.further_entries:
        flow(prose(f"and {alert.further_entries} more lines of the list"), _INDENT)
    if alert.HasField("acknowledgement"):
        flow(prose(taken_text(alert.alert_id, alert.acknowledgement), "dim"), _INDENT)


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


def marked_plates(alert: Alert) -> tuple[str, str]:
    """The plate as read and the plate on the list, with the characters that differ in brackets."""
    differ = frozenset(alert.differing_characters)

    def marked(vrm: str) -> str:
        return "".join(f"[{letter}]" if index in differ else letter for index, letter in enumerate(vrm))

    return marked(alert.read.vrm), marked(alert.entry_vrm)


def age_of(alert: Alert) -> timedelta:
    """How long before the alert the plate was read."""
    captured_us = alert.read.captured_at.ToMicroseconds()
    return timedelta(microseconds=alert.raised_at.ToMicroseconds() - captured_us)


def age_text(age: timedelta) -> str:
    """An age in the two largest units that matter, for example "6 h 52 min"."""
    seconds = int(age.total_seconds())
    if seconds < 60:
        return f"{seconds} s" if seconds else "under 1 s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min {seconds % 60} s" if minutes < 10 else f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{days} days"


def _headline(alert: Alert) -> Iterator[Words]:
    yield Marked(f" {alert.read.vrm} ", "plate")
    if alert.kind == MATCH_KIND_NEAR:
        yield Marked(f"near match of {alert.entry_vrm}", "doubt")
    else:
        yield Marked("exact match", "good")
    if alert.late:
        yield Marked(f" LATE: {age_text(age_of(alert))} old ", "danger")
    yield f"priority {alert.priority}"
    for marker in alert.markers:
        yield Marked(f" {marker} ", "danger")
    yield from prose(alert.reason)


def _doubt(alert: Alert) -> Iterator[Words]:
    """How sure it is that this is the vehicle."""
    facts = list(_facts(alert))
    for number, (text, style) in enumerate(facts, 1):
        yield from prose(text + ";" * (number < len(facts)), style)


def _facts(alert: Alert) -> Iterator[tuple[str, str]]:
    """Facts with their styles."""
    if alert.differing_characters:
        read_plate, listed_plate = marked_plates(alert)
        yield f"read {read_plate}, list {listed_plate}", "doubt"
    confidence = alert.read.confidence
    if confidence < LOW_CONFIDENCE:
        yield f"confidence {confidence:.2f}, LOW: look at the picture first", "doubt"
    else:
        yield f"confidence {confidence:.2f}", ""
    listed_vehicle, seen = _listed_vehicle(alert), alert.read.details
    if listed := vehicle_text(listed_vehicle):
        yield f"list: {listed}", ""
    if saw := seen_text(seen):
        yield f"camera: {saw}", ""
    if differ := differing_facts(listed_vehicle, seen):
        yield f"DIFFERENT {' and '.join(differ)}: is it this vehicle?", "doubt"


def _listed_vehicle(alert: Alert) -> Vehicle:
    """The vehicle of the first entry that describes one."""
    return next((entry.vehicle for entry in alert.entries if entry.HasField("vehicle")), Vehicle())


def vehicle_text(vehicle: Vehicle) -> str:
    """A vehicle as the list has it, for example "blue Yamaha MT-07, country DE"."""
    return _described((vehicle.colour, vehicle.make, vehicle.model), vehicle.country)


def seen_text(details: ReadDetails) -> str:
    """A vehicle as the camera saw it."""
    looks = (details.vehicle_colour, details.vehicle_make, details.vehicle_model, details.vehicle_class)
    return _described(looks, details.plate_country)


def differing_facts(listed: Vehicle, seen: ReadDetails) -> list[str]:
    """What the list says and the camera saw otherwise."""
    pairs = {
        "colour": (listed.colour, seen.vehicle_colour),
        "make": (listed.make, seen.vehicle_make),
        "model": (listed.model, seen.vehicle_model),
        "country": (_code(listed.country), _code(seen.plate_country)),
    }
    return [fact for fact, (one, other) in pairs.items() if one and other and _unlike(one, other)]


def _unlike(one: str, other: str) -> bool:
    return one.casefold() not in other.casefold() and other.casefold() not in one.casefold()


def _code(country: str) -> str:
    return BRACKETED_CODES.get(country.strip().upper(), country)


def _described(looks: tuple[str, ...], country: str) -> str:
    known = " ".join(filter(None, looks))
    return ", ".join(filter(None, (known, country and f"country {country}")))


def _whereabouts(alert: Alert) -> Iterator[Words]:
    read = alert.read
    yield f"alert {alert.alert_id}:"
    yield local_time(moment(read, "captured_at"))
    yield _age(alert)
    yield read.force
    if alert.camera_name and alert.camera_name != read.camera_id:
        yield from prose(alert.camera_name)
        yield f"[{read.camera_id}]"
    else:
        yield read.camera_id
    if read.HasField("position"):
        yield f"({read.position.latitude:.4f} {read.position.longitude:.4f})"
        if read.details.position_doubtful:
            yield Marked("place doubtful", "doubt")
    else:
        yield Marked("place not known", "doubt")
    yield f"position {alert.position}"


def _age(alert: Alert) -> str:
    age = age_of(alert)
    if age < timedelta():
        return f"({age_text(-age)} ahead of the server's clock)"
    return f"({age_text(age)} before the alert)"


def _order(alert: Alert) -> Iterator[Words]:
    """Which line of which list, and what it says to do."""
    yield from prose(f"list {alert.hotlist}")
    if alert.entries:
        yield f"line {alert.entries[0].line}"
    if alert.instruction:
        yield from prose(f"- {alert.instruction}")


def _also(entry: MatchedEntry) -> Iterator[Words]:
    """A further line of the list with the same plate."""
    yield from prose("also on the list:")
    yield f"line {entry.line},"
    yield f"priority {entry.priority}:"
    yield from prose(", ".join([*entry.markers, entry.reason]))
    if vehicle := vehicle_text(entry.vehicle):
        yield from prose(f"({vehicle})")
    if entry.instruction:
        yield from prose(f"- {entry.instruction}")
