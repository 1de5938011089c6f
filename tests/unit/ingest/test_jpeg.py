"""The JPEG check: cheap, and never fooled into reading past the end."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.ingest.checking.jpeg import fault_in


def picture(**options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (120, 60), "white").save(out, "JPEG", **options)
    return out.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 10}, {"comment": b"x" * 500}])
def test_jpegs(options: dict[str, object]) -> None:
    assert fault_in(picture(**options)) is None
    assert fault_in(picture(**options) + b"\0" * 16) is None


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"\xff\xd8\xff\xe0\x00\x00\xff\xd9",
        b"\xff\xd8\xff\xda\x00\x08\xff\xd9",
        b"\xff\xd8" + b"\xff" * 100 + b"\xff\xd9",
        picture()[:-2],
        picture()[: len(picture()) // 2],
        b"x" + picture(),
    ],
)
def test_not_jpegs(image: bytes) -> None:
    assert fault_in(image) is not None


def test_a_picture_without_size() -> None:
    image = bytearray(picture())
    frame = image.index(b"\xff\xc0")
    image[frame + 5 : frame + 7] = b"\0\0"
    assert fault_in(bytes(image)) is not None


def with_size(width: int, height: int) -> bytes:
    image = bytearray(picture())
    frame = image.index(b"\xff\xc0")
    image[frame + 5 : frame + 9] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(image)


@pytest.mark.parametrize(
    ("width", "height"), [(65_535, 65_535), (65_535, 1), (1, 65_535), (16_384, 16_384), (16_385, 10)]
)
def test_a_picture_of_impossible_size(width: int, height: int) -> None:
    assert "pixels" in str(fault_in(with_size(width, height)))


@pytest.mark.parametrize(("width", "height"), [(120, 60), (1, 1), (7_680, 4_320), (8_192, 6_144)])
def test_a_picture_of_possible_size(width: int, height: int) -> None:
    assert fault_in(with_size(width, height)) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(b"PK\x03\x04archive", id="zip"),
        pytest.param(b"%PDF-1.7 document", id="pdf"),
        pytest.param(b"<html><script>", id="html"),
        pytest.param(b"\x89PNG\r\n\x1a\n more", id="png"),
        pytest.param(picture(), id="another jpeg"),
        pytest.param(b"x", id="one byte"),
        pytest.param(b"\0" * 65, id="much padding"),
    ],
)
def test_other_data_behind_the_picture(other: bytes) -> None:
    assert "behind" in str(fault_in(picture() + other))


@pytest.mark.parametrize(
    "other",
    [b"%PDF-1.7 and then a whole document", b"<HTML>  <ScRiPt>alert(1)</script>", b"x" * 30 + b"PK\x05\x06"],
)
def test_another_format_in_a_comment(other: bytes) -> None:
    assert "another format" in str(fault_in(picture(comment=other)))


def test_two_frames_and_bytes_between_segments() -> None:
    image = picture()
    frame = image.index(b"\xff\xc0")
    assert fault_in(image[:frame] + image[frame : frame + 19] + image[frame:]) is not None
    assert "between" in str(fault_in(image[:frame] + b"PK" + image[frame:]))


def test_a_thumbnail_in_the_metadata_is_no_second_picture() -> None:
    exif = b"Exif\0\0" + picture()
    assert fault_in(picture(exif=exif)) is None


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_a_changed_byte_is_answered(place: int, value: int) -> None:
    image = bytearray(picture())
    image[place % len(image)] = value
    fault = fault_in(bytes(image))
    assert fault is None or fault.isprintable()


@given(st.binary(max_size=100), st.binary(max_size=10))
def test_any_bytes_are_answered(body: bytes, end: bytes) -> None:
    fault_in(body)
    fault_in(b"\xff\xd8\xff" + body + b"\xff\xd9" + end)


def test_a_head_that_was_right_before_does_not_vouch_for_what_follows() -> None:
    right = picture()
    assert fault_in(right) is None
    scan = right.index(b"\xff\xda")
    assert fault_in(right[:scan]) is not None
    assert fault_in(right[:scan] + b"\xff\xd9") is not None
    assert fault_in(right[:scan] + right[scan : scan + 4]) is not None
    hidden = b"\xff\xfe\x00\x20" + b"<script>".ljust(30)
    assert fault_in(right[:scan] + hidden + right[scan:]) == fault_in(right[:-2] + hidden + right[-2:])
    assert "another format" in (fault_in(right[:scan] + hidden + right[scan:]) or "")
    frame = right[right.index(b"\xff\xc0") :][:19]
    assert fault_in(right[:scan] + frame + right[scan:]) is not None
