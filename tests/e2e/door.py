"""The public door as a vendor's client uses it: enrolment, tokens, reads, and malformed bytes."""

import time
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1 import cameras_pb2, cameras_pb2_grpc
from gantry.ingest.v1.ingest_pb2 import (
    StreamReadsRequest,
    StreamReadsResponse,
    SubmitReadsRequest,
    SubmitReadsResponse,
    SubmittedRead,
)
from gantry_sdk import Backoff, Connection, FeedClient, StreamLimits, read

from chassis.client import open_channel
from chassis.errors import Fault, fault_from
from suite.suite import Suite

SERVICE = "/gantry.ingest.v1.IngestService"
PLACE = Position(latitude=51.7356, longitude=0.4685)
JPEG = bytes.fromhex("ffd8ffc0000b080001000101011100ffda0008010100003f00d2cf20ffd9")
"""The smallest picture that has all its parts."""

_ATTEMPTS_AT_A_STATUS = 4


@dataclass(frozen=True)
class EnrolledFeed:
    """A feed with its secret."""

    force: str
    name: str
    token: str
    cameras: tuple[str, ...]


async def enrol(
    suite: Suite, force: str, feed: str, cameras: Sequence[str] = (), *, kind: int = 1
) -> EnrolledFeed:
    """Enrol cameras (by default one, named after the feed) on a new feed of a force."""
    names = tuple(cameras) or (f"{feed}-cam",)
    request = cameras_pb2.EnrolCamerasRequest(
        force=force,
        feed=feed,
        cameras=[
            cameras_pb2.Camera(camera_id=name, kind=kind, position=PLACE if kind == 1 else None)  # type: ignore[arg-type]
            for name in names
        ],
        request_id=str(uuid.uuid4()),
    )
    async with open_channel(suite.address("ingest"), suite.person()) as channel:
        answer = await cameras_pb2_grpc.CameraRegistryServiceStub(channel).EnrolCameras(request)
    assert answer.token, "a new feed gets its token"
    return EnrolledFeed(force, feed, answer.token, names)


class ReadMaker:
    """Makes good reads of a feed: each with an identifier of its own, captured now."""

    def __init__(self, feed: EnrolledFeed, label: str = "") -> None:
        self.feed = feed
        self._label = label or uuid.uuid4().hex[:6]
        self._made = 0

    def one(self, vrm: str, **details: Any) -> SubmittedRead:
        """A good read of the feed's first camera, unless `details` say otherwise."""
        self._made += 1
        wanted: dict[str, Any] = {
            "camera_id": self.feed.cameras[0],
            "read_id": f"{self._label}-{self._made:05d}",
            "captured_at": time.time_ns() // 1000,
            "confidence": 0.9,
        }
        return read(vrm=vrm, **{**wanted, **details})


@asynccontextmanager
async def connected(suite: Suite, *, target: str | None = None) -> AsyncIterator[Connection]:
    """The vendors' SDK, at the public door or at what stands before it."""
    async with Connection(
        target or suite.address("ingest", "public"),
        authority=suite.authority.certificate,
        server_name="localhost",
    ) as connection:
        yield connection


@dataclass(frozen=True)
class PatientFeed:
    """Opens clients of a feed that come back soon after a failure."""

    feed: EnrolledFeed
    limits: StreamLimits = field(default_factory=StreamLimits)
    backoff: Backoff = field(default_factory=lambda: Backoff(0.1, 1.0))

    def on(self, connection: Connection) -> FeedClient:
        """A client over the connection."""
        return connection.feed(self.feed.token, limits=self.limits, backoff=self.backoff)


@asynccontextmanager
async def public_channel(suite: Suite) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the public door without certificate, retries or SDK."""
    credentials = grpc.ssl_channel_credentials(suite.authority.certificate.read_bytes())
    options = [
        ("grpc.ssl_target_name_override", "localhost"),
        ("grpc.enable_retries", 0),
        ("grpc.max_send_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    channel = grpc.aio.secure_channel(suite.address("ingest", "public"), credentials, options)
    try:
        yield channel
    finally:
        await channel.close()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that authenticates a feed."""
    return (("authorization", f"Bearer {token}"),)


async def submit(
    channel: grpc.aio.Channel,
    token: str | None,
    request: SubmitReadsRequest | bytes,
    *,
    seconds: float = 20.0,
) -> SubmitReadsResponse:
    """SubmitReads with a message or any bytes. Raises Fault."""
    call = channel.unary_unary(f"{SERVICE}/SubmitReads", None, SubmitReadsResponse.FromString)
    raw = request if isinstance(request, bytes) else request.SerializeToString()
    try:
        return await call(raw, metadata=None if token is None else bearer(token), timeout=seconds)
    except grpc.aio.AioRpcError as error:
        raise fault_from(error) from None


async def submit_reads(
    channel: grpc.aio.Channel, token: str, reads: Iterable[SubmittedRead]
) -> SubmitReadsResponse:
    """SubmitReads with good or bad reads. Raises Fault."""
    return await submit(channel, token, SubmitReadsRequest(reads=reads))


@dataclass
class Conversation:
    """The outcome of a raw stream: its answers, and the fault that ended it, if any."""

    answers: list[StreamReadsResponse] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def acks(self) -> list[Any]:
        """The acknowledgements, in order."""
        return [answer.ack for answer in self.answers if answer.HasField("ack")]


async def converse(
    channel: grpc.aio.Channel,
    token: str | None,
    messages: Sequence[StreamReadsRequest | bytes],
    *,
    seconds: float = 20.0,
) -> Conversation:
    """Send messages, or any bytes, over one stream, half-close and listen to the end."""
    heard = await _converse(channel, token, messages, seconds)
    # grpc.aio now and then gives this instead of the status, when the server ends a stream at its very start.
    while heard.fault is not None and heard.fault.message == "Internal error from Core":
        heard = await _converse(channel, token, messages, seconds)
    return heard


async def _converse(
    channel: grpc.aio.Channel,
    token: str | None,
    messages: Sequence[StreamReadsRequest | bytes],
    seconds: float,
) -> Conversation:
    stream = channel.stream_stream(f"{SERVICE}/StreamReads", None, StreamReadsResponse.FromString)
    raw = [each if isinstance(each, bytes) else each.SerializeToString() for each in messages]
    heard = Conversation()
    call = stream(iter(raw), metadata=None if token is None else bearer(token), timeout=seconds)
    try:
        async for answer in call:
            heard.answers.append(answer)
    except grpc.aio.AioRpcError as error:
        heard.fault = fault_from(error)
    return heard
