"""The cameras of the world as a force's engineer would enrol them."""

from collections.abc import Iterator
from uuid import uuid4

from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED, CAMERA_KIND_MOBILE, Camera, EnrolCamerasRequest

from simulators.cameras.world import CameraSite, World


def enrolments(world: World, *, new_token: bool = False) -> Iterator[EnrolCamerasRequest]:
    """One request for each feed; with `new_token`, feeds that ingest knows already get a new token.

    The answers' tokens, by force and feed, are what the token file of the simulator holds.
    """
    for feed in world.feeds:
        yield EnrolCamerasRequest(
            force=feed.force,
            feed=feed.name,
            cameras=[_camera(site) for site in feed.cameras],
            new_token=new_token,
            request_id=str(uuid4()),
        )


def _camera(site: CameraSite) -> Camera:
    if site.kind == "mobile":
        return Camera(camera_id=site.camera_id, name=site.name, kind=CAMERA_KIND_MOBILE)
    position = Position(latitude=site.latitude, longitude=site.longitude)
    return Camera(camera_id=site.camera_id, name=site.name, kind=CAMERA_KIND_FIXED, position=position)
