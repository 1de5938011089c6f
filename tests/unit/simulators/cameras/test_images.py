"""Pictures keep to the national limits, are real JPEG, and belong to one read only."""

from datetime import UTC, datetime
from io import BytesIO
from time import process_time

import pytest
from PIL import Image

from simulators.cameras.images import MAX_OVERVIEW_BYTES, MAX_PATCH_BYTES, overview_jpeg, patch_jpeg
from simulators.cameras.vehicles import Fleet
from simulators.cameras.world import World

_WORLD = World.build(1)
_FLEET = Fleet(1)
_HOURS = (3, 6, 12, 19, 23)


def _pictures(number: int) -> tuple[bytes, bytes]:
    camera = _WORLD.cameras[number * 7 % len(_WORLD.cameras)]
    vehicle, rear, read_id = _FLEET.vehicle(number), number % 3 == 0, f"kq7xm-{number:06d}"
    at = datetime(2026, 3, 1, _HOURS[number % 5], number % 60, 7, 123_000, UTC)
    overview = overview_jpeg(
        camera, read_id, vehicle, rear=rear, lane=1 + number % camera.lanes, captured_at=at
    )
    return patch_jpeg(camera, read_id, vehicle.plate, rear), overview


@pytest.fixture(scope="module")
def pictures() -> list[tuple[bytes, bytes]]:
    return [_pictures(number) for number in range(300)]


def test_pictures_keep_to_the_national_limits(pictures: list[tuple[bytes, bytes]]) -> None:
    assert max(len(patch) for patch, _ in pictures) <= MAX_PATCH_BYTES == 3 * 1024
    assert max(len(overview) for _, overview in pictures) <= MAX_OVERVIEW_BYTES == 25 * 1024


def test_pictures_are_jpeg_of_the_promised_size(pictures: list[tuple[bytes, bytes]]) -> None:
    for patch, overview in pictures[:40]:
        with Image.open(BytesIO(patch)) as opened:
            opened.load()
            assert (opened.format, opened.size) == ("JPEG", (120, 60))
        with Image.open(BytesIO(overview)) as opened:
            opened.load()
            assert opened.format == "JPEG"
            assert opened.width >= 480


def test_no_two_reads_share_a_picture(pictures: list[tuple[bytes, bytes]]) -> None:
    assert (
        len({patch for patch, _ in pictures}) == len({overview for _, overview in pictures}) == len(pictures)
    )


def test_a_picture_names_its_camera_and_read_but_not_the_plate(pictures: list[tuple[bytes, bytes]]) -> None:
    for number, (patch, overview) in enumerate(pictures[:40]):
        camera = _WORLD.cameras[number * 7 % len(_WORLD.cameras)]
        for picture in (patch, overview):
            with Image.open(BytesIO(picture)) as opened:
                assert opened.info["comment"] == f"{camera.camera_id} kq7xm-{number:06d}".encode()


def test_the_same_read_gives_the_same_bytes(pictures: list[tuple[bytes, bytes]]) -> None:
    assert [_pictures(number) for number in range(20)] == pictures[:20]


def test_the_plate_is_drawn_bright_in_the_patch(pictures: list[tuple[bytes, bytes]]) -> None:
    with Image.open(BytesIO(pictures[1][0])) as opened:
        dark, bright = opened.convert("L").getextrema()
    assert dark < 60
    assert bright > 200


def test_two_pictures_cost_little_processor_time() -> None:
    _pictures(0)
    began = process_time()
    for number in range(1000, 1400):
        _pictures(number)
    # The aim is 2 ms; the bound leaves room for a slow and busy machine.
    assert (process_time() - began) / 400 < 0.008
