"""The parts of ingest put together, over a pool and the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import grpc
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1.audit_pb2 import AUDIT_ACTION_CHANGE_CAMERAS
from gantry.store.v1.store_pb2 import AppendReadsResponse
from opentelemetry.metrics import CallbackOptions, Observation

from chassis.errors import Unavailable
from chassis.names import MetricName
from chassis.telemetry import meter
from clients.store import AuditClient
from services.ingest.appender import Appender, Post
from services.ingest.availability import StoreAvailability
from services.ingest.budget import Budget
from services.ingest.camera_service import CameraHealthService, CameraRegistryService
from services.ingest.columns import ImageLimits
from services.ingest.intake import Intake, IntakeLimits
from services.ingest.lanes import AppendLimits, Lanes
from services.ingest.postgres import CHANNEL, PostgresRegistry
from services.ingest.registry import Registry
from services.ingest.service import IngestService, flow_control
from services.ingest.settings import IngestSection
from services.ingest.stream import StreamLimits
from services.ingest.tallies import Tallies
from services.ingest.upkeep import RegistryUpkeep, listen, write_tallies

_APPEND = "/gantry.store.v1.StoreService/AppendReads"

Own = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


@dataclass(frozen=True)
class Assembly:
    """Everything of one replica."""

    door: IngestService
    registry_service: CameraRegistryService
    health_service: CameraHealthService
    database: PostgresRegistry
    registry: Registry
    upkeep: RegistryUpkeep
    tallies: Tallies
    lanes: Lanes
    budget: Budget
    pool: asyncpg.Pool
    section: IngestSection

    async def ready(self) -> None:
        """Raise until the registry has been read. The store being away makes nobody leave this door: each
        vendor is told when to come back.
        """
        if not self.registry.loaded:
            raise Unavailable("REGISTRY_NOT_READ", "the camera registry has not been read yet")

    def tasks(self) -> Iterator[tuple[Coroutine[Any, Any, None], str]]:
        """What has to run all the time, with names."""
        section = self.section
        yield self.upkeep.run(), "registry"
        yield listen(self.pool, CHANNEL, self.upkeep, section.refresh_seconds), "registry changes"
        yield write_tallies(self.tallies, self.database, section.health_seconds), "camera counts"


class StoreAudit:
    """See `services.ingest.camera_service.AuditTrail`."""

    def __init__(self, client: AuditClient) -> None:
        self._client = client

    async def record(self, force: str, person: str, reason: str, subject: str) -> None:
        """Write a record with the store. Raises Fault."""
        await self._client.record(force, person, AUDIT_ACTION_CHANGE_CAMERAS, Purpose(reason=reason), subject)


def assemble(
    section: IngestSection, max_message_bytes: int, pool: asyncpg.Pool, store: grpc.aio.Channel, own: Own
) -> Assembly:
    """Put a replica together; nothing runs yet."""
    registry, tallies, budget = Registry(), Tallies(), Budget(section.total_bytes)
    availability = StoreAvailability(section.append_seconds)
    post: Post = store.unary_unary(_APPEND, None, AppendReadsResponse.FromString)
    appends = AppendLimits(section.append_reads, section.append_bytes, section.lanes)
    lanes = Lanes(Appender(post, availability), appends, budget, tallies, own)
    images = ImageLimits(section.plate_patch_bytes, section.overview_bytes)
    taken = IntakeLimits(section.batch_reads, images, section.traces_per_second)
    intake = Intake(registry, lanes, availability, tallies, taken)
    flow = flow_control(section.batch_reads, max_message_bytes, section.stream_reads)
    streams = StreamLimits(section.stream_reads, section.stream_bytes, flow)
    door = IngestService(intake, budget, registry, streams, section.streams_per_feed)
    database = PostgresRegistry(pool)
    upkeep = RegistryUpkeep(registry, database, section.refresh_seconds)
    _observe(door, lanes)
    return Assembly(
        door,
        CameraRegistryService(database, StoreAudit(AuditClient(store)), upkeep.refresh),
        CameraHealthService(database),
        database,
        registry,
        upkeep,
        tallies,
        lanes,
        budget,
        pool,
        section,
    )


def _observe(door: IngestService, lanes: Lanes) -> None:
    """Measure what is there when somebody asks, at no cost in between."""

    def streams(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(door.streams)

    def queued(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(lanes.queued_reads)

    meter().create_observable_gauge(MetricName.INGEST_STREAMS, [streams], "1", "Vendors' streams open")
    meter().create_observable_gauge(
        MetricName.INGEST_QUEUED_READS, [queued], "1", "Reads waiting for an append"
    )
