"""Whether bytes are a JPEG. Reads the markers and decodes nothing, so it is cheap enough for every image."""

from __future__ import annotations

from typing import Final

_START: Final = b"\xff\xd8\xff"
_END: Final = b"\xff\xd9"
# Some cameras write padding after the end marker.
_PADDING: Final = 64
_MOST_SEGMENTS: Final = 64
_FILL: Final = 0xFF
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LEAST_FRAME: Final = 11
_SCAN: Final = 0xDA


def is_jpeg(image: bytes) -> bool:
    """Whether the bytes begin and end as a JPEG and have a frame with a width and a height."""
    if not image.startswith(_START):
        return False
    if not image.endswith(_END) and image.rfind(_END, -_PADDING) < 0:
        return False
    return _has_frame(image)


def _has_frame(image: bytes) -> bool:
    """Read the segments up to the frame header, which states the size of the picture."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        while image[at : at + 2] == b"\xff\xff":
            at += 1
        if at + 4 > len(image) or image[at] != _FILL:
            return False
        marker, length = image[at + 1], int.from_bytes(image[at + 2 : at + 4])
        if marker in _FRAMES:
            size = image[at + 5 : at + 9]
            return length >= _LEAST_FRAME and len(size) == 4 and size[:2] != b"\0\0" and size[2:] != b"\0\0"
        if marker == _SCAN or length < 2:
            return False
        at += 2 + length
    return False
