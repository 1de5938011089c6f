"""Reads single values of a certificate. Services do without `cryptography`, and a command starts faster."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SEQUENCE: Final = 0x30
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s(.+?)-----END CERTIFICATE-----", re.DOTALL)
_TIMES: Final = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
_LONG: Final = 0x80


@dataclass(frozen=True)
class Dates:
    """From when until when a certificate is valid, in seconds since 1970, and the names of the two sides."""

    begins_at: float
    ends_at: float
    issuer: bytes
    subject: bytes


def signed_parts(pem: bytes) -> list[bytes]:
    """What was signed of each certificate of a PEM file. ValueError when there is none."""
    found = [_signed(base64.b64decode(text)) for text in _PEM.findall(pem)]
    if not found:
        raise ValueError("no certificate")
    return found


def dates_in(pem: bytes) -> list[Dates]:
    """The dates of each certificate of a PEM file. ValueError when there is none, or one is broken."""
    return [_dates(signed) for signed in signed_parts(pem)]


def parts(content: bytes, wanted: int) -> Iterator[bytes]:
    """The contents of the parts with this tag: a part is a tag, a length and that many bytes (DER)."""
    return (inner for tag, inner in _tagged(content) if tag == wanted)


def _signed(certificate: bytes) -> bytes:
    (content,) = parts(certificate, SEQUENCE)
    return next(parts(content, SEQUENCE))


def _dates(signed: bytes) -> Dates:
    _algorithm, issuer, validity, subject, *_ = parts(signed, SEQUENCE)
    begins_at, ends_at = (_moment(tag, text) for tag, text in _tagged(validity))
    return Dates(begins_at, ends_at, issuer, subject)


def _moment(tag: int, text: bytes) -> float:
    return datetime.strptime(text.decode(), _TIMES[tag]).replace(tzinfo=UTC).timestamp()


def _tagged(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(content):
        tag, length, place = content[place], *_length(content, place + 1)
        if place + length > len(content):
            raise ValueError("the certificate is cut short")
        yield tag, content[place : place + length]
        place += length


def _length(content: bytes, place: int) -> tuple[int, int]:
    """(length, offset of the contents)."""
    first, place = int.from_bytes(content[place : place + 1]), place + 1
    if first < _LONG:
        return first, place
    size = first - _LONG
    return int.from_bytes(content[place : place + size]), place + size
