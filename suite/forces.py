"""Creates the forces of a suite and their destinations by RPC, once the services run. Idempotent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, TypeVar
from uuid import NAMESPACE_URL, uuid5

import grpc
from gantry.common.v1.purpose_pb2 import Purpose

from chassis.client import open_channel, retrying
from chassis.errors import AlreadyExists, Fault
from chassis.settings import TlsSettings
from clients.bridge import BridgeClient
from clients.forces import ForceClient
from clients.ingest import CameraClient
from clients.match import AlertClient
from suite.errors import SuiteError
from suite.plan import Plan

PURPOSE: Final = Purpose(justification="setting up the suite on this machine")
_ATTEMPTS: Final = 100
_FIRST_WAIT: Final = 0.05
_MOST_WAIT: Final = 0.2
T = TypeVar("T")


async def create_forces(plan: Plan, operator: TlsSettings) -> None:
    """Create the forces of the settings."""
    async with open_channel(plan.address("store"), operator) as channel:
        store = ForceClient(channel)
        for force in plan.settings.forces:
            # The same id at every start: the store answers with the force that an earlier start created.
            request_id = uuid5(NAMESPACE_URL, f"gantry:suite:{force}")
            try:
                await store.create(force, consumers=plan.settings.destinations, request_id=request_id)
            except AlreadyExists:
                continue
            except Fault as fault:
                raise SuiteError(f"force {force} could not be created: {fault.message}") from fault


async def active_forces(plan: Plan, service: TlsSettings) -> tuple[str, ...]:
    """All forces that are not retired, by code, also those that were added by hand."""
    async with open_channel(plan.address("store"), service) as channel:
        return tuple(force.code for force in await ForceClient(channel).forces())


async def add_destinations(plan: Plan, operator: TlsSettings, forces: Sequence[str]) -> None:
    """Wait until every service serves the forces, and add the destinations of the settings.

    SuiteError when a service does not serve a force in time, or a destination has other settings.
    """
    names = plan.settings.destinations
    processes = ("ingest", "match", *(("nas_bridge",) if names else ()))
    async with AsyncExitStack() as opened:
        channels = {
            process: await opened.enter_async_context(open_channel(plan.address(process), operator))
            for process in processes
        }
        works: list[Awaitable[object]] = []
        for force in forces:
            works.append(_patiently(partial(_first_camera, CameraClient(channels["ingest"]), force)))
            works.append(_patiently(partial(AlertClient(channels["match"]).status, force)))
            works += [_add(plan, BridgeClient(channels["nas_bridge"]), force, name) for name in names]
        try:
            await asyncio.gather(*works)
        except Fault as fault:
            raise SuiteError(f"the forces could not be set up: {fault.message}") from fault


async def _add(plan: Plan, bridge: BridgeClient, force: str, name: str) -> None:
    try:
        await _patiently(partial(bridge.add, force, plan.destination(name), PURPOSE))
    except AlreadyExists:
        raise SuiteError(
            f"destination {name} of {force} has other settings than the simulator's: choose another folder"
        ) from None


async def _first_camera(registry: CameraClient, force: str) -> None:
    async for _ in registry.cameras(force, page_size=1):
        return


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat the call until the service knows the force."""
    return await retrying(call, attempts=_ATTEMPTS, first=_FIRST_WAIT, most=_MOST_WAIT, on=_may_pass)


def _may_pass(fault: Fault) -> bool:
    return fault.reason == "FORCE_UNKNOWN" or fault.status is grpc.StatusCode.UNAVAILABLE
