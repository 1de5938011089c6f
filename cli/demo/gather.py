"""Asks every service and both national simulators for the reads and alerts that they have."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, Alert

from chassis.client import ClientFiles, open_channel
from cli.demo.compare import KEPT, SentRead
from cli.demo.expected import ExpectedAlert, Identity, Seen
from cli.exits import CliError
from cli.links import Links
from cli.panel.observe import Observer
from cli.panel.state import ForceState
from cli.watching import Watch, watched
from clients.store import ReadLogClient
from reads.appended import appends_of
from simulators.national.ledger import identities_in

PURPOSE: Final = Purpose(justification="Self-check of the demonstration", reference="demo")
_POLL_SECONDS: Final = 0.25
_MOST_READS: Final = 20_000


@dataclass
class LiveAlerts:
    """Alerts as a control room gets them, with the time of their arrival in microseconds since 1970."""

    arrived: dict[Identity, int] = field(default_factory=dict)

    async def collect(self, links: Links) -> None:
        """Watch until cancelled."""
        async for event in watched(links, links.person.forces, Watch(PURPOSE)):
            if event.alert is not None:
                self.arrived.setdefault(identity_of(event.alert), time.time_ns() // 1000)

    def milliseconds(self, sent_at_us: Mapping[Identity, int]) -> list[float]:
        """From the first sending of each read to its alert's arrival."""
        return [
            (at - sent_at_us[identity]) / 1000
            for identity, at in self.arrived.items()
            if identity in sent_at_us
        ]


def identity_of(alert: Alert) -> Identity:
    """The read that an alert is about."""
    read = alert.read
    return read.force, read.camera_id, read.captured_at.ToMicroseconds(), read.read_id


def sent_reads(report: Mapping[str, Any]) -> tuple[list[SentRead], dict[Identity, int]]:
    """(reads sent by the cameras, time of each read's first sending in microseconds since 1970)."""
    place = {name: index for index, name in enumerate(report["columns"])}
    names = ("force", "camera_id", "captured_at_us", "read_id", "plan", "verdict", "sent_at_us")
    picks = [place[name] for name in names]
    sent: list[SentRead] = []
    first: dict[Identity, int] = {}
    for row in report["reads"]:
        force, camera, captured, read_id, plan, verdict, sent_at = (row[pick] for pick in picks)
        identity = (force, camera, captured, read_id)
        sent.append(SentRead(identity, plan, verdict))
        first[identity] = min(sent_at, first.get(identity, sent_at))
    return sent, first


def plates_of(sent: Sequence[SentRead], plates: Mapping[tuple[str, str], str]) -> list[Seen]:
    """The reads that ingest kept with their plates, once each; `plates` is by camera and read_id."""
    kept = {read.identity for read in sent if read.verdict in KEPT}
    return [Seen(identity, plates[identity[1], identity[3]]) for identity in kept]


async def drained(links: Links, patience: float) -> list[str]:
    """Wait until all reads are matched and delivered.

    Returns the lags that remain after `patience` seconds.
    """
    observer, deadline = Observer(links, links.person.forces), time.monotonic() + patience
    while True:
        behind = [sentence for force in (await observer.look()).forces for sentence in _behind(force)]
        if not behind or time.monotonic() > deadline:
            return behind
        await asyncio.sleep(_POLL_SECONDS)


async def stored(
    store: str, match: ClientFiles, forces: Sequence[str], *, server_name: str | None = None
) -> list[Identity]:
    """Every read in the log of the store at HOST:PORT, in order, read with the certificate of `match`."""
    found: list[Identity] = []
    async with open_channel(store, match, server_name=server_name) as channel:
        for force in forces:
            log = ReadLogClient(channel).follow(force, "demo", after=None, max_reads=_MOST_READS)
            async with aclosing(log) as responses:
                async for response in responses:
                    for appended in appends_of(response):
                        found += _identities(force, appended.columns)
                    if response.position >= response.head:
                        break
    return found


async def accepted(control: str) -> list[Identity]:
    """Every read that the national simulator with this control port (HOST:PORT) accepted."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{control}/accepted") as answer:
        if answer.status != 200:
            raise CliError(f"a national service does not say what it accepted (HTTP {answer.status})")
        return identities_in(await answer.text())


async def raised(links: Links) -> list[ExpectedAlert]:
    """Every alert that was raised, from the first on."""
    found: list[ExpectedAlert] = []
    async for event in watched(links, links.person.forces, Watch(PURPOSE, earliest=True, once=True)):
        if (alert := event.alert) is not None:
            near = alert.kind == MATCH_KIND_NEAR
            found.append(ExpectedAlert(identity_of(alert), alert.hotlist, alert.entry_vrm, near))
    return found


def _behind(force: ForceState) -> list[str]:
    if force.problem:
        return [f"{force.force}: {force.problem}"]
    lags = [("match", force.match_lag), *((one.name, one.lag) for one in force.destinations)]
    return [f"{force.force}: {name} is {lag:,} behind" for name, lag in lags if lag]


def _identities(force: str, reads: ReadColumns) -> list[Identity]:
    cameras = [reads.camera_ids[index] for index in reads.camera_indexes]
    return [
        (force, camera, captured, read_id)
        for camera, captured, read_id in zip(cameras, reads.captured_at_us, reads.read_ids, strict=True)
    ]
