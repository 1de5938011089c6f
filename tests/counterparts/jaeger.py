"""Jaeger as a collector, and what its query API tells of traces."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.counterparts.programs import free_port, program, running

HINT = "CONTRIBUTING.md says how to build Jaeger 1.76 from its Go module"
Step = tuple[str, str]
"""Service and name of a span."""


@dataclass(frozen=True)
class Jaeger:
    """The address of its query API."""

    url: str

    async def of_service(self, service: str, operation: str = "") -> list["Trace"]:
        """Up to 1,500 traces of a service, or of those of its spans that have a name."""
        wanted = {"service": service, "limit": "1500", "lookback": "1h"}
        return await self._traces("", {**wanted, **({"operation": operation} if operation else {})})

    async def services(self) -> set[str]:
        """The services that have sent spans."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/services") as answer,
        ):
            return set((await answer.json())["data"])

    async def _traces(self, path: str, wanted: dict[str, str]) -> list["Trace"]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/traces{path}", params=wanted) as answer,
        ):
            return [Trace(each) for each in (await answer.json())["data"]]


@dataclass(frozen=True)
class Trace:
    """A trace in Jaeger's own form."""

    told: dict[str, Any]

    @property
    def spans(self) -> list[dict[str, Any]]:
        """Its spans."""
        spans: list[dict[str, Any]] = self.told["spans"]
        return spans

    def step(self, span: dict[str, Any]) -> Step:
        """Service and name of one of its spans."""
        return self.told["processes"][span["processID"]]["serviceName"], span["operationName"]

    def steps(self) -> set[Step]:
        """Service and name of each span."""
        return {self.step(span) for span in self.spans}

    def orphans(self) -> list[Step]:
        """Spans whose parent is not in the trace: a viewer shows them beside the tree."""
        known = {span["spanID"] for span in self.spans}
        return [self.step(span) for span in self.spans if not self._parents(span) <= known]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The spans of a name."""
        return [span for span in self.spans if span["operationName"] == name]

    def _parents(self, span: dict[str, Any]) -> set[str]:
        return {each["spanID"] for each in span["references"] if each["refType"] == "CHILD_OF"}


def tags(holder: dict[str, Any]) -> dict[str, Any]:
    """The tags of a span or process."""
    return {tag["key"]: tag["value"] for tag in holder["tags"]}


@asynccontextmanager
async def jaeger(folder: Path, otlp: int) -> AsyncIterator[Jaeger]:
    """Jaeger with its OTLP port."""
    listens = ("collector.otlp.http", "query.grpc-server", "admin.http", "collector.http-server")
    others = [f"--{name}.host-port=127.0.0.1:{free_port()}" for name in (*listens, "collector.grpc-server")]
    query = free_port()
    command = (
        program("all-in-one", HINT),
        f"--collector.otlp.grpc.host-port=127.0.0.1:{otlp}",
        f"--query.http-server.host-port=127.0.0.1:{query}",
        *others,
    )
    async with running(*command, port=otlp, log=folder / "jaeger.log"):
        yield Jaeger(f"http://127.0.0.1:{query}")
