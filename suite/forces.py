"""Creates the forces of a suite and their destinations by RPC, once the services run. Idempotent."""

from collections.abc import Awaitable, Callable
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


class Forces:
    """Creates the forces and destinations that the settings name, as the suite's operator."""

    def __init__(self, plan: Plan, operator: TlsSettings) -> None:
        self._plan = plan
        self._operator = operator

    async def create(self) -> None:
        """Create the forces, wait until every service serves them, then add their destinations.

        SuiteError when a service does not serve a force in time, or a destination has other settings.
        """
        settings = self._plan.settings
        try:
            async with open_channel(self._plan.address("store"), self._operator) as channel:
                for force in settings.forces:
                    await _create(ForceClient(channel), force, settings.destinations)
            for force in settings.forces:
                await self._serve(force)
        except Fault as fault:
            raise SuiteError(f"the forces could not be set up: {fault.message}") from fault

    async def _serve(self, force: str) -> None:
        async with open_channel(self._plan.address("ingest"), self._operator) as channel:
            await _patiently(lambda: _first_camera(channel, force))
        async with open_channel(self._plan.address("match"), self._operator) as channel:
            await _patiently(lambda: AlertClient(channel).status(force))
        if self._plan.settings.destinations:
            async with open_channel(self._plan.address("nas_bridge"), self._operator) as channel:
                await _patiently(lambda: BridgeClient(channel).destinations(force))
                for name in self._plan.settings.destinations:
                    await self._add(BridgeClient(channel), force, name)

    async def _add(self, bridge: BridgeClient, force: str, name: str) -> None:
        destination = self._plan.destination(name)
        try:
            await _patiently(lambda: bridge.add(force, destination, PURPOSE))
        except AlreadyExists:
            raise SuiteError(
                f"destination {name} of {force} is there with other settings than those of the simulator: "
                "retire it, or choose another folder"
            ) from None


async def active_forces(plan: Plan, service: TlsSettings) -> tuple[str, ...]:
    """All forces that the store serves, by code."""
    async with open_channel(plan.address("store"), service) as channel:
        return tuple(force.code for force in await ForceClient(channel).forces())


async def _create(forces: ForceClient, force: str, consumers: tuple[str, ...]) -> None:
    try:
        # The same id at every start: the store answers with the force that an earlier start created.
        await forces.create(
            force, consumers=consumers, request_id=uuid5(NAMESPACE_URL, f"gantry:suite:{force}")
        )
    except AlreadyExists:
        return


async def _first_camera(channel: grpc.aio.Channel, force: str) -> None:
    async for _ in CameraClient(channel).cameras(force, page_size=1):
        return


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat the call until the service knows the force."""
    return await retrying(call, attempts=_ATTEMPTS, first=_FIRST_WAIT, most=_MOST_WAIT, on=_may_pass)


def _may_pass(fault: Fault) -> bool:
    return fault.reason == "FORCE_UNKNOWN" or fault.status is grpc.StatusCode.UNAVAILABLE
