"""Channels to other services: mTLS, a deadline on every unary call, the trace, bounded retries."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar

import grpc

from chassis import deadline
from chassis.backoff import Backoff
from chassis.errors import Fault, StartupFailure, fault_from
from chassis.reconnecting import ReconnectingChannel

DEFAULT_SECONDS: Final = 10.0
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_CLOSE_SECONDS: Final = 1.0
_REPLACED_SECONDS: Final = 30.0
"""For calls under way on a replaced channel: longer than their deadlines."""
# Only the outermost caller retries: if each of two hops tried four times, an unavailable store would get
# sixteen calls for one call of a person. The background work of services (appending, following, forwarding,
# reporting) retries in loops with a back-off that includes RetryInfo. A call that a service makes for a
# caller fails at once, and the caller repeats the whole call. gRPC repeats a stream only before its first
# message, so a loop above it, as in the client of alerts, makes no more than a few extra calls within a
# second.
_RETRIES: Final = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
# A channel uses one of the addresses of a name, chosen at random, until its connection ends. So the channels
# of many forces and processes spread over the replicas. A channel that took turns between replicas would
# divide the commits of a force among them: each would commit half as many reads at once, wait for the other
# at the row of the force, and read what the other has committed from PostgreSQL.
_ONE_ADDRESS: Final = {"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": True}}]}
_SERVICE_CONFIGS: Final = {
    True: json.dumps({**_ONE_ADDRESS, **_RETRIES}),
    False: json.dumps(_ONE_ADDRESS),
}

# A frozen process keeps its connections open. Within 14 s they are given up for those to another one.
_FREQUENT_PINGS: Final = (
    ("grpc.keepalive_time_ms", 8_000),
    ("grpc.keepalive_timeout_ms", 6_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
# Most servers take a ping in five minutes, and end connections that send more (ENHANCE_YOUR_CALM). The
# time-out also holds for bytes that the other machine does not acknowledge: a dead one is noticed by a call.
_RARE_PINGS: Final = (
    ("grpc.keepalive_time_ms", 330_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
)

# Without this module nothing in the process can have opened a span.
_SPANS: Final = "opentelemetry.trace"
_TRACEPARENT: Final = "traceparent"

T = TypeVar("T")


class ClientFiles(Protocol):
    """The PEM files of who calls, such as TlsSettings. Importing those takes a quarter of a second."""

    @property
    def certificate(self) -> Path:
        """The caller's certificate."""

    @property
    def key(self) -> Path:
        """Its key."""

    @property
    def authority(self) -> Path:
        """The authority that must have certified the server."""


@asynccontextmanager
async def open_channel(
    target: str,
    tls: ClientFiles,
    *,
    server_name: str | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    retries: bool = True,
    reconnects: bool = False,
    foreign: bool = False,
) -> AsyncIterator[grpc.aio.Channel]:
    """A separate connection to `target` (HOST:PORT), whose certificate must be for its host.

    `server_name` is the name to be certified instead. A loopback address stands for "localhost".
    Unary calls without a timeout get 10 s, and never more than the call being served has left. With
    `retries`, gRPC tries calls that end with UNAVAILABLE up to four times. Services set it to False, since
    their callers retry; see `_RETRIES`. With `reconnects`, the channel connects anew when its calls keep
    failing. A `foreign` server is not one of ours: it gets few keep-alive pings. Raises StartupFailure for
    unreadable files.
    """

    def open_one() -> grpc.aio.Channel:
        return _channel(target, tls, server_name, max_message_bytes, retries=retries, foreign=foreign)

    channel = ReconnectingChannel(open_one, target) if reconnects else open_one()
    try:
        yield channel
    finally:
        await channel.close(_CLOSE_SECONDS)


