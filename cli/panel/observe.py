"""Reads the state of a suite: processes by their health port, forces by their services."""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

import grpc
from gantry.bridge.v1 import bridge_pb2
from gantry.bridge.v1.bridge_pb2 import DESTINATION_STATE_RETIRED, Destination, ForwarderState
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import Fault
from cli.exits import CliError, Exit
from cli.faults import fault_of
from cli.forms import iso, word
from cli.home import SuiteHome
from cli.links import Links
from cli.panel.state import DestinationState, ForceState, ProcessState, SuiteState

PATIENCE_SECONDS: Final = 2.0
"""A panel should not wait longer for an answer. It shows the service as unavailable instead."""
_AWAY: Final = "a service is away"


class Observer:
    """Observes repeatedly, and computes reads a second from two observations."""

    def __init__(self, links: Links, forces: Sequence[str]) -> None:
        self._links = links
        self._forces = forces
        self._started = time.monotonic()
        self._before: dict[str, tuple[float, int]] = {}

    async def look(self) -> SuiteState:
        """The state now. Failed calls are named in it; nothing is raised."""
        processes, forces = await asyncio.gather(
            process_states(self._links.home), asyncio.gather(*(self._force(force) for force in self._forces))
        )
        return SuiteState(time.monotonic() - self._started, processes, forces)

    async def _force(self, force: str) -> ForceState:
        try:
            return await self._ask(force)
        except CliError as error:
            return ForceState(force, problem=_AWAY if error.code is Exit.UNREACHABLE else error.message)
        except (grpc.aio.AioRpcError, Fault) as error:
            return ForceState(force, problem=_short(fault_of(error)))

    async def _ask(self, force: str) -> ForceState:
        store, alerts, bridge = (
            await self._links.buffer(),
            await self._links.alerts(),
            await self._links.bridge(),
        )
        buffer, match, bound = await asyncio.gather(
            store.status(force),
            alerts.status(force),
            bridge.destinations(force),
        )
        return ForceState(
            force=force,
            stored=buffer.reads_stored,
            head=buffer.head,
            reads_per_s=self._rate(force, buffer.reads_stored),
            match_lag=max(0, buffer.head - match.position),
            alerts=match.alerts_raised,
            alerts_open=match.alerts_open,
            entries=match.entries,
            oldest_day=buffer.oldest_day,
            overdue_days=list(buffer.overdue_days),
            destinations=[_destination(one, buffer.head) for one in bound],
        )

    def _rate(self, force: str, stored: int) -> float:
        now = time.monotonic()
        then, before = self._before.get(force, (now, stored))
        self._before[force] = (now, stored)
        return (stored - before) / (now - then) if now > then else 0.0


async def process_states(home: SuiteHome) -> list[ProcessState]:
    """Every process of the suite with its state."""
    return list(await asyncio.gather(*(_process(home, name) for name in home.processes())))


async def _process(home: SuiteHome, name: str) -> ProcessState:
    pid = home.pid(name)
    try:
        ports = home.ports(name)
    except CliError:
        return ProcessState(name, "starting", pid)
    if pid is not None and not _alive(pid):
        return ProcessState(name, "stopped", pid)
    if "health" not in ports:
        return ProcessState(name, "serving", pid)
    return ProcessState(name, await _health(home.address(name, "health")), pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _health(address: str) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            return "silent" if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else "stopped"
    return "serving" if answer.status == health_pb2.HealthCheckResponse.SERVING else "failing"


def _destination(destination: Destination, head: int) -> DestinationState:
    retired = destination.desired_state == DESTINATION_STATE_RETIRED
    return DestinationState(
        name=destination.name,
        state=word(ForwarderState, destination.state, "FORWARDER_STATE_"),
        delivered=destination.delivered,
        lag=0 if retired else max(0, head - destination.position),
        dead_letters=destination.dead_letters,
        last_error=destination.last_error,
        failing_since=iso(destination, "failing_since"),
        desired=word(bridge_pb2.DestinationState, destination.desired_state, "DESTINATION_STATE_"),
        paused=destination.paused,
        stopped_reason=destination.stopped_reason,
    )


def _short(fault: Fault) -> str:
    away = fault.status in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    return _AWAY if away else fault.message
