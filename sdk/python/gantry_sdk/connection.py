"""TLS connections to a server, shared by feeds."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import TracebackType
from typing import Final

import grpc

from gantry_sdk import checks
from gantry_sdk.backoff import Backoff
from gantry_sdk.endpoint import Endpoint
from gantry_sdk.feed import FeedClient
from gantry_sdk.stream import StreamLimits
from gantry_sdk.trouble import Trouble

_CLOSE_SECONDS: Final = 1.0
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024


class Connection:
    """Any number of feeds over `channels` TLS connections to one server.

    A channel carries hundreds of streams. With thousands, use a few channels and open the streams
    gradually. Use as an async context manager; leaving closes the channels.
    """

    def __init__(
        self,
        target: str,
        *,
        authority: bytes | Path,
        server_name: str | None = None,
        channels: int = 1,
    ) -> None:
        """Prepare connections to `target` (HOST:PORT). Connects when first used.

        `authority` is the certificate authority the force gave you, as PEM bytes or their file.
        `server_name` is the name the server's certificate must have, when it is not the target's host.
        Raises OSError when the file cannot be read, ValueError when it is no certificate in PEM or `target`
        is not HOST:PORT, and TypeError for arguments of another type.
        """
        target, pem = checks.target(target), checks.authority(authority)
        if _PEM_BEGIN not in pem:
            raise ValueError("authority should be a certificate in PEM, as the force gave it to you")
        credentials = grpc.ssl_channel_credentials(pem)
        options = _options(server_name)

        def open_one() -> grpc.aio.Channel:
            return grpc.aio.secure_channel(target, credentials, options)

        self._endpoints = [Endpoint(open_one) for _ in range(channels)]
        self._trouble = Trouble(target)
        self._next = itertools.cycle(self._endpoints)

    def feed(
        self, token: str, *, limits: StreamLimits | None = None, backoff: Backoff | None = None
    ) -> FeedClient:
        """A client for the feed that `token` belongs to; lives as long as the connection.

        Raises ValueError for a token with a line break around it, TypeError for one that is no text.
        """
        endpoint = next(self._next)
        return FeedClient(endpoint, token, limits=limits, backoff=backoff, trouble=self._trouble)

    async def close(self) -> None:
        """Close the channels; open streams end."""
        for endpoint in self._endpoints:
            await endpoint.close(_CLOSE_SECONDS)

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _options(server_name: str | None) -> list[tuple[str, str | int]]:
    options: list[tuple[str, str | int]] = [
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        # Without this, all channels to one target would share one connection.
        ("grpc.use_local_subchannel_pool", 1),
        # A server that hangs is noticed within 20 s.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        # While reads are sent, gRPC sends pings of its own, whose answers it would await for a minute.
        ("grpc.http2.ping_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # A server that has moved to another address is found at once, not after half a minute.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        # The stream itself retries, because it has the batches that were not acknowledged.
        ("grpc.enable_retries", 0),
    ]
    if server_name is not None:
        options.append(("grpc.ssl_target_name_override", server_name))
    return options
