"""Compares what the cameras sent with what every part of the cluster has, as the demo does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cli.demo.compare import Findings
from cli.demo.expected import Identity, expected_alerts, read_hotlist
from cli.demo.gather import PURPOSE, accepted, drained, plates_of, raised, sent_reads, stored
from cli.fleet import HOTLIST, FleetOrder, drawn_reads, enrol_fleet, import_hotlists, run_without_images
from cli.links import Links
from tests.k8s.home import NATIONAL, Home
from tests.k8s.lab import Lab

_DRAIN_SECONDS = 180.0


@dataclass(frozen=True)
class Prepared:
    """What is known before the cameras send: the plates that they will see, and the hotlists for them."""

    plates: Mapping[tuple[str, str], str]
    hotlists: Mapping[str, Path]
    at: datetime


async def prepare(links: Links, home: Home, order: FleetOrder) -> Prepared:
    """Enrol the cameras of an order, and import hotlists that their reads will hit."""
    world, now = order.world(), datetime.now(UTC)
    await enrol_fleet(links, world)
    reads = await asyncio.to_thread(drawn_reads, world, run_without_images(order, now))
    today: date = now.date()
    files = await import_hotlists(
        links, home.layout.hotlists, reads, seed=order.seed, today=today, reason=PURPOSE.justification
    )
    return Prepared({(read.camera_id, read.read_id): read.vrm_seen for read in reads}, files, now)


async def findings(
    lab: Lab, links: Links, prepared: Prepared, report: Mapping[str, Any]
) -> tuple[Findings, Sequence[str]]:
    """(what everyone has, what still lagged in the end)."""
    late = await drained(links, _DRAIN_SECONDS)
    sent, _ = sent_reads(report)
    entries = [
        entry for force, path in prepared.hotlists.items() for entry in read_hotlist(path, force, HOTLIST)
    ]
    home = lab.home
    found = Findings(
        sent=sent,
        stored=await stored(
            home.suite.address("store", "services"),
            home.service("match"),
            links.person.forces,
            server_name="store",
        ),
        destinations={name: await _accepted(lab, name, links.person.forces) for name in NATIONAL},
        expected=expected_alerts(plates_of(sent, prepared.plates), entries, prepared.at),
        raised=await raised(links),
    )
    return found, late


async def _accepted(lab: Lab, simulator: str, forces: Sequence[str]) -> Sequence[Identity]:
    async with lab.home.control(lab.namespace, simulator) as control:
        return [identity for identity in await accepted(control) if identity[0] in forces]
