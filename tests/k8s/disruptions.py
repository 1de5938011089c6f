"""What is done to a running Gantry on purpose, each with the time until all was whole again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.e2e.waiting import eventually
from tests.k8s.cluster import Namespace
from tests.k8s.home import kubernetes_name

DEPLOYMENTS = tuple(map(kubernetes_name, ("ingest", "store", "match", "nas_bridge")))
DATABASE = "gantry-database"
_WHOLE_SECONDS = 180.0
_BETWEEN_SECONDS = 5.0


@dataclass(frozen=True)
class Disruption:
    """What was done, when (seconds since 1970), and for how many seconds something was missing."""

    what: str
    began: float
    seconds: float


@dataclass
class Disruptions:
    """Does them one after the other and keeps what happened."""

    namespace: Namespace
    chance: random.Random
    done: list[Disruption] = field(default_factory=list)

    async def kill_each(self) -> None:
        """Kill one pod of each service, without a grace period."""
        for name in DEPLOYMENTS:
            async with self._noted(f"a pod of {name} killed"):
                pod = self.chance.choice(await self.namespace.pods(name))
                await self._kill(pod)
                await self.namespace.replaced(pod, name, within=_WHOLE_SECONDS)

    async def roll_each(self) -> None:
        """Replace all pods of each service, one after the other, gracefully."""
        for name in DEPLOYMENTS:
            async with self._noted(f"{name} rolled"):
                await self.namespace.kubectl("rollout", "restart", f"deployment/{name}")
                await self.namespace.rolled_out(name, within=_WHOLE_SECONDS)

    async def scale_each(self, *sizes: int) -> None:
        """Give each service these numbers of replicas in turn."""
        for size in sizes:
            async with self._noted(f"every service scaled to {size}"):
                for name in DEPLOYMENTS:
                    await self.namespace.kubectl("scale", f"deployment/{name}", f"--replicas={size}")
                for name in DEPLOYMENTS:
                    await self.namespace.rolled_out(name, within=_WHOLE_SECONDS)

    async def lose_primary(self) -> None:
        """Kill PostgreSQL's primary with its pod. Another instance has to take over."""
        old = await self.primary()

        async def another() -> bool:
            return (await self.primary()) not in {"", old}

        async with self._noted("the database's primary lost"):
            await self._kill(old)
            await eventually(another, within=_WHOLE_SECONDS, what="the promotion of another instance")
        async with self._noted("the lost instance came back as replica"):
            await eventually(
                self._database_is_whole, within=_WHOLE_SECONDS, what="the lost instance's return"
            )

    async def primary(self) -> str:
        """The pod of the database's primary."""
        found = await self.namespace.get(f"clusters.postgresql.cnpg.io/{DATABASE}")
        return str(found["status"].get("currentPrimary", ""))

    async def _database_is_whole(self) -> bool:
        found = await self.namespace.get(f"clusters.postgresql.cnpg.io/{DATABASE}")
        return bool(found["status"].get("readyInstances") == found["spec"]["instances"])

    async def _kill(self, pod: str) -> None:
        await self.namespace.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    @asynccontextmanager
    async def _noted(self, what: str) -> AsyncIterator[None]:
        began, start = time.time(), time.monotonic()
        yield
        self.done.append(Disruption(what, began, time.monotonic() - start))
        await asyncio.sleep(_BETWEEN_SECONDS)
