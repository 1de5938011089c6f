"""The names of the simulators' spans."""

from enum import StrEnum


class SpanName(StrEnum):
    """Spans of the cameras and of the national services."""

    CAMERA_SEND = "camera.send"
    NAS_ACCEPT = "nas.accept"
    NADC_ACCEPT = "nadc.accept"
