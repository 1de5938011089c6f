"""What no request may contain, whatever its contract: times that do not exist, and the character NUL.

PostgreSQL stores neither. Without this check each handler would have to look for them in every field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.errors import InvalidInput

_LEAST_SECONDS: Final = {
    "google.protobuf.Timestamp": -62_135_596_800,  # 0001-01-01T00:00:00Z
    "google.protobuf.Duration": -315_576_000_000,
}
_MOST_SECONDS: Final = {
    "google.protobuf.Timestamp": 253_402_300_799,  # 9999-12-31T23:59:59Z
    "google.protobuf.Duration": 315_576_000_000,
}
_MOST_NANOS: Final = 999_999_999
_TEXT: Final = FieldDescriptor.CPPTYPE_STRING
_MESSAGE: Final = FieldDescriptor.CPPTYPE_MESSAGE


def require_wellformed(message: Message, path: str = "") -> None:
    """Look through a request and the messages in it. Raises InvalidInput TIME_INVALID or TEXT_INVALID."""
    for field, value in message.ListFields():
        place = f"{path}.{field.name}" if path else field.name
        if field.type == FieldDescriptor.TYPE_BYTES or field.cpp_type not in {_TEXT, _MESSAGE}:
            continue
        for each in _each(value):
            if isinstance(each, str):
                _require_text(each, place)
            elif isinstance(each, Message):
                _require_message(each, place)


def _each(value: Any) -> Iterable[Any]:
    if isinstance(value, (str, Message)):
        return (value,)
    if isinstance(value, Mapping):
        return (*value.keys(), *value.values())
    return tuple(value)


def _require_message(message: Message, place: str) -> None:
    kind = message.DESCRIPTOR.full_name
    if kind not in _LEAST_SECONDS:
        require_wellformed(message, place)
        return
    seconds, nanos = getattr(message, "seconds"), getattr(message, "nanos")  # noqa: B009 - of either kind
    signed = kind == "google.protobuf.Duration"
    if not _LEAST_SECONDS[kind] <= seconds <= _MOST_SECONDS[kind]:
        raise InvalidInput(
            "TIME_INVALID", "there is no such time: a year is 1 to 9999; check its unit", field=place
        )
    if not (-_MOST_NANOS if signed else 0) <= nanos <= _MOST_NANOS:
        raise InvalidInput("TIME_INVALID", "nanos are 0 to 999,999,999", field=place)


def _require_text(text: str, place: str) -> None:
    if "\0" in text:
        raise InvalidInput("TEXT_INVALID", "a text may not have the character NUL", field=place)
