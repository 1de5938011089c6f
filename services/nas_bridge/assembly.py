"""Joins the parts of the bridge. Only this module imports both the ports and their adapters."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from chassis.pages import PageTokens
from chassis.settings import TlsSettings
from clients.directory import DirectoryWatch
from clients.store import ReadLogClient
from following import Heads, Lines, ShownLines, SkipGaps, StopAtGaps
from services.nas_bridge.destinations.connections import Connections
from services.nas_bridge.destinations.identities import Identities
from services.nas_bridge.destinations.postgres import PostgresDestinations
from services.nas_bridge.destinations.verbs import Destinations
from services.nas_bridge.forwarding.lines import Forwarding, ForwardingLimits
from services.nas_bridge.forwarding.postgres import PostgresDeliveries
from services.nas_bridge.forwarding.refusals import RefusalLimits
from services.nas_bridge.gauges import BridgeGauges
from services.nas_bridge.receipts.postgres import PostgresRecords
from services.nas_bridge.service import BridgeService
from services.nas_bridge.settings import BridgeSection


@dataclass(frozen=True)
class Bridge:
    """The parts of a running bridge."""

    service: BridgeService
    lines: Lines
    destinations: Destinations
    records: PostgresRecords
    gauges: BridgeGauges


async def assemble(
    settings: BridgeSection,
    tls: TlsSettings,
    pool: asyncpg.Pool,
    log: ReadLogClient,
    directory: DirectoryWatch,
    *,
    heads: Heads,
) -> Bridge:
    """Make the parts; nothing runs yet."""
    identities = Identities(tls, settings.identities)
    rows, records = PostgresDestinations(pool), PostgresRecords(pool)
    forwarding = Forwarding(log, rows, Connections(identities), PostgresDeliveries(pool), limits_of(settings))
    # The lines of a retired force deliver the reads that are still in the buffer.
    lines = Lines(pool, forwarding.line_of, forces=lambda: directory.forces, hears=directory.is_heard)
    destinations = Destinations(rows, log, identities, lambda force: force in directory.active, lines.wake)
    service = BridgeService(destinations, records, await PageTokens.open(pool))
    gauges = BridgeGauges(ShownLines(pool, lines.replica, heads), lambda: directory.forces)
    return Bridge(service, lines, destinations, records, gauges)


def limits_of(settings: BridgeSection) -> ForwardingLimits:
    """The limits that hold for all destinations."""
    return ForwardingLimits(
        most_bytes=settings.most_bytes,
        gather_seconds=settings.gather_seconds,
        retry_first_seconds=settings.retry_first_seconds,
        retry_most_seconds=settings.retry_most_seconds,
        refusals=RefusalLimits(settings.refused_in_a_row, settings.refused_percent),
        gaps=SkipGaps() if settings.skip_purged else StopAtGaps(),
    )
