"""The two pictures of a read: cheap to draw, within the national limits, and different for every read."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw

from simulators.cameras import scenery
from simulators.cameras.plate_art import font, patch_picture, plate_picture
from simulators.cameras.plates import Plate
from simulators.cameras.vehicles import Vehicle
from simulators.cameras.world import CameraSite

MAX_PATCH_BYTES = 3_072
MAX_OVERVIEW_BYTES = 25_600
_CAPTION_HEIGHT = 18
_MINUTE_WIDTH = 112
_PLATE_IN_SCENE = 60, 13


def patch_jpeg(camera: CameraSite, read_id: str, plate: Plate, rear: bool) -> bytes:
    """The plate patch of a read, at most 3,072 bytes.

    The picture is drawn once a plate; a JPEG comment with camera and read id makes the bytes unique.
    """
    return _signed(_plain_patch(plate, rear), f"{camera.camera_id} {read_id}")


def overview_jpeg(
    camera: CameraSite, read_id: str, vehicle: Vehicle, *, rear: bool, lane: int, captured_at: datetime
) -> bytes:
    """The overview of a read, at most 25,600 bytes, with camera, place and time burned in."""
    light = scenery.light_at(captured_at.hour)
    picture = scenery.background(camera.number % scenery.SCENES, _edge(camera, lane), light).copy()
    _place_vehicle(picture, vehicle, rear, light, sum(map(ord, read_id)))
    _write_caption(picture, camera, captured_at)
    return _signed(_encoded(picture, 48), f"{camera.camera_id} {read_id}")


def _edge(camera: CameraSite, lane: int) -> scenery.Edge:
    if lane == 1:
        return "nearside"
    return "offside" if lane == camera.lanes else "middle"


def _write_caption(picture: Image.Image, camera: CameraSite, at: datetime) -> None:
    seconds_left = scenery.OVERVIEW_SIZE[0] - 44
    picture.paste(_caption(camera), (0, 0))
    picture.paste(_minute(at.replace(second=0, microsecond=0)), (seconds_left - _MINUTE_WIDTH, 0))
    for place, digit in enumerate(f"{at:%S.%f}"[:6]):
        picture.paste(_digit(digit), (seconds_left + 7 * place, 0))


def _place_vehicle(
    picture: Image.Image, vehicle: Vehicle, rear: bool, light: scenery.Light, scatter: int
) -> None:
    body, mask = scenery.vehicle_picture(vehicle.kind, vehicle.colour, rear, light)
    # A moving vehicle is never caught twice in quite the same place.
    middle, floor = 250 + scatter % 15 - 7, 272 + scatter % 7 - 3
    picture.paste(body, (middle - body.width // 2, floor - body.height), mask)
    across, up = scenery.plate_place(vehicle.kind)
    plate = _scene_plate(vehicle.plate, rear)
    picture.paste(plate, (middle + across - plate.width // 2, floor + up - plate.height // 2))


@lru_cache(maxsize=2048)
def _scene_plate(plate: Plate, rear: bool) -> Image.Image:
    return plate_picture(plate, rear).resize(_PLATE_IN_SCENE, Image.Resampling.BOX)


@lru_cache(maxsize=2048)
def _plain_patch(plate: Plate, rear: bool) -> bytes:
    return _encoded(patch_picture(plate, rear), 72)


@lru_cache(maxsize=256)
def _caption(camera: CameraSite) -> Image.Image:
    text, place = f"{camera.camera_id}  {camera.name}", (5, _CAPTION_HEIGHT // 2)
    width = scenery.OVERVIEW_SIZE[0]
    return _strip(width, lambda draw: draw.text(place, text, fill=255, font=font(12), anchor="lm"))


@lru_cache(maxsize=64)
def _minute(minute: datetime) -> Image.Image:
    place = _MINUTE_WIDTH - 2, _CAPTION_HEIGHT // 2
    text = f"{minute:%Y-%m-%d %H:%M:}"
    return _strip(_MINUTE_WIDTH, lambda draw: draw.text(place, text, fill=255, font=font(12), anchor="rm"))


@lru_cache(maxsize=16)
def _digit(character: str) -> Image.Image:
    centre = 3.5, _CAPTION_HEIGHT / 2
    return _strip(7, lambda draw: draw.text(centre, character, fill=255, font=font(12), anchor="mm"))


def _strip(width: int, write: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
    strip = Image.new("L", (width, _CAPTION_HEIGHT))
    write(ImageDraw.Draw(strip))
    return strip.convert("RGB")


def _encoded(picture: Image.Image, quality: int) -> bytes:
    target = BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return target.getvalue()


def _signed(jpeg: bytes, comment: str) -> bytes:
    """The JPEG with a comment segment after its first (JFIF) segment."""
    text = comment.encode("ascii")
    after_header = 4 + int.from_bytes(jpeg[4:6], "big")
    segment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
    return jpeg[:after_header] + segment + jpeg[after_header:]
