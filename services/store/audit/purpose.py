"""The reason that every look at personal data needs."""

from __future__ import annotations

from typing import Final

from gantry.common.v1.read_pb2 import Purpose

from chassis.errors import InvalidInput

_SHORTEST: Final = 3
_LONGEST: Final = 500
_LONGEST_REFERENCE: Final = 100


def require_purpose(purpose: Purpose) -> None:
    """Raise InvalidInput PURPOSE_REQUIRED unless somebody could later judge the reason."""
    if not len(purpose.reason.strip()) >= _SHORTEST or len(purpose.reason) > _LONGEST:
        raise _required(f"give a reason of {_SHORTEST} to {_LONGEST} characters", "purpose.reason")
    if len(purpose.reference) > _LONGEST_REFERENCE:
        raise _required(f"a reference has at most {_LONGEST_REFERENCE} characters", "purpose.reference")
    if "\0" in purpose.reason or "\0" in purpose.reference:
        raise _required("a reason and a reference are text without NUL characters", "purpose")


def _required(message: str, field: str) -> InvalidInput:
    return InvalidInput("PURPOSE_REQUIRED", message, field=field)
