"""Page tokens: where a listing goes on, valid only with the query that it came from."""

from __future__ import annotations

import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from chassis.errors import InvalidInput

MOST_A_PAGE: Final = 1_000
_DEFAULT_A_PAGE: Final = 100
_DIGEST_BYTES: Final = 12


def page_size(asked: int) -> int:
    """How many rows a page gets. Raises InvalidInput PAGE_SIZE_INVALID."""
    if asked > MOST_A_PAGE:
        raise InvalidInput("PAGE_SIZE_INVALID", f"page_size is 1 to {MOST_A_PAGE}", field="page_size")
    return asked or _DEFAULT_A_PAGE


def page_token(query: object, place: tuple[int, ...]) -> str:
    """A token for the page after `place`."""
    packed = struct.pack(f">{len(place)}q", *place)
    return urlsafe_b64encode(_digest(query, packed) + packed).decode()


def place_of(token: str, query: object, length: int) -> tuple[int, ...] | None:
    """The `length` numbers in a token of `query`; None for the first page.

    Raises InvalidInput PAGE_TOKEN_INVALID.
    """
    if not token:
        return None
    try:
        raw = urlsafe_b64decode(token.encode())
    except ValueError:
        raise _invalid() from None
    packed = raw[_DIGEST_BYTES:]
    if len(packed) != 8 * length or raw[:_DIGEST_BYTES] != _digest(query, packed):
        raise _invalid()
    return struct.unpack(f">{length}q", packed)


def _digest(query: object, packed: bytes) -> bytes:
    return hashlib.blake2b(repr(query).encode() + packed, digest_size=_DIGEST_BYTES).digest()


def _invalid() -> InvalidInput:
    return InvalidInput(
        "PAGE_TOKEN_INVALID",
        "the page token does not belong to this query; start again from the first page",
        field="page_token",
    )
