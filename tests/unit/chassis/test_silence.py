"""gRPC's own texts for calls that got no answer, as version 1.85 writes them, beside answers of servers."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from chassis.silence import unanswered

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
CONNECTING = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: "


@pytest.mark.parametrize(
    ("code", "text", "happened"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", "did not answer within 3 s"),
        (UNAVAILABLE, "Stream removed (ping timeout)", "sends no sign of life"),
        (UNAVAILABLE, "Stream removed (Socket closed)", "closed the connection without an answer"),
        (
            UNAVAILABLE,
            f"{CONNECTING}Failed to connect to remote host: Connection refused",
            "refuses connections",
        ),
        (UNAVAILABLE, f"{CONNECTING}Failed to connect to remote host: Timeout occurred", "cannot be reached"),
        (
            UNAVAILABLE,
            f"{CONNECTING}Handshake read failed (Endpoint closing)",
            "takes connections and says nothing",
        ),
        (
            UNAVAILABLE,
            f"{CONNECTING}Ssl handshake failed: SSL_ERROR_SSL: error:1000007d:CERTIFICATE_VERIFY_FAILED",
            "cannot be trusted, or does not trust us: the TLS handshake failed",
        ),
        (UNAVAILABLE, "come back later", None),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "no answer within 30 s", None),
        (grpc.StatusCode.PERMISSION_DENIED, "Connection refused", None),
    ],
)
def test_what_happened(code: grpc.StatusCode, text: str, happened: str | None) -> None:
    assert unanswered(AioRpcError(code, Metadata(), Metadata(), text), 3) == happened
