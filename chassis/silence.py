"""Tells why a call got no answer. gRPC gives such a call a status, as if the far side had answered."""

from __future__ import annotations

from typing import Final

import grpc

_UNTRUSTED: Final = "cannot be trusted, or does not trust us: the TLS handshake failed"
# gRPC's own texts have no code. The first that occurs counts.
_TEXTS: Final = (
    ("ping timeout", "sends no sign of life"),
    ("keepalive", "sends no sign of life"),
    ("Connection refused", "refuses connections"),
    ("Ssl", _UNTRUSTED),
    ("SSL_", _UNTRUSTED),
    ("certificate", _UNTRUSTED),
    ("resolution", "has an address that no name server knows"),
    # We gave up a handshake.
    ("Endpoint closing", "takes connections and says nothing"),
    ("Socket closed", "closed the connection without an answer"),
    ("Connection reset", "closed the connection without an answer"),
    ("Broken pipe", "closed the connection without an answer"),
    ("GOAWAY", "closed the connection without an answer"),
    ("failed to connect", "cannot be reached"),
)
_MAY_BE_OURS: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN})


def unanswered(error: grpc.aio.AioRpcError, seconds: float) -> str | None:
    """What the far side has done instead of answering, as a predicate; None when it has answered.

    `seconds` is the time that the call had.
    """
    text = error.details() or ""
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and text == "Deadline Exceeded":
        return f"did not answer within {seconds:g} s"
    if error.code() not in _MAY_BE_OURS:
        return None
    return next((happened for words, happened in _TEXTS if words in text), None)
