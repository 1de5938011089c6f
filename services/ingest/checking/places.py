"""The places of reads: what they say, or their cameras', and what is odd about them."""

from __future__ import annotations

from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED
from gantry.ingest.v1.ingest_pb2 import SubmittedRead

from anpr.place import NO_FIX_DEGREES, is_no_fix
from reads.columns import PLACE_UNKNOWN
from reads.read import E7, e7
from services.ingest.cameras.expectation import Box, is_inside
from services.ingest.cameras.feeds import Camera, Feed
from services.ingest.checking import rejections, remarks
from services.ingest.checking.rejections import ReadRejected
from services.ingest.checking.remarks import Remark


def place_of(read: SubmittedRead, camera: Camera, feed: Feed, remarked: list[Remark]) -> tuple[int, int]:
    """Latitude and longitude in 1e-7 degrees. Appends to `remarked` what is odd. Raises ReadRejected."""
    if not read.HasField("position"):
        if camera.camera_id in feed.misplaced:
            remarked.append(remarks.PLACE_OUTSIDE)
        return camera.latitude_e7, camera.longitude_e7
    latitude, longitude = read.position.latitude, read.position.longitude
    # NaN compares as neither inside nor outside a range. `not inside` rejects it.
    if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
        raise ReadRejected(rejections.POSITION_INVALID)
    if is_no_fix(latitude, longitude):
        remarked.append(remarks.POSITION_UNKNOWN)
        return _without_fix(camera)
    place = e7(latitude), e7(longitude)
    box = feed.expected.get(camera.camera_id)
    if box is not None and not is_inside(*place, box):
        remarked.append(_doubt(*place, box, feed.rules.area))
    return place


def _without_fix(camera: Camera) -> tuple[int, int]:
    if camera.kind == CAMERA_KIND_FIXED:
        return camera.latitude_e7, camera.longitude_e7
    return PLACE_UNKNOWN, PLACE_UNKNOWN


def _doubt(latitude_e7: int, longitude_e7: int, box: Box, area: Box | None) -> Remark:
    if is_inside(longitude_e7, latitude_e7, box):
        return remarks.POSITION_SWAPPED
    if area is not None and not is_inside(latitude_e7, longitude_e7, area):
        return remarks.POSITION_OUTSIDE
    return remarks.POSITION_FAR


def place_columns(
    reads: list[SubmittedRead], camera_ids: list[str], feed: Feed
) -> tuple[list[int], list[int]] | None:
    """Latitudes and longitudes of a batch. None when any might be wrong, or worth a remark."""
    placed = [read.HasField("position") for read in reads]
    if False in placed and feed.misplaced and not feed.misplaced.isdisjoint(camera_ids):
        return None
    if True not in placed:
        cameras = [*map(feed.enabled.__getitem__, camera_ids)]
        return [camera.latitude_e7 for camera in cameras], [camera.longitude_e7 for camera in cameras]
    positions = [read.position for read in reads]
    latitudes = [position.latitude for position in positions]
    longitudes = [position.longitude for position in positions]
    if not _are_on_earth(latitudes, longitudes) or _is_any_without_fix(placed, latitudes, longitudes):
        return None
    north, east = [round(value * E7) for value in latitudes], [round(value * E7) for value in longitudes]
    if feed.expected and not _are_expected(placed, camera_ids, feed.expected, north, east):
        return None
    if False in placed:
        _fill_places(placed, camera_ids, feed, north, east)
    return north, east


def _are_on_earth(latitudes: list[float], longitudes: list[float]) -> bool:
    # NaN compares as neither inside nor outside a range. `not inside` rejects it.
    if [value for value in latitudes if not -90.0 <= value <= 90.0]:
        return False
    return not [value for value in longitudes if not -180.0 <= value <= 180.0]


def _is_any_without_fix(placed: list[bool], latitudes: list[float], longitudes: list[float]) -> bool:
    if min(map(abs, latitudes)) >= NO_FIX_DEGREES:
        return False
    there = zip(placed, latitudes, longitudes, strict=True)
    return any(is_placed and is_no_fix(latitude, longitude) for is_placed, latitude, longitude in there)


def _are_expected(
    placed: list[bool], camera_ids: list[str], expected: dict[str, Box], north: list[int], east: list[int]
) -> bool:
    """Whether each given position lies where its camera is expected."""
    boxes = map(expected.get, camera_ids)
    for is_placed, box, latitude, longitude in zip(placed, boxes, north, east, strict=True):
        if box is not None and is_placed and not is_inside(latitude, longitude, box):
            return False
    return True


def _fill_places(
    placed: list[bool], camera_ids: list[str], feed: Feed, north: list[int], east: list[int]
) -> None:
    cameras = feed.enabled
    for index, is_placed in enumerate(placed):
        if not is_placed:
            camera = cameras[camera_ids[index]]
            north[index], east[index] = camera.latitude_e7, camera.longitude_e7
