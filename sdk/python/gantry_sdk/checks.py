"""Checks what a program gives to the SDK, and says which argument is wrong, what it is, and what to do.

The sentences name types and never a value, which could be a plate or a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gantry.common.v1.read_pb2 import ReadDetails
from gantry.ingest.v1.ingest_pb2 import SubmittedRead

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Beyond these, a number of microseconds is before 1990 or after 2100, and was meant in another unit.
_SECONDS: Final = range(631_152_000, 4_102_444_800)
_MILLISECONDS: Final = range(631_152_000_000, 4_102_444_800_000)
_NANOSECONDS: Final = 4_102_444_800_000_000
_NONE: Final = "leave it out when it is not known"


def text(value: Any, name: str) -> str:
    """A text that can be sent."""
    if not isinstance(value, str):
        raise _wrong(name, "str", value, _advice_for_text(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # Not chained: Python's own error quotes the text.
            raise ValueError(f"{name} has characters that are no text; decode its bytes as UTF-8") from None
    return value


def microseconds(value: Any, name: str = "captured_at") -> int:
    """A time as microseconds since 1970."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(
                f"{name} is a datetime without a time zone; use datetime.now(UTC), or give the zone of the "
                "camera's clock with .replace(tzinfo=...)"
            )
        return (value - _EPOCH) // _MICROSECOND
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a datetime with a time zone, or int microseconds", value, _advice_for_time(value))
    for unit, seems, do in (
        ("seconds", value in _SECONDS, "multiply by 1,000,000"),
        ("milliseconds", value in _MILLISECONDS, "multiply by 1,000"),
        ("nanoseconds", value >= _NANOSECONDS, "divide by 1,000 with //"),
    ):
        if seems:
            raise ValueError(f"{name} seems to be {unit} since 1970; it takes microseconds: {do}")
    return value


def number(value: Any, name: str) -> float:
    """A fraction, or a whole number in its place."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise _wrong(name, "float", value, _advice_for_number(value, "float"))
    return value


def course(value: Any, name: str = "heading") -> int:
    """Whole degrees from 0 to 359."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, "int", value, _advice_for_number(value, "int"))
    if not 0 <= value <= 359:
        raise ValueError(f"{name} should be from 0 to 359 degrees, with 0 for north; got {value}")
    return value


def picture(value: Any, name: str) -> bytes:
    """The bytes of a picture."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    advice = {str: "read the file first: Path(...).read_bytes()", Path: "read it first: .read_bytes()"}
    do = next((do for kind, do in advice.items() if isinstance(value, kind)), "give the bytes of the JPEG")
    raise _wrong(name, "bytes", value, _NONE if value is None else do)


def details(value: Any, name: str = "details") -> ReadDetails | None:
    """Details of a read, or none."""
    if value is not None and not isinstance(value, ReadDetails):
        raise _wrong(name, "ReadDetails", value, "make them with ReadDetails(lane=1, ...)")
    return value


def batch(reads: Any) -> Sequence[SubmittedRead]:
    """The reads of a batch."""
    if isinstance(reads, SubmittedRead):
        raise TypeError("a batch is a list of reads, got one read; put it into brackets: [read]")
    if not isinstance(reads, Sequence) or isinstance(reads, str | bytes):
        do = "make a list of it: list(...)" if hasattr(reads, "__iter__") else "give a list of reads"
        raise TypeError(f"a batch is a list of reads, got {kind_of(reads)}; {do}")
    for index, one in enumerate(reads):
        if not isinstance(one, SubmittedRead):
            raise TypeError(f"read {index} of the batch is {kind_of(one)}; make it with gantry_sdk.read(...)")
    return reads


def token(value: Any) -> str:
    """The token of a feed, without what a file has around it."""
    if not isinstance(value, str):
        do = "decode it: .decode().strip()" if isinstance(value, bytes) else "read it: .read_text().strip()"
        raise _wrong("token", "str", value, do)
    if not value:
        raise ValueError("token is empty; it is shown once, when the feed is enrolled")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("token has a blank, a line break or another odd character; use .strip()")
    return value


def authority(value: Any) -> bytes:
    """The certificate authority in PEM."""
    if isinstance(value, Path):
        return value.read_bytes()
    if isinstance(value, bytes):
        return value
    do = (
        "use Path(...) for a file, or .encode() for its PEM" if isinstance(value, str) else "give one of them"
    )
    raise _wrong("authority", "bytes or Path", value, do)


def target(value: Any) -> str:
    """HOST:PORT."""
    checked = text(value, "target")
    host, colon, port = checked.rpartition(":")
    if "://" in checked or not (colon and host and port.isdigit()):
        raise ValueError(
            "target should be HOST:PORT, for example anpr.example.police.uk:7443, without a scheme"
        )
    return checked


def kind_of(value: Any) -> str:
    """What a value is, with its module where that is not Python's own."""
    kind = type(value)
    if value is None:
        return "None"
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _wrong(name: str, wanted: str, got: Any, do: str) -> TypeError:
    return TypeError(f"{name} should be {wanted}, got {kind_of(got)}; {do}")


def _advice_for_text(value: Any) -> str:
    if value is None:
        return "leave the read out when it has none"
    if isinstance(value, bytes | bytearray):
        return "decode it: .decode()"
    return "use str(...)"


def _advice_for_time(value: Any) -> str:
    if isinstance(value, str):
        return "parse it: datetime.fromisoformat(...)"
    if isinstance(value, float):
        return "for seconds since 1970 use int(seconds * 1_000_000)"
    if value is None:
        return "a read needs its time"
    return "convert it first"


def _advice_for_number(value: Any, wanted: str) -> str:
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return "a truth value is no number"
    if isinstance(value, float):
        return "round it: int(round(...)) % 360"
    return f"use {wanted}(...)"
