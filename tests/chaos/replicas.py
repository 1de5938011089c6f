"""A suite with two processes of each service, the replicas of each behind one address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count

from suite.database import SERVICES
from suite.plan import service_of
from suite.suite import Suite, erase
from tests.chaos.proxy import proxy_to
from tests.e2e.health import is_serving
from tests.e2e.machine import settings_in
from tests.postgres_server import throwaway_folder

_PROBE_SECONDS = 0.5
STORE_OF = {
    "ingest": "GANTRY_INGEST__STORE",
    "match": "GANTRY_MATCH__STORE",
    "nas_bridge": "GANTRY_BRIDGE__STORE",
}
"""The variables of services that name the store."""


class Balancer:
    """Chooses a replica for each new connection, in turn, among those whose health check succeeds.

    A connection stays where it is, as with the addresses of services in Kubernetes.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.suite: Suite | None = None
        self._unready: set[str] = set()

    def turns(self, port: str = "grpc") -> _Turns:
        """The choices for one kind of client."""
        return _Turns(self, port)

    def ready(self) -> Sequence[str]:
        """The processes that new connections go to; all of them when none is ready."""
        assert self.suite is not None
        replicas = [name for name in self.suite.processes if service_of(name) == self.service]
        return [name for name in replicas if name not in self._unready] or replicas

    async def probe(self) -> None:
        """Check the health of each replica, for ever."""
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            if self.suite is not None:
                replicas = [name for name in self.suite.processes if service_of(name) == self.service]
                healthy = await asyncio.gather(*(is_serving(self.suite, name) for name in replicas))
                self._unready = {name for name, good in zip(replicas, healthy, strict=True) if not good}


class _Turns:
    def __init__(self, balancer: Balancer, port: str) -> None:
        self._balancer = balancer
        self._port = port
        self._numbers = count()

    def __call__(self) -> str:
        ready, suite = self._balancer.ready(), self._balancer.suite
        assert suite is not None
        return suite.address(ready[next(self._numbers) % len(ready)], self._port)


@dataclass(frozen=True)
class Doubled:
    """A suite with two of each, and where vendors, followers of the log and people find them."""

    suite: Suite
    door: str
    store: str
    match: str


@asynccontextmanager
async def doubled_suite(*forces: str) -> AsyncIterator[Doubled]:
    """A running suite with two of each service. Its folder is deleted afterwards."""
    balancers = {service: Balancer(service) for service in SERVICES}
    async with AsyncExitStack() as opened:
        store = balancers["store"]

        async def stand_before(balancer: Balancer, port: str = "grpc") -> str:
            return (await opened.enter_async_context(proxy_to(balancer.turns(port)))).address

        # One address for each service that calls the store, so that its two replicas call two stores.
        stores = {service: await stand_before(store) for service in STORE_OF}
        door = await stand_before(balancers["ingest"], "public")
        everybody, people = await stand_before(store), await stand_before(balancers["match"])
        settings = settings_in(opened.enter_context(throwaway_folder()), forces)
        environment = {
            service: {**settings.environment.get(service, {}), variable: stores[service]}
            for service, variable in STORE_OF.items()
        }
        suite = Suite(replace(settings, environment=environment))
        for balancer in balancers.values():
            balancer.suite = suite
        async with suite:
            await suite.add_replica("store")
            await asyncio.gather(*(suite.add_replica(service) for service in STORE_OF))
            probes = [asyncio.create_task(balancer.probe()) for balancer in balancers.values()]
            try:
                yield Doubled(suite, door, everybody, people)
            finally:
                for probe in probes:
                    probe.cancel()
                await asyncio.gather(*probes, return_exceptions=True)
        await erase(settings.folder)
