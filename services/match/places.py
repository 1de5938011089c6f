"""Where a subscription is in a force's alerts and acknowledgements, and the token that says so.

Alerts and acknowledgements share one row of numbers. A subscription begins after `start`, when `bound` was
the last number. Alerts up to `bound` are sent with the acknowledgements up to `bound` inside, so those are
not sent again as events of their own; whatever came later is. Carried in the token, this makes a resumed
subscription go on exactly as it would have.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from chassis.errors import InvalidInput

_FORM: Final = struct.Struct(">BQQQ")
_VERSION: Final = 1
_CHECK_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Place:
    """Everything up to `number` has been sent."""

    number: int
    start: int
    bound: int

    @classmethod
    def after(cls, number: int, last: int) -> Place:
        """Where a subscription begins that wants what comes after `number`, when `last` is the last."""
        return cls(number, number, last)

    def at(self, number: int) -> Place:
        """The same subscription further on."""
        return Place(number, self.start, self.bound)

    def resumed(self, last: int) -> Place:
        """Where to go on when `last` is the last number; past `bound` it is a new one."""
        return self if self.number < self.bound else Place.after(self.number, last)

    def token(self, force: str) -> str:
        """The place as an opaque text, for `force` only."""
        body = _FORM.pack(_VERSION, self.number, self.start, self.bound)
        return base64.urlsafe_b64encode(body + _check(force, body)).decode()


def place_of(token: str, force: str, last: int) -> Place:
    """The place that `token` names. Raises InvalidInput RESUME_TOKEN_INVALID.

    `last` is the force's last number: a token from beyond it comes from another database.
    """
    try:
        packed = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unknown() from None
    body, check = packed[: _FORM.size], packed[_FORM.size :]
    if len(body) != _FORM.size or check != _check(force, body):
        raise _unknown()
    version, number, start, bound = _FORM.unpack(body)
    if version != _VERSION or not start <= number <= last or bound > last:
        raise _unknown()
    return Place(number, start, bound)


def _check(force: str, body: bytes) -> bytes:
    # Against mix-ups, not against forgery: a token opens nothing that its holder may not see anyway.
    return hashlib.blake2b(force.encode() + b"\0" + body, digest_size=_CHECK_BYTES).digest()


def _unknown() -> InvalidInput:
    return InvalidInput(
        "RESUME_TOKEN_INVALID",
        "the resume token is not one of this force's; subscribe without it, or from the earliest alert",
        field="resume_token",
    )
