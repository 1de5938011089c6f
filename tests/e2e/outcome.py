"""Asks each service for what it has, through the contracts that its users have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
from gantry.bridge.v1 import bridge_pb2
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1 import alert_pb2, alert_pb2_grpc
from gantry.store.v1 import buffer_pb2, buffer_pb2_grpc, log_pb2, log_pb2_grpc, search_pb2, search_pb2_grpc

from chassis.client import open_channel
from clients.bridge import BridgeClient
from reads.appended import Appended, appends_of
from reads.columns import HEADING_UNKNOWN
from simulators.national.ledger import identities_in
from suite.suite import Suite
from tests.e2e.waiting import eventually

Identity = tuple[str, str, int, str]
"""Force, camera, capture time in microseconds since 1970, read_id."""

PURPOSE = Purpose(justification="end-to-end test with made-up vehicles", reference="E2E-1")
LARGEST = 64 * 1024 * 1024
SETTLE_SECONDS = 30.0


@dataclass(frozen=True)
class LogEntry:
    """A read as the log has it."""

    identity: Identity
    position: int
    vrm: str
    confidence: float
    latitude_e7: int
    longitude_e7: int
    heading: int
    details: bytes
    traceparent: str


@asynccontextmanager
async def log_as(suite: Suite, service: str) -> AsyncIterator[log_pb2_grpc.ReadLogServiceAsyncStub]:
    """The store's log, called as another service."""
    async with open_channel(
        suite.address("store"), suite.service(service), max_message_bytes=LARGEST
    ) as channel:
        yield log_pb2_grpc.ReadLogServiceStub(channel)


@asynccontextmanager
async def search_for(
    suite: Suite, person: str | None = None, forces: Sequence[str] | None = None
) -> AsyncIterator[search_pb2_grpc.SearchServiceAsyncStub]:
    """The store's search, called as a person."""
    async with open_channel(suite.address("store"), suite.person(person, forces)) as channel:
        yield search_pb2_grpc.SearchServiceStub(channel)


async def found_by(
    search: search_pb2_grpc.SearchServiceAsyncStub, request: search_pb2.SearchReadsRequest
) -> list[search_pb2.StoredRead]:
    """Every read of the answer's pages. Raises AioRpcError."""
    return [read async for page in search.SearchReads(request) for read in page.reads]


async def log_of(suite: Suite, force: str, *, after: int | None = None) -> list[LogEntry]:
    """The log of a force from its beginning (or after a position) to its head, as a follower gets it."""
    request = log_pb2.TailReadsRequest(force=force, consumer="e2e")
    if after is None:
        request.earliest = True
    else:
        request.after_position = after
    entries: list[LogEntry] = []
    async with log_as(suite, "match") as log:
        call = log.TailReads(request, timeout=SETTLE_SECONDS)
        async for response in call:
            for appended in appends_of(response):
                entries += entries_of(force, appended)
            if response.position >= response.head:
                break
        call.cancel()
    return entries


def entries_of(force: str, appended: Appended) -> list[LogEntry]:
    """The reads of an append, one by one."""
    reads = appended.columns
    cameras = [reads.camera_ids[index] for index in reads.camera_indexes]
    headings = reads.headings or [HEADING_UNKNOWN] * len(cameras)
    details = reads.details or [b""] * len(cameras)
    return [
        LogEntry(
            (force, cameras[at], reads.captured_at_us[at], reads.read_ids[at]),
            appended.positions[at],
            reads.vrms[at],
            reads.confidences[at],
            reads.latitudes_e7[at],
            reads.longitudes_e7[at],
            headings[at],
            details[at],
            appended.traceparent,
        )
        for at in range(len(cameras))
    ]


async def buffer_status(suite: Suite, force: str) -> buffer_pb2.GetBufferStatusResponse:
    """The state of a force's buffer."""
    async with open_channel(suite.address("store"), suite.person()) as channel:
        stub = buffer_pb2_grpc.BufferServiceStub(channel)
        return await stub.GetBufferStatus(buffer_pb2.GetBufferStatusRequest(force=force))


