"""Enrols cameras, runs generators, and waits until all reads have passed the whole chain."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import aiohttp
from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1 import cameras_pb2, cameras_pb2_grpc
from gantry.match.v1 import alert_pb2, alert_pb2_grpc

from bench.generator import FeedPlan, Outcome, Plan
from bench.reads import LATITUDE_E7, LONGITUDE_E7, camera_ids
from chassis.client import open_channel
from suite.suite import Suite

CAMERAS_A_FEED: Final = 40
_SETTLE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.02


async def enrol(suite: Suite, label: str, feeds_a_force: int = 1) -> list[FeedPlan]:
    """Enrol new feeds of `CAMERAS_A_FEED` cameras each for every force of the suite."""
    place = Position(latitude=LATITUDE_E7 / 1e7, longitude=LONGITUDE_E7 / 1e7)
    feeds = []
    async with open_channel(suite.address("ingest"), suite.person()) as channel:
        registry = cameras_pb2_grpc.CameraRegistryServiceStub(channel)
        for force in suite.settings.forces:
            for number in range(feeds_a_force):
                name = f"{force[:3]}-{label}-{number}"
                cameras = camera_ids(name, CAMERAS_A_FEED)
                answer = await registry.EnrolCameras(
                    cameras_pb2.EnrolCamerasRequest(
                        force=force,
                        feed=name,
                        cameras=[cameras_pb2.Camera(camera_id=each, position=place) for each in cameras],
                        request_id=str(uuid.uuid4()),
                    )
                )
                feeds.append(FeedPlan(name, answer.token, cameras))
    return feeds


def plan(suite: Suite, mode: str, feeds: Sequence[FeedPlan], **details: object) -> Plan:
    """A plan against the suite's public door."""
    target, authority = suite.address("ingest", "public"), str(suite.authority.certificate)
    return Plan(mode=mode, target=target, authority=authority, feeds=feeds, **details)  # type: ignore[arg-type]


async def generate(work: Plan) -> Outcome:
    """Carry out a plan in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.generator",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate(json.dumps(asdict(work)).encode())
    except BaseException:
        process.kill()
        raise
    if process.returncode != 0:
        raise RuntimeError(f"the generator ended with exit code {process.returncode}")
    outcome = Outcome(**json.loads(output))
    if outcome.rejected or not outcome.acked:
        raise RuntimeError(f"{outcome.rejected} reads were rejected and {outcome.acked} acknowledged")
    return outcome


async def accepted_nationally(suite: Suite) -> dict[str, int]:
    """How many reads each national service has accepted."""
    counts = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        for name in suite.settings.destinations:
            async with session.get(f"http://{suite.address(name, 'control')}/state") as answer:
                forces = (await answer.json())["forces"]
            counts[name] = sum(force["accepted"] for force in forces.values())
    return counts


async def settle(suite: Suite, expected: int) -> float:
    """Wait until every destination has accepted `expected` reads in all and match is at the head.

    Returns when that was, in seconds since 1970. RuntimeError after two minutes.
    """
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        counts = await accepted_nationally(suite)
        if all(count >= expected for count in counts.values()) and await _matched(suite):
            return time.time()
        if time.monotonic() > deadline:
            raise RuntimeError(f"after {_SETTLE_SECONDS:.0f} s {counts} of {expected} reads have arrived")
        await asyncio.sleep(_POLL_SECONDS)


async def _matched(suite: Suite) -> bool:
    async with open_channel(suite.address("match"), suite.person()) as channel:
        alerts = alert_pb2_grpc.AlertServiceStub(channel)
        for force in suite.settings.forces:
            status = await alerts.GetMatchStatus(alert_pb2.GetMatchStatusRequest(force=force))
            if status.position < status.head:
                return False
    return True
