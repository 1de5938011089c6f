"""Whether bytes are one JPEG and nothing else. Reads the markers and decodes nothing, so it is cheap."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MOST_SIDE: Final = 16_384
"""Most pixels of a side. Larger pictures are no camera's, and would cost a reader gigabytes."""
MOST_PIXELS: Final = 64_000_000

_START: Final = b"\xff\xd8\xff"
# Some cameras pad the picture to a multiple of their block. Only these bytes are padding.
_PADDING: Final = b"\0\xff\r\n "
_MOST_PADDING: Final = 64
_MOST_SEGMENTS: Final = 256
_FIRST: Final = 2
_LONGEST_HEAD: Final = 2048
_FILL: Final = 0xFF
_END: Final = 0xD9
_SCAN: Final = 0xDA
_SCAN_BEGINS: Final = b"\xff\xda"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
_TEXTS: Final = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Markers of applications' data and of comments."""
_SHORT_TEXT: Final = 16
_COMPONENTS: Final = (1, 3, 4)
# In a scan, 0xFF is followed by zero, or by a restart marker, or it begins the next segment.
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_OTHER_FORMATS: Final = re.compile(
    b"|".join(
        map(
            re.escape,
            (
                b"%pdf-",
                b"pk\x03\x04",
                b"pk\x05\x06",
                b"rar!\x1a",
                b"7z\xbc\xaf",
                b"\x89png\r\n",
                b"gif87a",
                b"gif89a",
                b"\x7felf",
                b"mz\x90\0",
                b"<html",
                b"<!doctype",
                b"<script",
                b"<svg",
                b"<?php",
            ),
        )
    )
)
"""How other formats begin, in small letters."""


class _Broken(ValueError):  # noqa: N818 - a verdict, not an error
    """The bytes are not one whole JPEG of possible dimensions. The text says why."""


def fault_in(image: bytes) -> str | None:
    """What is wrong with a picture, in one sentence; None for one whole JPEG of possible dimensions."""
    try:
        _require_padding(image, _end_of_picture(image))
    except _Broken as broken:
        return str(broken)
    return None


def _end_of_picture(image: bytes) -> int:
    """Read the segments up to the end marker; the offset behind it."""
    if not image.startswith(_START):
        raise _Broken("the image is not a JPEG")
    at = _begin_of_scan(image)
    framed, scanned = at > _FIRST, False
    for _ in range(_MOST_SEGMENTS):
        at = _marker(image, at)
        marker = image[at + 1]
        if marker == _END and scanned:
            return at + 2
        if marker == _SCAN and framed:
            at, scanned = _end_of_scan(image, _end_of_segment(image, at)), True
        else:
            at, framed = _behind_segment(image, at, framed=framed)
    raise _Broken("the JPEG has too many segments")


def _begin_of_scan(image: bytes) -> int:
    """The offset of the first scan when a usual head stands before it, else that of the first segment."""
    end = image.find(_SCAN_BEGINS, _FIRST, _LONGEST_HEAD)
    return end if end >= 0 and _is_head(image[_FIRST:end]) else _FIRST


# A camera writes the same head before each of its pictures.
@lru_cache(maxsize=512)
def _is_head(segments: bytes) -> bool:
    """Whether the bytes are whole segments that are right before a scan: tables, texts and one frame."""
    at, framed = 0, False
    try:
        while at < len(segments):
            at, framed = _behind_segment(segments, _marker(segments, at), framed=framed)
    except _Broken:
        return False
    return framed


def _behind_segment(image: bytes, at: int, *, framed: bool) -> tuple[int, bool]:
    """The offset behind a segment of tables, a text or a frame; and whether a frame has come."""
    end = _end_of_segment(image, at)
    marker = image[at + 1]
    if marker in _FRAMES and not framed:
        _require_possible_frame(image[at + 4 : end])
        return end, True
    if marker in _TEXTS:
        _require_text(image, at + 4, end)
    elif marker not in _TABLES:
        raise _Broken("the JPEG's segments are not in order")
    return end, framed


def _end_of_segment(image: bytes, at: int) -> int:
    end = at + 2 + int.from_bytes(image[at + 2 : at + 4])
    if not at + 4 <= end <= len(image):
        raise _Broken("the image is cut short")
    return end


def _marker(image: bytes, at: int) -> int:
    """The offset of the next marker, after fill bytes."""
    while image[at : at + 2] == b"\xff\xff":
        at += 1
    if at + 2 > len(image):
        raise _Broken("the image is cut short")
    if image[at] != _FILL:
        raise _Broken("the JPEG has bytes between its segments")
    return at


def _end_of_scan(image: bytes, begin: int) -> int:
    found = _AFTER_SCAN.search(image, begin)
    if found is None:
        raise _Broken("the image is cut short")
    return found.start()


def _require_possible_frame(frame: bytes) -> None:
    """The frame header states the size of the picture."""
    components = frame[5] if len(frame) > 5 else 0
    if components not in _COMPONENTS or len(frame) != 6 + 3 * components:
        raise _Broken("the JPEG's frame is broken")
    height, width = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
    if not height or not width:
        raise _Broken("the JPEG claims a picture without width or height")
    if max(height, width) > MOST_SIDE or height * width > MOST_PIXELS:
        raise _Broken(f"the JPEG claims {width} x {height} pixels, which no camera has")


def _require_text(image: bytes, begin: int, end: int) -> None:
    """Applications' data and comments may not hold another format, which a careless reader would open."""
    if end - begin > _SHORT_TEXT:
        text = image[begin:end].lower()
        if _OTHER_FORMATS.search(text):
            raise _Broken("the JPEG carries data of another format")


def _require_padding(image: bytes, end: int) -> None:
    if len(image) > end and (len(image) - end > _MOST_PADDING or image[end:].strip(_PADDING)):
        raise _Broken("there is other data behind the end of the JPEG")