class ChannelsByForce:
    """A connection for each force, so that the large messages of one do not hold up those of another.

    Their options are those of `open_channel`, without retries. Leaving the block closes them.
    """

    def __init__(self, target: str, tls: ClientFiles, *, server_name: str | None = None) -> None:
        self._arguments = (target, tls, server_name, MAX_MESSAGE_BYTES)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, force: str) -> grpc.aio.Channel:
        """The channel of a force. It connects with its first call."""
        channel = self._channels.get(force)
        if channel is None:
            channel = self._channels[force] = _channel(*self._arguments, retries=False)
        return channel

    def reconnect(self, force: str) -> None:
        """Connect anew with the next call of a force, since this server keeps failing: another may be well.

        Calls under way go on.
        """
        channel = self._channels.pop(force, None)
        if channel is not None:
            task = asyncio.get_running_loop().create_task(channel.close(_REPLACED_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*(channel.close(_CLOSE_SECONDS) for channel in self._channels.values()))


def _channel(
    target: str,
    tls: ClientFiles,
    server_name: str | None,
    max_message_bytes: int,
    *,
    retries: bool,
    foreign: bool = False,
) -> grpc.aio.Channel:
    return grpc.aio.secure_channel(
        target,
        _credentials(tls),
        options=[
            *_options(target, server_name, max_message_bytes),
            *(_RARE_PINGS if foreign else _FREQUENT_PINGS),
            ("grpc.service_config", _SERVICE_CONFIGS[retries]),
        ],
        interceptors=[_Outgoing()],
    )


def certified_name(host: str) -> str:
    """The name that the certificate at `host` has to be for: itself, or "localhost" for a loopback address.

    So on one machine a certificate for localhost serves, and elsewhere each server needs one for the name or
    the address by which it is called.
    """
    host = host.strip("[]")
    try:
        return "localhost" if ip_address(host).is_loopback else host
    except ValueError:
        return host


async def retrying(
    call: Callable[[], Awaitable[T]],
    *,
    attempts: int,
    first: float,
    most: float,
    on: Callable[[Fault], bool],
) -> T:
    """Do `call` up to `attempts` times while `on` says that its fault may pass.

    Waits between them as `Backoff` says, and at least as long as the far side asks. Raises the last fault.
    """
    backoff = Backoff(first, most)
    for attempt in range(attempts):
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            fault = fault_from(error)
        except Fault as error:
            fault = error
        if attempt == attempts - 1 or not on(fault):
            raise fault
        await asyncio.sleep(backoff.next_wait(fault.retry_after))
    raise ValueError("attempts should be at least 1")


class _Outgoing(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds a deadline and the trace to a unary call. Streams are not changed."""

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        timeout = deadline.bounded(DEFAULT_SECONDS if details.timeout is None else details.timeout)

        def call(traceparent: str | None) -> Any:
            return continuation(_with(details, timeout, traceparent), request)

        if _SPANS not in sys.modules:
            return await call(None)
        from chassis.client_spans import traced  # noqa: PLC0415 - it takes a tenth of a command's time

        return await traced(details, call)


def _with(
    details: grpc.aio.ClientCallDetails, timeout: float, traceparent: str | None
) -> grpc.aio.ClientCallDetails:
    metadata = details.metadata
    if traceparent is not None:
        metadata = grpc.aio.Metadata(*(metadata or ()), (_TRACEPARENT, traceparent))
    return grpc.aio.ClientCallDetails(
        details.method, timeout, metadata, details.credentials, details.wait_for_ready
    )


def _credentials(tls: ClientFiles) -> grpc.ChannelCredentials:
    try:
        return grpc.ssl_channel_credentials(
            tls.authority.read_bytes(), tls.key.read_bytes(), tls.certificate.read_bytes()
        )
    except OSError as error:
        raise StartupFailure(f"Cannot read {error.filename}: {error.strerror}.") from error


def _options(target: str, server_name: str | None, max_message_bytes: int) -> list[tuple[str, str | int]]:
    host = target.rpartition("/")[2].rpartition(":")[0].strip("[]")
    name = server_name or certified_name(host)
    # Only where it differs: an override also replaces the authority, by which proxies may route.
    override: list[tuple[str, str | int]] = [("grpc.ssl_target_name_override", name)] if name != host else []
    return [
        *override,
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.primary_user_agent", "gantry"),
        # Without this, channels to one target share a connection, and its limits.
        ("grpc.use_local_subchannel_pool", 1),
        # While data is sent, gRPC sends other pings. By default it waits a minute for their answers.
        ("grpc.http2.ping_timeout_ms", 6_000),
        # Reconnect to a service that has restarted at once, not after gRPC's usual two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # A replica that starts again has another address. gRPC would look its name up twice a minute.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ]
