"""Enrolling, listing and switching cameras: the check of requests, and the port to the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1 import cameras_pb2 as pb

from anpr.identifiers import is_camera_id, oddity_of_id, oddity_of_name
from anpr.place import is_no_fix
from chassis.errors import InvalidInput
from reads.canary import CANARY

MOST_CAMERAS: Final = 1_000
_MOST_NAME: Final = 200
_RESERVED: Final = "this name is reserved for the reads by which the service tests itself; choose another"


@dataclass(frozen=True, slots=True)
class EnrolledCamera:
    """A camera in the registry. Angles are in degrees, None when the place is not known."""

    camera_id: str
    name: str
    kind: pb.CameraKind.ValueType
    latitude: float | None
    longitude: float | None
    feed: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class CameraChange:
    """The values of a camera in an enrolment.

    None: a known camera keeps its value, a new one gets a default.
    """

    camera_id: str
    name: str | None
    kind: pb.CameraKind.ValueType | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A request to enrol. `digest` is its SHA-256, `token_sha256` that of a fresh token."""

    force: str
    feed: str
    cameras: Sequence[CameraChange]
    new_token: bool
    request_id: UUID
    digest: bytes
    token_sha256: bytes


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The result of an enrolment. `token_used`: the fresh token is now the feed's."""

    created: int
    updated: int
    token_used: bool


@dataclass(frozen=True, slots=True)
class Health:
    """The counts of a camera since it was enrolled: `rejected` and `warned` by number of the reason."""

    camera_id: str
    accepted: int
    duplicate: int
    rejected: dict[int, int]
    warned: dict[int, int]
    last_received_at: datetime | None
    last_captured_at: datetime | None


class CameraRegistry(Protocol):
    """The registry in the database. Every method sees the rows of one force only."""

    async def enrol(self, enrolment: Enrolment) -> Enrolled:
        """Enrol once for each request id. Of a known camera only the given values change.

        Raises AlreadyExists REQUEST_ID_REUSED for the id of another request, and InvalidInput CAMERA_INVALID
        for a place of a camera that is mobile.
        """

    async def enrol_canary(self, force: str, token_sha256: bytes) -> None:
        """Give the canary's feed of a force this token; make the feed and its camera if they are missing.

        No other method shows or changes them.
        """

    async def cameras(self, force: str, after: str, most: int) -> list[EnrolledCamera]:
        """Up to `most` cameras whose ids follow `after`, by id."""

    async def snapshot(self, force: str) -> tuple[int, list[EnrolledCamera]]:
        """The registry's version, and all cameras of a force by id, as of one moment."""

    async def switch(self, force: str, camera_id: str, *, enabled: bool) -> EnrolledCamera | None:
        """Switch a camera on or off and return it. None: the camera is unknown."""

    async def health(self, force: str, after: str, most: int) -> list[Health]:
        """The health of up to `most` cameras whose ids follow `after`, by id."""


def cameras_from(cameras: Sequence[pb.Camera]) -> list[CameraChange]:
    """The changes of cameras in a request. Raises InvalidInput CAMERA_INVALID with the field at fault."""
    if not 1 <= len(cameras) <= MOST_CAMERAS:
        raise camera_invalid("cameras", f"enrol 1 to {MOST_CAMERAS} cameras in one request")
    seen: set[str] = set()
    for index, camera in enumerate(cameras):
        _check(camera, f"cameras[{index}]")
        if camera.camera_id in seen:
            raise camera_invalid(f"cameras[{index}].camera_id", "a camera should occur once in a request")
        seen.add(camera.camera_id)
    return [_change_from(camera) for camera in cameras]


def camera_message(camera: EnrolledCamera) -> pb.Camera:
    """The camera as the contract carries it."""
    message = pb.Camera(
        camera_id=camera.camera_id,
        name=camera.name,
        kind=camera.kind,
        feed=camera.feed,
        enabled=camera.enabled,
    )
    if camera.latitude is not None and camera.longitude is not None:
        message.position.CopyFrom(Position(latitude=camera.latitude, longitude=camera.longitude))
    return message


def camera_invalid(field: str, message: str) -> InvalidInput:
    """The fault for a request that cannot be carried out."""
    return InvalidInput("CAMERA_INVALID", f"{field}: {message}", field=field)


def placed_mobile(where: str) -> InvalidInput:
    """The fault for a mobile camera with a place."""
    return camera_invalid(f"{where}.position", "a mobile camera has no place of its own; leave it out")


def require_not_reserved(name: str, field: str) -> None:
    """Raise InvalidInput CAMERA_INVALID for the name of the canary's feed and camera."""
    if name == CANARY:
        raise camera_invalid(field, _RESERVED)


def _check(camera: pb.Camera, where: str) -> None:
    if not is_camera_id(camera.camera_id):
        raise camera_invalid(
            f"{where}.camera_id", "should be 1 to 64 of letters, digits, dot, dash, underscore"
        )
    if (oddity := oddity_of_id(camera.camera_id)) is not None:
        raise camera_invalid(f"{where}.camera_id", oddity)
    require_not_reserved(camera.camera_id, f"{where}.camera_id")
    if (oddity := oddity_of_name(camera.name)) is not None:
        raise camera_invalid(f"{where}.name", oddity)
    if len(camera.name) > _MOST_NAME or not camera.name.isprintable():
        raise camera_invalid(f"{where}.name", f"should be at most {_MOST_NAME} printable characters")
    if camera.kind not in pb.CameraKind.values():
        raise camera_invalid(f"{where}.kind", "should be fixed, mobile or portable")
    if camera.HasField("position"):
        if camera.kind == pb.CAMERA_KIND_MOBILE:
            raise placed_mobile(where)
        _check_place(camera.position, f"{where}.position")


def _check_place(place: Position, where: str) -> None:
    if not -90.0 <= place.latitude <= 90.0:
        raise camera_invalid(f"{where}.latitude", "should be -90 to 90 degrees")
    if not -180.0 <= place.longitude <= 180.0:
        raise camera_invalid(f"{where}.longitude", "should be -180 to 180 degrees")
    if is_no_fix(place.latitude, place.longitude):
        raise camera_invalid(
            where, "0,0 is what a receiver without a fix reports; leave the place out until it is known"
        )


def _change_from(camera: pb.Camera) -> CameraChange:
    placed = camera.HasField("position")
    return CameraChange(
        camera.camera_id,
        camera.name or None,
        camera.kind or None,
        camera.position.latitude if placed else None,
        camera.position.longitude if placed else None,
    )
