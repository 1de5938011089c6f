"""The spans of the national simulators."""

from __future__ import annotations

from enum import StrEnum


class SpanName(StrEnum):
    """Names of spans."""

    NAS_ACCEPT = "nas.accept"
    NADC_ACCEPT = "nadc.accept"
