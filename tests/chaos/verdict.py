"""The checks after failures: no acknowledged read is missing, and none counts twice."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import grpc
from gantry.match.v1 import alert_pb2
from gantry.store.v1 import search_pb2

from suite.suite import Suite
from tests.chaos.flow import PLATES, Flow
from tests.chaos.observers import ControlRoom, Tail
from tests.e2e.outcome import (
    PURPOSE,
    Identity,
    LogEntry,
    alerts_of,
    buffer_status,
    identity_of,
    log_of,
    national_counts,
    nationally_accepted,
    search_for,
    settled,
)
from tests.e2e.scan import leaks, passwords, plates
from tests.e2e.waiting import eventually

SETTLE_SECONDS = 60.0
_VIEWS_AT_ONCE = 16


async def nothing_is_lost_or_doubled(
    suite: Suite, flow: Flow, tails: Mapping[str, Tail], rooms: Mapping[str, ControlRoom]
) -> None:
    """All checks, for every force."""
    assert flow.refused == []
    assert flow.acked == flow.sent.keys()
    for force in suite.settings.forces:
        await settled(suite, force, len(flow.of(force)), within=SETTLE_SECONDS)
        log = await log_of(suite, force)
        await _the_log_is_whole(suite, flow, force, log)
        await _the_tail_had_no_hole(tails[force], log)
        await _destinations_counted_each_once(suite, force, log)
        await _alerts_came_once(suite, flow, force, rooms[force])
        await _pictures_are_whole(suite, flow, force, log)
    assert leaks(suite, {**plates(PLATES), **passwords(suite)}) == []


async def _the_log_is_whole(suite: Suite, flow: Flow, force: str, log: Sequence[LogEntry]) -> None:
    sent = {read.identity: read.vrm for read in flow.of(force)}
    assert sorted(entry.identity for entry in log) == sorted(sent)
    assert {entry.identity: entry.vrm for entry in log} == sent
    positions = [entry.position for entry in log]
    assert positions == sorted(set(positions))
    assert (await buffer_status(suite, force)).reads_stored == len(sent)


async def _the_tail_had_no_hole(tail: Tail, log: Sequence[LogEntry]) -> None:
    async def caught_up() -> bool:
        return tail.position >= log[-1].position

    await eventually(caught_up, within=SETTLE_SECONDS, what="the follower's catching up")
    assert tail.wrong == []
    assert tail.reads == [(entry.position, entry.identity) for entry in log]


async def _destinations_counted_each_once(suite: Suite, force: str, log: Sequence[LogEntry]) -> None:
    order = _by_camera([entry.identity for entry in log])
    for name in suite.settings.destinations:
        accepted = await nationally_accepted(suite, name, force)
        assert len(accepted) == len(set(accepted)) == len(log), name
        assert _by_camera(accepted) == order, f"{name} has another order"
        assert (await national_counts(suite, name, force))["accepted"] == len(log), name


def _by_camera(identities: Sequence[Identity]) -> dict[str, list[Identity]]:
    order: dict[str, list[Identity]] = defaultdict(list)
    for identity in identities:
        order[identity[1]].append(identity)
    return order


async def _alerts_came_once(suite: Suite, flow: Flow, force: str, room: ControlRoom) -> None:
    kept, wanted = await alerts_of(suite, force), flow.alerts(force)
    assert sorted(map(_about, kept)) == wanted

    async def heard() -> bool:
        return len(room.alerts) >= len(kept)

    await eventually(heard, within=SETTLE_SECONDS, what="the control room's hearing of all alerts")
    assert [alert.alert_id for alert in room.alerts] == [alert.alert_id for alert in kept]


def _about(alert: alert_pb2.Alert) -> tuple[str, str, str]:
    _, camera_id, _, read_id = identity_of(alert)
    return camera_id, read_id, alert.entry_vrm


async def _pictures_are_whole(suite: Suite, flow: Flow, force: str, log: Sequence[LogEntry]) -> None:
    few, wrong = asyncio.Semaphore(_VIEWS_AT_ONCE), []

    async def view(entry: LogEntry, wanted: bytes) -> None:
        request = search_pb2.GetImageRequest(
            force=force, purpose=PURPOSE, position=entry.position, kind=search_pb2.IMAGE_KIND_PLATE_PATCH
        )
        async with few:
            try:
                right = (await search.GetImage(request, timeout=20)).jpeg == wanted
            except grpc.aio.AioRpcError:
                right = False
        if not right:
            wrong.append(entry.position)

    pictured = {read.identity: read.patch for read in flow.of(force) if read.patch}
    async with search_for(suite) as search, asyncio.TaskGroup() as views:
        for entry in log:
            if entry.identity in pictured:
                views.create_task(view(entry, pictured[entry.identity]))
    assert wrong == []
    assert pictured
