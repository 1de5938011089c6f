"""The spans of the simulated cameras."""

from __future__ import annotations

from enum import StrEnum


class SpanName(StrEnum):
    """Names of spans."""

    CAMERA_SEND = "camera.send"
