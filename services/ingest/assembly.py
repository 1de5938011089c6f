"""Joins the parts of ingest, with a pool of database connections and a channel to the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

import asyncpg
import grpc
from gantry.ingest.v1.cameras_pb2_grpc import (
    add_CameraHealthServiceServicer_to_server,
    add_CameraRegistryServiceServicer_to_server,
)
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server
from gantry.store.v1.log_pb2 import AppendReadsResponse

from chassis.arrivals import Arrivals
from chassis.client import ChannelsByForce
from chassis.errors import Unavailable
from chassis.loops import repeat
from chassis.metrics import Gauge, Values, known, showing
from chassis.pages import PageTokens
from chassis.server import GrpcServer, grpc_server
from chassis.turns import Turns
from clients.audit import AuditClient
from clients.directory import DirectoryWatch
from policy.access import rules
from services.ingest.appending.appender import Appender, Post
from services.ingest.appending.lanes import AppendLimits, Appends
from services.ingest.appending.memory import Memory
from services.ingest.cameras.counts import UnwrittenCounts, write_counts
from services.ingest.cameras.feeds import FeedDirectory
from services.ingest.cameras.postgres import PostgresRegistry
from services.ingest.cameras.refresh import FeedRefresh, follow_forces
from services.ingest.cameras.service import HEALTH, REGISTRY, CameraHealthService, CameraRegistryService
from services.ingest.cameras.watching import CameraWatch
from services.ingest.checking.batch import ImageLimits
from services.ingest.door.receiving import BatchReceiver, ReceiverLimits
from services.ingest.door.service import IngestService, flow_control
from services.ingest.door.stream import StreamLimits
from services.ingest.names import MetricName
from services.ingest.settings import IngestSection, IngestSettings

INGEST: Final = "gantry.ingest.v1.IngestService"
_streams: Final = Gauge(MetricName.INGEST_STREAMS)
_queued: Final = Gauge(MetricName.INGEST_QUEUED_READS)
_memory_share: Final = Gauge(MetricName.INGEST_MEMORY_SHARE)
_failing: Final = Gauge(MetricName.INGEST_FAILING_SECONDS)
# Percent of the limit that is given out: the copies of batches on their way to the store take the rest.
_COUNTED: Final = 75
_APPEND: Final = "/gantry.store.v1.ReadLogService/AppendReads"


@dataclass(frozen=True)
class Ingest:
    """One replica: its server, and the parts that are measured and tested."""

    server: GrpcServer
    door: IngestService
    feeds: FeedDirectory
    appends: Appends
    memory: Memory
    counts: UnwrittenCounts
    directory: DirectoryWatch


@asynccontextmanager
async def open_ingest(
    settings: IngestSettings, pool: asyncpg.Pool, store: grpc.aio.Channel
) -> AsyncIterator[Ingest]:
    """A replica that waits for `server.start`. On leaving, the server stops and its calls drain."""
    feeds, directory, registry = FeedDirectory(), DirectoryWatch(store), PostgresRegistry(pool)
    refresh = FeedRefresh(feeds, registry, settings.ingest.refresh_seconds)
    await refresh.refresh()
    pages = await PageTokens.open(pool)
    section = settings.ingest
    counted = section.total_bytes * _COUNTED // 100
    memory = Memory(counted, least=2 * settings.grpc.max_message_bytes)
    arrivals = Arrivals(
        memory.unfinished, seconds=settings.grpc.unfinished_seconds, unread_bytes=settings.grpc.unread_bytes
    )
    async with (
        ChannelsByForce(section.store, settings.tls, server_name=section.store_name) as posts,
        grpc_server(
            settings,
            rules(INGEST, REGISTRY, HEALTH),
            auditor=AuditClient(store),
            feeds=feeds,
            known_force=directory.knows,
            arrivals=arrivals,
        ) as server,
    ):
        ingest = _ingest(settings, memory, posts, server, feeds, directory)
        _add_door(server, ingest, settings.ingest.public_listen)
        watch = CameraWatch(registry, feeds, server.stopping)
        cameras = CameraRegistryService(
            registry,
            pages,
            watch,
            is_active=lambda force: force in directory.active,
            changed=refresh.refresh,
        )
        _add_cameras(server, cameras, CameraHealthService(registry, pages), registry.ping)
        server.on_stop(feeds.wake)
        _own_loops(ingest, settings.ingest, registry, refresh)
        yield ingest


def _ingest(  # noqa: PLR0917
    settings: IngestSettings,
    memory: Memory,
    posts: ChannelsByForce,
    server: GrpcServer,
    feeds: FeedDirectory,
    directory: DirectoryWatch,
) -> Ingest:
    section = settings.ingest
    counts = UnwrittenCounts()

    def post_of(force: str) -> Post:
        post: Post = posts.of(force).unary_unary(_APPEND, None, AppendReadsResponse.FromString)
        return post

    limits = AppendLimits(
        section.append_reads, section.append_bytes, section.lanes, section.append_seconds, section.paced_bytes
    )
    appends = Appends(Appender(post_of, posts.reconnect), limits, memory, counts, server.own, Turns())
    images = ImageLimits(section.plate_patch_bytes, section.overview_bytes)
    receiver_limits = ReceiverLimits(section.batch_reads, images, section.traces_per_second)
    flow = flow_control(section.batch_reads, settings.grpc.max_message_bytes, section.stream_reads)
    door = IngestService(
        BatchReceiver(feeds, appends, counts, receiver_limits),
        feeds,
        StreamLimits(section.stream_reads, section.stream_bytes, flow),
        section.streams_per_feed,
    )
    return Ingest(server, door, feeds, appends, memory, counts, directory)


def _add_door(server: GrpcServer, ingest: Ingest, listen: str) -> None:
    async def ready() -> None:
        # Readiness does not depend on the store. While it is unavailable, vendors get RetryInfo.
        if not ingest.feeds.loaded:
            raise Unavailable("REGISTRY_NOT_READ", "the camera registry has not been read yet")

    # These handlers take bytes. They replace those that the generated code registers.
    servicer = cast("IngestServiceServicer", ingest.door)
    server.add(add_IngestServiceServicer_to_server, servicer, service=INGEST, ready=ready, public=True)
    for method, handler in ingest.door.raw_handlers().items():
        server.add_raw(INGEST, method, handler)
    server.add_port_public(listen)
    server.on_stop(ingest.door.stop)


def _add_cameras(
    server: GrpcServer,
    cameras: CameraRegistryService,
    health: CameraHealthService,
    ready: Callable[[], Awaitable[None]],
) -> None:
    server.add(add_CameraRegistryServiceServicer_to_server, cameras, service=REGISTRY, ready=ready)
    server.add(add_CameraHealthServiceServicer_to_server, health, service=HEALTH, ready=ready)


def _own_loops(
    ingest: Ingest,
    section: IngestSection,
    registry: PostgresRegistry,
    refresh: FeedRefresh,
) -> None:
    """Start what runs until the server stops. An error that does not pass ends the process."""

    async def listen() -> None:
        await registry.listen(refresh.wake.set)

    own, every = ingest.server.own, section.refresh_seconds
    own(ingest.directory.run(), "directory")
    own(showing(*_shown(ingest)), "gauges")
    own(follow_forces(ingest.feeds, ingest.directory), "settings of forces")
    own(refresh.run(), "camera registry")
    own(repeat(listen, name="camera registry notifications", every=every), "camera registry notifications")
    own(write_counts(ingest.counts, registry, section.health_seconds), "camera counts")


def _shown(ingest: Ingest) -> tuple[AbstractContextManager[None], ...]:
    """What is computed only when metrics are read."""
    return (
        _streams.observing(lambda: [(ingest.door.streams, {})]),
        _queued.observing(lambda: [(ingest.appends.queued_reads, {})]),
        _memory_share.observing(lambda: [(ingest.memory.share, {})]),
        _failing.observing(lambda: _by_force(ingest.appends.failing_seconds)),
        known(lambda: [{"force": force} for force in ingest.directory.active]),
    )


def _by_force(values: Mapping[str, float]) -> Values:
    return [(value, {"force": force}) for force, value in tuple(values.items())]
