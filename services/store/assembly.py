"""Joins the features of the store on a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import asyncpg
from gantry.store.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from gantry.store.v1.buffer_pb2_grpc import add_BufferServiceServicer_to_server
from gantry.store.v1.forces_pb2_grpc import (
    add_DirectoryServiceServicer_to_server,
    add_ForceServiceServicer_to_server,
)
from gantry.store.v1.log_pb2_grpc import add_ReadLogServiceServicer_to_server
from gantry.store.v1.search_pb2_grpc import add_SearchServiceServicer_to_server

from chassis.access import Rules
from chassis.errors import StartupFailure
from chassis.metrics import showing
from chassis.pages import PageTokens
from chassis.restoration import Restoration
from chassis.server import GrpcServer
from policy.access import actions_on_new_forces, actions_without_purpose, rules
from services.store.audit import service as audit_service
from services.store.audit.postgres import PostgresAuditRecords
from services.store.audit.service import AuditService
from services.store.audit.trail import OwnAuditor, restored_record
from services.store.consumers.postgres import PostgresConsumers
from services.store.forces import service as force_service
from services.store.forces.postgres import PostgresForces
from services.store.forces.service import DirectoryService, ForceService
from services.store.forces.watching import DirectoryFeed
from services.store.gauges import StoreGauges
from services.store.images.objects import ImageStore, open_images
from services.store.images.probe import ImageProbe
from services.store.log import service as log_service
from services.store.log.live import LiveLogs
from services.store.log.postgres import AppendConnections, PostgresLog
from services.store.log.service import ReadLogService
from services.store.log.writer import ForceWriter, Limits, Published
from services.store.partitions.postgres import PostgresPartitions
from services.store.partitions.upkeep import Upkeep
from services.store.postgres import ForceRows
from services.store.replicas.postgres import ReplicaNews
from services.store.retention import service as buffer_service
from services.store.retention.postgres import PostgresRetention
from services.store.retention.purging import Retention
from services.store.retention.reopening import Reopening
from services.store.retention.service import BufferService
from services.store.search import service as search_service
from services.store.search.postgres import PostgresReads
from services.store.search.service import SearchService
from services.store.settings import StoreSettings

_OTHER_CONNECTIONS: Final = 4
"""Connections that appends leave free: one for notices, two for retention, one for other work."""

_ROOM_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Database:
    """The database of the store, as its features share it."""

    pool: asyncpg.Pool
    rows: ForceRows
    partitions: PostgresPartitions
    log: PostgresLog
    audit: PostgresAuditRecords
    restoration: Restoration


@asynccontextmanager
async def open_database(
    settings: StoreSettings,
    pool: asyncpg.Pool,
    now_us: Callable[[], int],
    before_commit: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Database]:
    """The database on the connections of `pool`. Raises StartupFailure when there are too few of them.

    `before_commit` runs inside each append's transaction, just before it commits; for tests.
    """
    most = settings.database.pool_size - _OTHER_CONNECTIONS
    if most < 1:
        raise StartupFailure(
            f"GANTRY_DATABASE__POOL_SIZE should be at least {_OTHER_CONNECTIONS + 1}: "
            f"appends leave {_OTHER_CONNECTIONS} connections to other work."
        )
    rows = ForceRows(pool)
    partitions = PostgresPartitions(rows, pool, now_us, settings.store.retention_days)
    async with AppendConnections(pool, most) as connections:
        log = PostgresLog(rows, pool, connections, partitions, now_us, before_commit)
        yield Database(pool, rows, partitions, log, PostgresAuditRecords(pool, now_us), Restoration(pool))


def access_rules() -> Rules:
    """The access rules of the store's RPCs."""
    return rules(
        log_service.SERVICE,
        buffer_service.SERVICE,
        search_service.SERVICE,
        audit_service.SERVICE,
        force_service.FORCES,
        force_service.DIRECTORY,
    )


def own_auditor(database: Database) -> OwnAuditor:
    """Writes what people do at the store to the audit trail."""
    return OwnAuditor(database.audit, actions_on_new_forces())


