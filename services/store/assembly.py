"""The parts of the store put together on a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import asyncpg
from gantry.store.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from gantry.store.v1.store_pb2_grpc import add_StoreServiceServicer_to_server

from chassis.errors import StartupFailure
from chassis.guard import PERSON
from chassis.server import GrpcServer
from services.store.audit import service as audit_service
from services.store.audit.postgres import AuditTrail
from services.store.audit.service import AuditService
from services.store.images.objects import open_images
from services.store.log.forces import Forces
from services.store.log.heads import watch_heads
from services.store.log.postgres import PostgresLog
from services.store.log.service import SERVICE, Parts, StoreService, tail_handler
from services.store.log.upkeep import Upkeep
from services.store.log.writer import GroupWriter, Limits
from services.store.retention.postgres import RetentionRecords
from services.store.retention.purging import Retention, Rules
from services.store.retention.status import BufferRecords, StatusService
from services.store.search.postgres import Lookups
from services.store.search.service import LookupService
from services.store.settings import StoreSettings

_LEAST_CONNECTIONS: Final = 5
_ROOM_BYTES: Final = 1024 * 1024
_FOLLOWERS: Final = ("match", "nas_bridge")
CALLERS: Final = {
    "AppendReads": ("ingest",),
    "TailReads": _FOLLOWERS,
    "ReportCursor": _FOLLOWERS,
    "SearchReads": (PERSON,),
    "GetRead": (PERSON,),
    "GetImage": (PERSON,),
    "GetBufferStatus": (PERSON, *_FOLLOWERS),
    "ListPurgeCertificates": (PERSON,),
}
AUDIT_CALLERS: Final = {
    "RecordAudit": ("ingest", *_FOLLOWERS),
    "ListAuditRecords": (PERSON,),
    "VerifyAuditChain": (PERSON,),
}


def assemble(
    server: GrpcServer,
    settings: StoreSettings,
    pool: asyncpg.Pool,
    log: PostgresLog,
    now_us: Callable[[], int],
) -> None:
    """Hand the services and the background work to the server. Raises StartupFailure for a bad setting."""
    if settings.database.pool_size < _LEAST_CONNECTIONS:
        raise StartupFailure(
            f"GANTRY_DATABASE__POOL_SIZE should be at least {_LEAST_CONNECTIONS}: "
            "appending, listening and retention each keep a connection."
        )
    buffer = settings.store
    images = open_images(buffer.images)
    forces = Forces(log, buffer.ring_bytes)
    limits = Limits(buffer.queue_reads, buffer.queue_bytes, buffer.commit_reads)
    writer = GroupWriter(log, images, forces.opened, now_us, limits)
    trail = AuditTrail(log, now_us)
    lookups = LookupService(Lookups(log), trail, images)
    rules = Rules(buffer.retention_days, buffer.consumers_waited_for)
    purges = RetentionRecords(log, pool)
    status = StatusService(BufferRecords(log, pool), purges, rules, now_us)
    # A follower with the same limit has to be able to receive what was appended, with its positions.
    most_bytes = settings.grpc.max_message_bytes - _ROOM_BYTES
    parts = Parts(log, writer, forces, images, lookups, status, most_bytes, now_us, server.stopping)
    service = StoreService(parts)
    server.add(add_StoreServiceServicer_to_server, service, service=SERVICE, callers=CALLERS, ready=log.ping)
    server.add_raw(SERVICE, "TailReads", tail_handler(service))
    server.add(
        add_AuditServiceServicer_to_server,
        AuditService(trail),
        service=audit_service.SERVICE,
        callers=AUDIT_CALLERS,
        ready=log.ping,
    )
    server.own(writer.run(), "writer")
    retention = Retention(purges, images, rules, now_us)
    server.own(retention.run(buffer.retention_interval_seconds), "retention")
    server.own(Upkeep(log, forces.forget, now_us).run(), "upkeep")
    server.own(watch_heads(pool, log.sender, forces.announce), "heads")
    server.on_stop(forces.wake)
