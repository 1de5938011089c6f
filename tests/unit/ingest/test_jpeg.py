"""The JPEG check: cheap, and never fooled into reading past the end."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.ingest.checking.jpeg import is_jpeg


def picture(**options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (120, 60), "white").save(out, "JPEG", **options)
    return out.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 10}, {"comment": b"x" * 500}])
def test_jpegs(options: dict[str, object]) -> None:
    assert is_jpeg(picture(**options))
    assert is_jpeg(picture(**options) + b"\0" * 16)


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
    assert not is_jpeg(image)


def test_a_picture_without_size() -> None:
    image = bytearray(picture())
    frame = image.index(b"\xff\xc0")
    image[frame + 5 : frame + 7] = b"\0\0"
    assert not is_jpeg(bytes(image))


@given(st.binary(max_size=100), st.binary(max_size=10))
def test_any_bytes_are_answered(body: bytes, end: bytes) -> None:
    is_jpeg(body)
    is_jpeg(b"\xff\xd8\xff" + body + b"\xff\xd9" + end)
