"""Page tokens: where a listing continues. A token is valid only for the RPC and the query that it came from.

A token is signed, not encrypted: so a place must not contain data that the caller may not see.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

import asyncpg
from google.protobuf.message import Message

from chassis.database import statements
from chassis.errors import InvalidInput, StartupFailure

MOST_ROWS: Final = 1_000
USUAL_ROWS: Final = 100

_SIGNATURE_BYTES: Final = 16
# The caller may change these from page to page. None of them changes the rows that the query finds.
_FREE_FIELDS: Final = ("page_token", "page_size", "max_reads", "purpose")


class PageTokens:
    """Signs places in listings, and reads them back. `keys`: the first one signs, all of them verify."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    @classmethod
    async def open(cls, pool: asyncpg.Pool) -> PageTokens:
        """Read the keys that all replicas share. Raises StartupFailure when the table is empty."""
        keys = [row["key"] for row in await pool.fetch(statements("chassis").list_page_keys)]
        if not keys:
            raise StartupFailure("Table page_keys is empty; insert a key of 32 random bytes.")
        return cls(keys)

    def token(self, method: str, request: Message, place: Sequence[int | str]) -> str:
        """The token of the page after `place`. `method` is "package.Service/Method"."""
        packed = json.dumps(place, separators=(",", ":")).encode()
        signature = _signature(self._keys[0], _query(method, request), packed)
        return urlsafe_b64encode(signature + packed).decode("ascii")

    def place(self, method: str, request: Message) -> tuple[int | str, ...] | None:
        """The place in the token of `request`, a message with a field ``page_token``; None: the first page.

        Raises InvalidInput PAGE_TOKEN_INVALID for a token of another RPC or query.
        """
        token: str = getattr(request, "page_token")  # noqa: B009 - messages of every contract
        if not token:
            return None
        try:
            raw = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            raise _invalid() from None
        signature, packed = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        query = _query(method, request)
        if not any(hmac.compare_digest(signature, _signature(key, query, packed)) for key in self._keys):
            raise _invalid()
        return tuple(json.loads(packed))


def page_size(asked: int, most: int = MOST_ROWS, usual: int = USUAL_ROWS) -> int:
    """The rows of one page: `asked`, or `usual` for 0. Raises InvalidInput PAGE_SIZE_INVALID above `most`."""
    if asked > most:
        raise InvalidInput("PAGE_SIZE_INVALID", f"page_size is at most {most}", field="page_size")
    return asked or usual


def _query(method: str, request: Message) -> bytes:
    query = type(request)()
    query.CopyFrom(request)
    for name in _FREE_FIELDS:
        if name in query.DESCRIPTOR.fields_by_name:
            query.ClearField(name)
    return method.encode() + b"\0" + query.SerializeToString(deterministic=True)


def _signature(key: bytes, query: bytes, packed: bytes) -> bytes:
    # With the length, no other query and place have the same text.
    signed = len(query).to_bytes(8, "big") + query + packed
    return hmac.digest(key, signed, "sha256")[:_SIGNATURE_BYTES]


def _invalid() -> InvalidInput:
    return InvalidInput(
        "PAGE_TOKEN_INVALID",
        "the page token belongs to another query; begin without one",
        field="page_token",
    )
