"""A replica of match behind its real gRPC server, and clients with certificates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import grpc
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1.hotlist_pb2 import ImportHeader

from chassis.client import open_channel
from chassis.database import open_pool
from chassis.pages import PageTokens
from chassis.restoration import Restoration
from chassis.server import GrpcServer, grpc_server
from chassis.settings import DatabaseSettings, TlsSettings
from clients.canary import CanaryClient
from clients.match import AlertClient, HotlistClient
from policy.access import rules
from services.match.__main__ import ALERTS, CANARIES, HOTLISTS, serve
from services.match.assembly import Assembly, assemble
from services.match.settings import MatchSettings
from suite.certificates import Authority
from tests.contract.match.memory_log import MemoryLog
from tests.contract.match.replica import SECTION

WHY = Purpose(justification="looking for a stolen car", reference="crime 1")


class MemoryAudit:
    """Keeps audit records, or refuses them all."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, int, str, str]] = []
        self.fault: Exception | None = None

    async def record(self, force: str, person: str, action: int, purpose: Purpose, subject: str) -> None:
        """See `chassis.access.Auditor`."""
        if self.fault is not None:
            raise self.fault
        self.records.append((force, person, action, purpose.justification, subject))


@dataclass
class Served:
    """What a test needs of a served replica."""

    match: Assembly
    server: GrpcServer
    audit: MemoryAudit
    pki: Authority
    stack: AsyncExitStack
    channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)

    async def channel(self, tls: TlsSettings) -> grpc.aio.Channel:
        """A channel with a certificate."""
        target = f"127.0.0.1:{self.server.ports['grpc']}"
        return await self.stack.enter_async_context(open_channel(target, tls))

    async def person(self, name: str = "ana", forces: tuple[str, ...] = ("essex",)) -> grpc.aio.Channel:
        """A person's channel."""
        if name not in self.channels:
            self.channels[name] = await self.channel(self.pki.issue_person(name, forces))
        return self.channels[name]

    async def alerts(self, name: str = "ana", forces: tuple[str, ...] = ("essex",)) -> AlertClient:
        """A person's client for alerts."""
        return AlertClient(await self.person(name, forces))

    async def canaries(self) -> CanaryClient:
        """The canary's client."""
        return CanaryClient(await self.channel(self.pki.issue_service("canary")))

    async def hotlists(self, name: str = "ana", forces: tuple[str, ...] = ("essex",)) -> HotlistClient:
        """A person's client for hotlists."""
        return HotlistClient(await self.person(name, forces))


@asynccontextmanager
async def running(
    database: DatabaseSettings, log: MemoryLog, pki: Authority, *, forces: tuple[str, ...] = ("essex", "kent")
) -> AsyncIterator[Served]:
    """A replica behind gRPC. A background task that dies fails the test."""

    async def known(force: str) -> bool:
        return force in forces

    settings = MatchSettings(tls=pki.issue_service("match"), database=database, match=SECTION)
    audit = MemoryAudit()
    async with open_pool(database) as pool, AsyncExitStack() as stack:
        pages = await PageTokens.open(pool)
        match = assemble(SECTION, pool, log, heads=log.heads, forces=lambda: forces, pages=pages)
        restoration = Restoration(pool)
        await restoration.subject()
        async with grpc_server(
            settings,
            rules(HOTLISTS, ALERTS, CANARIES),
            auditor=audit,
            known_force=known,
            restoration=restoration,
        ) as server:
            serve(server, match, match.notices.ping)
            await server.start()
            yield Served(match, server, audit, pki, stack)
            await stack.aclose()


def header(**values: object) -> ImportHeader:
    """An import's header."""
    given = {
        "force": "essex",
        "name": "stolen",
        "purpose": WHY,
        "near_matches": True,
        "request_id": str(uuid4()),
    }
    return ImportHeader(**{**given, **values})


async def chunks_of(*parts: bytes) -> AsyncIterator[bytes]:
    """The parts, as a client streams them."""
    for part in parts:
        yield part
