"""Sends simulated traffic to the door, and compares its answers with the plan."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gantry.common.v1.read_pb2 import ReadDetails
from gantry.ingest.v1 import cameras_pb2_grpc
from gantry.ingest.v1.ingest_pb2 import RejectionReason, SubmittedRead
from gantry_sdk import Connection, Receipt, read

from chassis.client import open_channel
from simulators.cameras.batches import captured_us
from simulators.cameras.enrolment import enrolments
from simulators.cameras.traffic import SimulatedRead
from simulators.cameras.world import World
from suite.suite import Suite
from tests.e2e.outcome import Identity

FeedKey = tuple[str, str]


async def enrol_world(suite: Suite, world: World) -> dict[FeedKey, str]:
    """Enrol all cameras of the world; the tokens of its feeds."""
    tokens = {}
    async with open_channel(suite.address("ingest"), suite.person()) as channel:
        registry = cameras_pb2_grpc.CameraRegistryServiceStub(channel)
        for request in enrolments(world):
            answer = await registry.EnrolCameras(request)
            tokens[request.force, request.feed] = answer.token
    return tokens


def identity(simulated: SimulatedRead) -> Identity:
    """What tells the read apart from all others."""
    return simulated.force, simulated.camera_id, captured_us(simulated), simulated.read_id


def varied(number: int, simulated: SimulatedRead) -> SimulatedRead:
    """The read as one of many vendors' cameras sends it: some have no pictures, some only the plate's."""
    if number % 5 == 0:
        return replace(simulated, patch=None, overview=None)
    return replace(simulated, overview=None) if number % 5 == 1 else simulated


def submitted(simulated: SimulatedRead) -> SubmittedRead:
    """The read on the wire, its plate written as people write it where it is one."""
    vrm = simulated.vrm_seen
    if simulated.plan == "accept" and len(vrm) == 7 and simulated.lane == 1:
        vrm = f"{vrm[:4]} {vrm[4:]}".lower()
    return read(
        camera_id=simulated.camera_id,
        read_id=simulated.read_id,
        captured_at=captured_us(simulated),
        vrm=vrm,
        confidence=simulated.confidence,
        latitude=simulated.latitude if simulated.mobile else None,
        longitude=simulated.longitude if simulated.mobile else None,
        heading=simulated.heading,
        details=details_of(simulated),
        plate_patch=simulated.patch or b"",
        overview=simulated.overview or b"",
        force=simulated.force if simulated.lane == 2 else "",
    )


def details_of(simulated: SimulatedRead) -> ReadDetails:
    """What the camera knew beyond the plate."""
    return ReadDetails(
        lane=simulated.lane, speed_kph=simulated.speed_kph, vehicle_colour=simulated.colour.upper()
    )


@dataclass
class Answers:
    """The door's answers, batch by batch."""

    accepted: int = 0
    duplicate: int = 0
    rejected: dict[Identity, str] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)

    def note(self, receipt: Receipt, batch: Sequence[SimulatedRead]) -> None:
        """Compare a receipt with the plan."""
        self.accepted += receipt.accepted
        self.duplicate += receipt.duplicate
        rejected = {
            each.index: RejectionReason.Name(each.reason).removeprefix("REJECTION_REASON_")
            for each in receipt.rejections
        }
        for index, simulated in enumerate(batch):
            if index in rejected:
                self.rejected[identity(simulated)] = rejected[index]
            wanted = simulated.plan.partition("reject:")[2]
            if rejected.get(index, "") != wanted:
                self.surprises.append(f"planned {simulated.plan}, rejected as {rejected.get(index)!r}")
        planned = sum(simulated.plan == "duplicate" for simulated in batch)
        if receipt.duplicate != planned or receipt.warnings:
            self.surprises.append(
                f"{receipt.duplicate} duplicates for {planned} planned, {len(receipt.warnings)} warnings"
            )


async def deliver(
    connection: Connection,
    tokens: Mapping[FeedKey, str],
    reads: Iterable[SimulatedRead],
    *,
    batch_reads: int = 20,
) -> Answers:
    """Send reads over one stream a feed, in their order, as fast as they are acknowledged."""
    by_feed: dict[FeedKey, list[SimulatedRead]] = defaultdict(list)
    for simulated in reads:
        by_feed[simulated.force, simulated.feed].append(simulated)
    answers = Answers()

    def note(receipt: Receipt) -> None:
        batch: Any = receipt.tag
        answers.note(receipt, batch)

    async def feed(key: FeedKey, mine: Sequence[SimulatedRead]) -> None:
        async with connection.feed(tokens[key]).stream(note) as stream:
            for start in range(0, len(mine), batch_reads):
                batch = mine[start : start + batch_reads]
                await stream.send([submitted(simulated) for simulated in batch], tag=batch)

    async with asyncio.TaskGroup() as feeds:
        for key, mine in by_feed.items():
            feeds.create_task(feed(key, mine))
    return answers