async def assemble(
    server: GrpcServer, settings: StoreSettings, database: Database, now_us: Callable[[], int]
) -> None:
    """Give the services and the background work to the server. Raises StartupFailure for a bad setting."""
    images = open_images(settings.store.images)
    probe = ImageProbe(images)
    await probe.at_start()
    tokens = await PageTokens.open(database.pool)
    logs = _add_log(server, settings, database, images, now_us, probe)
    _add_buffer(server, settings, database, images, tokens, now_us, logs)
    _add_search(server, database, images, tokens)
    _add_audit(server, database, tokens)
    _add_forces(server, database)


def _add_log(  # noqa: PLR0917
    server: GrpcServer,
    settings: StoreSettings,
    database: Database,
    images: ImageStore,
    now_us: Callable[[], int],
    probe: ImageProbe,
) -> LiveLogs:
    buffer, log = settings.store, database.log
    limits = Limits(buffer.queue_reads, buffer.queue_bytes, buffer.commit_reads)

    def writer_of(force: str, published: Published) -> ForceWriter:
        return ForceWriter(force, log, images, published, now_us, limits)

    def tell_others(force: str, head: int) -> None:
        news.committed(force, head)

    async def ready() -> None:
        await asyncio.gather(database.rows.require_writable(), probe.ping())

    logs = LiveLogs(log, writer_of, tell_others, buffer.ring_bytes)
    news = ReplicaNews(database.pool, logs.announce)
    consumers = PostgresConsumers(database.rows, database.pool)
    # A follower with the same limit must be able to receive an append with its positions.
    most_bytes = settings.grpc.max_message_bytes - _ROOM_BYTES
    service = ReadLogService(logs, log, consumers, images, most_bytes, now_us, server.stopping)
    server.add(
        add_ReadLogServiceServicer_to_server,
        service,
        service=log_service.SERVICE,
        ready=ready,
    )
    server.own(logs.run(), "logs")
    server.own(news.run(), "news of other replicas")
    server.own(Upkeep(database.partitions, logs.forget, now_us).run(), "upkeep")
    server.on_stop(logs.wake)
    return logs


def _add_buffer(  # noqa: PLR0917
    server: GrpcServer,
    settings: StoreSettings,
    database: Database,
    images: ImageStore,
    tokens: PageTokens,
    now_us: Callable[[], int],
    logs: LiveLogs,
) -> None:
    buffer = settings.store
    records = PostgresRetention(database.rows, database.pool)
    consumers = PostgresConsumers(database.rows, database.pool)
    server.add(
        add_BufferServiceServicer_to_server,
        BufferService(records, consumers, tokens, buffer.retention_days, now_us, logs.trouble),
        service=buffer_service.SERVICE,
        ready=database.rows.ping,
    )
    retention = Retention(records, images, buffer.retention_days, now_us)
    server.own(retention.run(buffer.retention_interval_seconds), "retention")
    reopening = Reopening(database.restoration, retention, records, partial(restored_record, database.audit))
    server.own(database.restoration.until_open(reopening.attempt), "reopening")
    gauges = StoreGauges(consumers, records, logs, buffer.retention_days, now_us, images.free_bytes)
    server.own(showing(*gauges.shown()), "gauges")


def _add_search(server: GrpcServer, database: Database, images: ImageStore, tokens: PageTokens) -> None:
    server.add(
        add_SearchServiceServicer_to_server,
        SearchService(PostgresReads(database.rows), images, tokens, server.stopping),
        service=search_service.SERVICE,
        ready=database.rows.ping,
    )


def _add_audit(server: GrpcServer, database: Database, tokens: PageTokens) -> None:
    server.add(
        add_AuditServiceServicer_to_server,
        AuditService(database.audit, tokens, actions_without_purpose()),
        service=audit_service.SERVICE,
        ready=database.rows.ping,
    )


def _add_forces(server: GrpcServer, database: Database) -> None:
    forces = PostgresForces(database.pool)
    feed = DirectoryFeed(forces, server.stopping)
    server.add(
        add_ForceServiceServicer_to_server,
        ForceService(forces),
        service=force_service.FORCES,
        ready=database.rows.ping,
    )
    server.add(
        add_DirectoryServiceServicer_to_server,
        DirectoryService(feed),
        service=force_service.DIRECTORY,
        ready=database.rows.ping,
    )
    server.own(feed.run(), "directory")
    server.on_stop(feed.wake)
