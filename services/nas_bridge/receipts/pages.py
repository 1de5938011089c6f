"""Page tokens: opaque, and good for one query only."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from chassis.errors import InvalidInput
from services.nas_bridge.records import Route

_BEYOND_ALL: Final = 2**63 - 1
_DIGEST_BYTES: Final = 8
_POSITION_BYTES: Final = 8


@dataclass(frozen=True)
class PageToken:
    """Where the next page of a route's dead letters begins: below the position `before`."""

    route: Route
    before: int

    @classmethod
    def read(cls, text: str, route: Route) -> PageToken:
        """The token in a request; "" is the beginning. Raises InvalidInput PAGE_TOKEN_INVALID."""
        if not text:
            return cls(route, _BEYOND_ALL)
        try:
            raw = urlsafe_b64decode(text.encode("ascii"))
        except ValueError:
            raw = b""
        token = cls(route, int.from_bytes(raw[_DIGEST_BYTES:], "big"))
        if len(raw) != _DIGEST_BYTES + _POSITION_BYTES or token.text() != text or token.before > _BEYOND_ALL:
            raise InvalidInput(
                "PAGE_TOKEN_INVALID",
                "this token belongs to another query; begin without one",
                field="page_token",
            )
        return token

    def text(self) -> str:
        """The token as it travels."""
        digest = hashlib.sha256("\n".join(("dead letters", *self.route)).encode()).digest()[:_DIGEST_BYTES]
        return urlsafe_b64encode(digest + self.before.to_bytes(_POSITION_BYTES, "big")).decode("ascii")
