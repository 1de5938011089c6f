"""The services' messages as plain values for `--json`: stable names, ISO 8601 times, real numbers."""

from datetime import UTC, datetime
from typing import Any

from gantry.bridge.v1.bridge_pb2 import (
    Destination,
    DestinationImages,
    DestinationState,
    ForwarderState,
    GetReceiptResponse,
)
from gantry.common.v1.audit_action_pb2 import AuditAction
from gantry.common.v1.read_pb2 import Direction, Read
from gantry.ingest.v1.cameras_pb2 import Camera, CameraHealth, CameraKind
from gantry.ingest.v1.ingest_pb2 import RejectionReason, WarningReason
from gantry.match.v1.alert_pb2 import Acknowledgement, Alert, MatchedEntry, MatchKind
from gantry.match.v1.hotlist_pb2 import Hotlist, ImportHeader, ImportHotlistResponse, LineError
from gantry.store.v1.audit_pb2 import AuditRecord
from gantry.store.v1.forces_pb2 import Force, ForceState
from gantry.store.v1.search_pb2 import IMAGE_KIND_PLATE_PATCH, ImageKind, StoredRead
from google.protobuf.timestamp_pb2 import Timestamp


def moment(message: Any, field: str) -> datetime | None:
    """A message's time, or None when it is absent."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(tzinfo=UTC)


def iso(message: Any, field: str) -> str | None:
    """The same as ISO 8601 text."""
    found = moment(message, field)
    return None if found is None else found.isoformat().replace("+00:00", "Z")


def word(enum: Any, number: int, prefix: str) -> str:
    """An enum's value as people write it: lower case, without the enum's own name."""
    name: str = enum.Name(number) if number in enum.values() else str(number)
    return name.removeprefix(prefix).lower()


def kind_word(kind: ImageKind.ValueType) -> str:
    """A picture's kind, as `--kind` takes it."""
    return "plate" if kind == IMAGE_KIND_PLATE_PATCH else word(ImageKind, kind, "IMAGE_KIND_")


def read_form(read: Read) -> dict[str, Any]:
    """A read."""
    details = read.details
    return {
        "force": read.force,
        "camera_id": read.camera_id,
        "read_id": read.read_id,
        "captured_at": iso(read, "captured_at"),
        "vrm": read.vrm,
        "confidence": round(read.confidence, 4),
        "lat": read.position.latitude if read.HasField("position") else None,
        "lon": read.position.longitude if read.HasField("position") else None,
        "heading": read.heading if read.HasField("heading") else None,
        "position_doubtful": details.position_doubtful,
        "lane": details.lane or None,
        "direction": word(Direction, details.direction, "DIRECTION_") if details.direction else None,
        "speed_kph": round(details.speed_kph, 1) if details.HasField("speed_kph") else None,
        "plate_country": details.plate_country or None,
        "vehicle": {
            "make": details.vehicle_make or None,
            "model": details.vehicle_model or None,
            "colour": details.vehicle_colour or None,
            "class": details.vehicle_class or None,
        },
    }


def place_of(read: Read) -> str:
    """Where a read was made: latitude and longitude, with the doubt about them; a dash when not known."""
    if not read.HasField("position"):
        return "-"
    doubt = " (doubtful)" if read.details.position_doubtful else ""
    return f"{read.position.latitude:.5f} {read.position.longitude:.5f}{doubt}"


def stored_form(stored: StoredRead) -> dict[str, Any]:
    """A read in the buffer."""
    return read_form(stored.read) | {
        "position": stored.position,
        "received_at": iso(stored, "received_at"),
        "plate_patch_bytes": stored.plate_patch_bytes,
        "overview_bytes": stored.overview_bytes,
        "traceparent": stored.traceparent,
    }


def camera_form(force: str, camera: Camera) -> dict[str, Any]:
    """An enrolled camera."""
    placed = camera.HasField("position")
    return {
        "force": force,
        "camera_id": camera.camera_id,
        "name": camera.name,
        "kind": word(CameraKind, camera.kind, "CAMERA_KIND_"),
        "lat": camera.position.latitude if placed else None,
        "lon": camera.position.longitude if placed else None,
        "feed": camera.feed,
        "enabled": camera.enabled,
    }


def health_form(health: CameraHealth) -> dict[str, Any]:
    """The health of a camera."""
    return {
        "accepted": health.accepted,
        "duplicate": health.duplicate,
        "rejected": {
            word(RejectionReason, one.reason, "REJECTION_REASON_").upper(): one.count
            for one in health.rejected
        },
        "warnings": {
            word(WarningReason, one.reason, "WARNING_REASON_").upper(): one.count for one in health.warnings
        },
        "last_received_at": iso(health, "last_received_at"),
        "last_captured_at": iso(health, "last_captured_at"),
    }


def hotlist_form(force: str, hotlist: Hotlist) -> dict[str, Any]:
    """A hotlist."""
    return {
        "force": force,
        "name": hotlist.name,
        "version": hotlist.version,
        "entries": hotlist.entries,
        "expired_entries": hotlist.expired_entries,
        "near_matches": hotlist.near_matches,
        "activated_at": iso(hotlist, "activated_at"),
        "imported_by": hotlist.imported_by,
    }