async def match_status(suite: Suite, force: str) -> alert_pb2.GetMatchStatusResponse:
    """How far matching is."""
    async with open_channel(suite.address("match"), suite.person()) as channel:
        stub = alert_pb2_grpc.AlertServiceStub(channel)
        return await stub.GetMatchStatus(alert_pb2.GetMatchStatusRequest(force=force))


async def alerts_of(suite: Suite, force: str) -> list[alert_pb2.Alert]:
    """All alerts of a force that are kept, in order."""
    request = alert_pb2.SubscribeRequest(force=force, purpose=PURPOSE, earliest=True)
    found: list[alert_pb2.Alert] = []
    async with open_channel(suite.address("match"), suite.person()) as channel:
        call = alert_pb2_grpc.AlertServiceStub(channel).Subscribe(request, timeout=SETTLE_SECONDS)
        async for response in call:
            if response.event.HasField("raised"):
                found.append(response.event.raised)
            if response.HasField("progress"):
                break
        call.cancel()
    return found


def identity_of(alert: alert_pb2.Alert) -> Identity:
    """The read that an alert is about."""
    read = alert.read
    micros = read.captured_at.seconds * 1_000_000 + read.captured_at.nanos // 1000
    return read.force, read.camera_id, micros, read.read_id


async def destination(suite: Suite, force: str, name: str) -> bridge_pb2.Destination:
    """A destination as the bridge reports it."""
    async with open_channel(suite.address("nas_bridge"), suite.person()) as channel:
        return next(each for each in await BridgeClient(channel).destinations(force) if each.name == name)


async def dead_letters(suite: Suite, force: str, name: str) -> list[bridge_pb2.DeadLetter]:
    """All reads that a destination refused."""
    async with open_channel(suite.address("nas_bridge"), suite.person()) as channel:
        return [each async for each in BridgeClient(channel).dead_letters(force, name, PURPOSE)]


async def national_state(suite: Suite, name: str) -> dict[str, Any]:
    """What a national service has counted since it started."""
    state: dict[str, Any] = await _control(suite, name, "state", "json")
    return state


async def national_counts(suite: Suite, name: str, force: str) -> dict[str, int]:
    """A national service's counts for a force; zeros when it has received nothing of it."""
    names = ("accepted", "duplicate", "refused", "plate_patches", "overviews")
    counts = (await national_state(suite, name))["forces"].get(force, {})
    return {each: counts.get(each, 0) for each in names}


async def nationally_accepted(suite: Suite, name: str, force: str) -> list[Identity]:
    """Every read that a national service has ever taken from a force, as often as it counted it."""
    text: str = await _control(suite, name, "accepted", "text")
    return [identity for identity in identities_in(text) if identity[0] == force]


async def settled(
    suite: Suite, force: str, reads: int, *, within: float = SETTLE_SECONDS, at: Iterable[str] | None = None
) -> None:
    """Wait until the destinations have counted `reads` reads of a force and match is at the log's head."""
    names = tuple(suite.settings.destinations if at is None else at)

    async def done() -> bool:
        for name in names:
            if (await national_counts(suite, name, force))["accepted"] < reads:
                return False
        return await matched(suite, force)

    await eventually(done, within=within, what=f"{reads} reads of {force} at {' and '.join(names)}")


async def arrived(
    suite: Suite,
    identities: Iterable[Identity],
    *,
    within: float = SETTLE_SECONDS,
    at: Iterable[str] | None = None,
) -> None:
    """Wait until every destination (or those named) has each of these reads of one force."""
    wanted = set(identities)
    force = next(iter(wanted))[0]
    names = tuple(suite.settings.destinations if at is None else at)

    async def done() -> bool:
        found = [set(await nationally_accepted(suite, name, force)) for name in names]
        return all(wanted <= have for have in found)

    await eventually(done, within=within, what=f"{len(wanted)} reads of {force} at {' and '.join(names)}")


async def matched(suite: Suite, force: str) -> bool:
    """Whether match has seen the whole log of a force."""
    try:
        head = (await buffer_status(suite, force)).head
        return (await match_status(suite, force)).position >= head
    except grpc.aio.AioRpcError:
        return False


async def _control(suite: Suite, name: str, path: str, form: str) -> Any:
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"http://{suite.address(name, 'control')}/{path}") as answer,
    ):
        return await (answer.json() if form == "json" else answer.text())
