"""Connections to the suite's services as one person, opened when first needed and closed together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from chassis.client import open_channel
from cli.home import Person, SuiteHome
from cli.lazy import loaded

if TYPE_CHECKING:
    from pathlib import Path

    import grpc

    from clients.audit import AuditClient
    from clients.bridge import BridgeClient
    from clients.forces import ForceClient
    from clients.ingest import CameraClient
    from clients.match import AlertClient, HotlistClient
    from clients.search import SearchClient
    from clients.store import BufferClient

_SECONDS: Final = 10.0
_AUDIT_SECONDS: Final = 600.0


class Links:
    """Use as an async context manager. Each method raises CliError when its service is not running.

    A client is imported when it is first asked for: a verb needs one or two of them.
    """

    def __init__(self, home: SuiteHome, person: Person, *, seconds: float = _SECONDS) -> None:
        """`seconds` is the longest wait for one short answer."""
        self.home = home
        self.person = person
        self._seconds = seconds
        self._stack = AsyncExitStack()
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def forces(self) -> ForceClient:
        """The forces."""
        client: type[ForceClient] = loaded("clients.forces:ForceClient")
        return client(await self._channel("store"), deadline=self._seconds)

    async def search(self) -> SearchClient:
        """Reads and images."""
        client: type[SearchClient] = loaded("clients.search:SearchClient")
        return client(await self._channel("store"), deadline=self._seconds)

    async def buffer(self) -> BufferClient:
        """The state of the buffer, and certificates of deletion."""
        client: type[BufferClient] = loaded("clients.store:BufferClient")
        return client(await self._channel("store"), deadline=self._seconds)

    async def audit(self, *, whole_chain: bool = False) -> AuditClient:
        """The audit trail. `whole_chain`: with time to recompute a long chain, which takes minutes."""
        client: type[AuditClient] = loaded("clients.audit:AuditClient")
        seconds = _AUDIT_SECONDS if whole_chain else self._seconds
        return client(await self._channel("store"), deadline=seconds)

    async def cameras(self) -> CameraClient:
        """Cameras and their health."""
        client: type[CameraClient] = loaded("clients.ingest:CameraClient")
        return client(await self._channel("ingest"), deadline=self._seconds)

    async def hotlists(self) -> HotlistClient:
        """Lists of vehicles of interest."""
        client: type[HotlistClient] = loaded("clients.match:HotlistClient")
        return client(await self._channel("match"), deadline=self._seconds)

    async def alerts(self) -> AlertClient:
        """Alerts, and the progress of matching."""
        client: type[AlertClient] = loaded("clients.match:AlertClient")
        return client(await self._channel("match"), deadline=self._seconds)

    async def bridge(self) -> BridgeClient:
        """Deliveries to the national services."""
        client: type[BridgeClient] = loaded("clients.bridge:BridgeClient")
        return client(await self._channel("nas_bridge"), deadline=self._seconds)

    async def _channel(self, process: str) -> grpc.aio.Channel:
        if process not in self._channels:
            target, name = self.home.address(process), self.home.certified_name(process)
            opening = open_channel(target, self.person.tls, server_name=name)
            self._channels[process] = await self._stack.enter_async_context(opening)
        return self._channels[process]


def connect(folder: Path, person: str | None, *, seconds: float = _SECONDS) -> Links:
    """Links to the suite in a folder, as a person. CliError when there is no suite or no such person."""
    home = SuiteHome(folder)
    return Links(home, home.person(person), seconds=seconds)