def import_form(header: ImportHeader, answer: ImportHotlistResponse) -> dict[str, Any]:
    """The result of an import."""
    return {
        "force": header.force,
        "name": header.name,
        "version": answer.version,
        "dry_run": header.dry_run,
        "entries": answer.entries,
        "expired_lines": answer.expired_lines,
        "repeated_lines": answer.repeated_lines,
        "rejected_lines": answer.rejected_lines,
        "left_out_lines": answer.furniture_lines,
        "errors": [_line_form(error) for error in answer.errors],
        "remarks": [_line_form(remark) for remark in answer.remarks],
        "ignored_columns": list(answer.ignored_columns),
    }


def _line_form(error: LineError) -> dict[str, Any]:
    return {"line": error.line, "column": error.column, "message": error.message}


def acknowledgement_form(alert_id: str, acknowledgement: Acknowledgement) -> dict[str, Any]:
    """The acknowledgement of an alert."""
    return {
        "alert_id": alert_id,
        "person": acknowledgement.person,
        "at": iso(acknowledgement, "at"),
        "note": acknowledgement.note,
    }


def entry_form(entry: MatchedEntry) -> dict[str, Any]:
    """A line of a hotlist that an alert was raised for."""
    vehicle = entry.vehicle
    return {
        "line": entry.line,
        "reason": entry.reason,
        "priority": entry.priority,
        "markers": list(entry.markers),
        "instruction": entry.instruction,
        "weed_at": iso(entry, "weed_at"),
        "vehicle": {
            "make": vehicle.make or None,
            "model": vehicle.model or None,
            "colour": vehicle.colour or None,
            "country": vehicle.country or None,
        },
    }


def alert_form(alert: Alert) -> dict[str, Any]:
    """An alert."""
    taken = alert.HasField("acknowledgement")
    return {
        "alert_id": alert.alert_id,
        "kind": word(MatchKind, alert.kind, "MATCH_KIND_"),
        "hotlist": alert.hotlist,
        "entry_vrm": alert.entry_vrm,
        "reason": alert.reason,
        "priority": alert.priority,
        "markers": list(alert.markers),
        "instruction": alert.instruction,
        "entries": [entry_form(entry) for entry in alert.entries],
        "further_entries": alert.further_entries,
        "camera_name": alert.camera_name,
        "differing_characters": list(alert.differing_characters),
        "raised_at": iso(alert, "raised_at"),
        "age_seconds": alert.age.ToMicroseconds() / 1e6 if alert.HasField("age") else None,
        "late": alert.late,
        "position": alert.position,
        "read": read_form(alert.read),
        "acknowledgement": acknowledgement_form(alert.alert_id, alert.acknowledgement) if taken else None,
    }


def destination_form(force: str, destination: Destination) -> dict[str, Any]:
    """A destination of a force."""
    return {
        "force": force,
        "name": destination.name,
        "state": word(ForwarderState, destination.state, "FORWARDER_STATE_"),
        "position": destination.position,
        "head": destination.head,
        "lag": max(0, destination.head - destination.position),
        "delivered": destination.delivered,
        "dead_letters": destination.dead_letters,
        "last_delivered_at": iso(destination, "last_delivered_at"),
        "last_error": destination.last_error,
        "failing_since": iso(destination, "failing_since"),
        "desired_state": word(DestinationState, destination.desired_state, "DESTINATION_STATE_"),
        "paused": destination.paused,
        "stopped_reason": destination.stopped_reason,
        "adapter": destination.settings.adapter,
        "options": dict(destination.settings.options),
        "images": word(DestinationImages, destination.settings.images, "DESTINATION_IMAGES_"),
    }


def force_form(force: Force) -> dict[str, Any]:
    """A force. Without words or area of its own, these are null."""
    settings = force.settings
    area, words = settings.area, settings.not_read_words
    return {
        "force": force.code,
        "name": force.name,
        "state": word(ForceState, force.state, "FORCE_STATE_"),
        "created_at": iso(force, "created_at"),
        "retired_at": iso(force, "retired_at"),
        "area": [area.south, area.west, area.north, area.east] if settings.HasField("area") else None,
        "not_read_words": list(words.words) if settings.HasField("not_read_words") else None,
    }


def receipt_form(destination: str, receipt: GetReceiptResponse) -> dict[str, Any]:
    """A destination's receipt."""
    return {
        "destination": destination,
        "receipt_id": receipt.receipt_id,
        "first_position": receipt.first_position,
        "last_position": receipt.last_position,
        "accepted": receipt.accepted,
        "duplicate": receipt.duplicate,
        "refused": receipt.refused,
        "received_at": iso(receipt, "received_at"),
        "traceparent": receipt.traceparent,
    }


def audit_form(force: str, record: AuditRecord) -> dict[str, Any]:
    """A record of the audit trail."""
    return {
        "force": force,
        "number": record.number,
        "recorded_at": iso(record, "recorded_at"),
        "service": record.service,
        "person": record.person,
        "action": word(AuditAction, record.action, "AUDIT_ACTION_"),
        "reason": record.purpose.justification,
        "code": record.purpose.code,
        "reference": record.purpose.reference,
        "approval_id": record.purpose.approval_id,
        "subject": record.subject,
        "hash": record.hash.hex(),
    }
