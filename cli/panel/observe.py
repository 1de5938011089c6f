"""Reads the state of a suite: processes by their health port, forces by their services."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import grpc
from gantry.bridge.v1 import bridge_pb2
from gantry.bridge.v1.bridge_pb2 import DESTINATION_STATE_RETIRED, Destination, ForwarderState
from gantry.match.v1.alert_pb2 import GetMatchStatusResponse
from gantry.store.v1.buffer_pb2 import GetBufferStatusResponse
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import Fault
from cli.exits import CliError, Exit
from cli.faults import fault_of
from cli.forms import iso, word
from cli.home import SuiteHome
from cli.inert import inert
from cli.links import Links
from cli.panel.state import BRIDGE, MATCH, STORE, DestinationState, ForceState, ProcessState, SuiteState
from suite.steps import Phase, is_frozen, lives

T = TypeVar("T")
PATIENCE_SECONDS: Final = 2.0
"""A panel should not wait longer for an answer. It shows the service as unavailable instead."""
_DOWN: Final = "not running"


class Observer:
    """Observes repeatedly, and computes reads a second from two observations."""

    def __init__(self, links: Links, forces: Sequence[str]) -> None:
        self._links = links
        self._forces = forces
        self._started = time.monotonic()
        self._before: dict[str, tuple[float, int]] = {}
        self._answered: dict[tuple[str, str], float] = {}

    async def look(self) -> SuiteState:
        """The state now. Failed calls are named in it; nothing is raised."""
        processes, forces = await asyncio.gather(
            process_states(self._links.home), asyncio.gather(*(self._force(force) for force in self._forces))
        )
        return SuiteState(time.monotonic() - self._started, processes, forces)

    async def with_rates(self, state: SuiteState) -> SuiteState:
        """The same with reads a second, for which the buffer is asked again."""
        state.forces = await asyncio.gather(*(self._with_rate(force) for force in state.forces))
        return state

    async def _with_rate(self, state: ForceState) -> ForceState:
        missing = dict(state.missing)
        if (
            STORE in missing
            or (buffer := await self._part(STORE, state.force, missing, self._buffer)) is None
        ):
            return replace(state, missing=missing)
        rate = self._rate(state.force, buffer.reads_stored)
        return replace(state, stored=buffer.reads_stored, reads_per_s=rate)

    async def _force(self, force: str) -> ForceState:
        """Ask each service for its part. One that does not answer leaves the parts of the others."""
        missing: dict[str, str] = {}
        buffer, match, bound = await asyncio.gather(
            self._part(STORE, force, missing, self._buffer),
            self._part(MATCH, force, missing, self._matching),
            self._part(BRIDGE, force, missing, self._destinations),
        )
        state = ForceState(force, missing=missing)
        if buffer is not None:
            state = replace(
                state,
                stored=buffer.reads_stored,
                head=buffer.head,
                reads_per_s=self._rate(force, buffer.reads_stored),
                oldest_day=buffer.oldest_day,
                overdue_days=list(buffer.overdue_days),
                refusal=_refusal(buffer),
                refused_since=iso(buffer.refusal, "since"),
            )
        if match is not None:
            state = replace(
                state,
                match_lag=max(0, state.head - match.position),
                alerts=match.alerts_raised,
                alerts_open=match.alerts_open,
                entries=match.entries,
                match_error=inert(match.last_error),
                match_failing_since=iso(match, "failing_since"),
            )
        # Without the buffer's head, the newest position that a destination knows of stands for it.
        head = state.head if buffer is not None else max((one.head for one in bound or ()), default=0)
        return replace(state, destinations=[_destination(one, head) for one in bound or ()])

    async def _part(
        self, service: str, force: str, missing: dict[str, str], ask: Callable[[str], Awaitable[T]]
    ) -> T | None:
        asked = time.monotonic()
        try:
            part = await ask(force)
        except CliError as error:
            missing[service] = _DOWN if error.code is Exit.UNREACHABLE else error.message
        except (grpc.aio.AioRpcError, Fault) as error:
            since = self._answered.get((service, force), asked)
            missing[service] = _why(fault_of(error), time.monotonic() - since)
        else:
            self._answered[service, force] = time.monotonic()
            return part
        return None

    async def _buffer(self, force: str) -> GetBufferStatusResponse:
        return await (await self._links.buffer()).status(force)

    async def _matching(self, force: str) -> GetMatchStatusResponse:
        return await (await self._links.alerts()).status(force)

    async def _destinations(self, force: str) -> Sequence[Destination]:
        return await (await self._links.bridge()).destinations(force)

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
        return ProcessState(name, _state_of(pid, _on_its_way(home)), pid)
    if pid is not None and not lives(pid):
        return ProcessState(name, "stopped", pid)
    if "health" in ports:
        state = await _health(home.address(name, "health"))
    elif "control" in ports:
        state = await _answers(home.address(name, "control"))
    else:
        state = "serving"
    return ProcessState(name, _state_of(pid, state), pid)


def _on_its_way(home: SuiteHome) -> str:
    """The state of a process without ports: they are not there yet, or no longer."""
    step = home.step()
    return "stopping" if step is not None and step.phase == Phase.STOPPING else "starting"


def _state_of(pid: int | None, state: str) -> str:
    """The state that was observed, or that the process is frozen, which explains it."""
    return "frozen" if pid is not None and is_frozen(pid) else state


async def _answers(address: str) -> str:
    """Whether a simulator says anything at its control port."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(f"GET /state HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
                return "serving" if await reader.read(1) else "failing"
            finally:
                writer.close()
    except TimeoutError:
        return "silent"
    except OSError:
        return "stopped"


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


def _refusal(buffer: GetBufferStatusResponse) -> str:
    """Why reads cannot be stored: a reason and a sentence."""
    refusal = buffer.refusal
    return inert(f"{refusal.reason}: {refusal.message}") if buffer.HasField("refusal") else ""


def _why(fault: Fault, silent_seconds: float) -> str:
    """Why a service has not told its part."""
    if fault.status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer for {silent_seconds:.0f} s"
    unreachable = fault.status is grpc.StatusCode.UNAVAILABLE and fault.reason == "UNAVAILABLE"
    return "cannot be reached" if unreachable else fault.message
