"""Jaeger, a collector that takes traces and no metrics: what arrives there, and what our logs say of it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp

from suite.database import SERVICES
from suite.suite import Suite
from tests.counterparts.programs import free_port, program, running
from tests.counterparts.sending import delivered
from tests.e2e.door import EnrolledFeed
from tests.e2e.waiting import eventually

HINT = "CONTRIBUTING.md says how to build Jaeger 1.76 from its Go module"
HOPS = {
    ("ingest", "ingest.append"),
    ("store", "store.commit"),
    ("store", "gantry.store.v1.ReadLogService/AppendReads"),
    ("nas_bridge", "bridge.post"),
    ("nas_bridge", "gantry.nas.v1.NationalAnprService/SubmitReads"),
    ("nas_bridge", "bridge.receipt"),
}
Traces = Callable[[str], Awaitable[list[dict[str, Any]]]]


@asynccontextmanager
async def jaeger(folder: Path, otlp: int) -> AsyncIterator[Traces]:
    """Jaeger with its OTLP port; what finds the traces of a service."""
    listens = ("collector.otlp.http", "query.grpc-server", "admin.http", "collector.http-server")
    others = [f"--{name}.host-port=127.0.0.1:{free_port()}" for name in (*listens, "collector.grpc-server")]
    query = free_port()
    command = (
        program("all-in-one", HINT),
        f"--collector.otlp.grpc.host-port=127.0.0.1:{otlp}",
        f"--query.http-server.host-port=127.0.0.1:{query}",
        *others,
    )

    async def traces(service: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{query}/api/traces"
        wanted = {"service": service, "limit": "500", "lookback": "1h"}
        async with aiohttp.ClientSession() as session, session.get(url, params=wanted) as answer:
            return list((await answer.json())["data"])

    async with running(*command, port=otlp, log=folder / "jaeger.log"):
        yield traces


def hops(trace: dict[str, Any]) -> set[tuple[str, str]]:
    """Service and name of each span."""
    names = {key: process["serviceName"] for key, process in trace["processes"].items()}
    return {(names[span["processID"]], span["operationName"]) for span in trace["spans"]}


def tags(holder: dict[str, Any]) -> dict[str, Any]:
    """The tags of a span or process."""
    return {tag["key"]: tag["value"] for tag in holder["tags"]}


async def test_traces_arrive_joined_and_an_outage_is_one_warning(
    suite: Suite, feed: EnrolledFeed, tmp_path: Path
) -> None:
    otlp = free_port()
    endpoint = {"GANTRY_TELEMETRY__OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}"}
    begun = {name: len(logged(suite, name)) for name in SERVICES}
    try:
        async with jaeger(tmp_path, otlp) as traces:
            for name in SERVICES:
                await suite.restart(name, endpoint)
            await delivered(suite, feed)
            trace = await joined(traces)
            posts = [span for span in trace["spans"] if span["operationName"] == "bridge.post"]
            assert {tags(span)["span.kind"] for span in posts} == {"client"}
            for process in trace["processes"].values():
                about = tags(process)
                assert (about["service.version"], len(about["service.instance.id"])) == (
                    version("gantry"),
                    36,
                )
            for each in await traces("store"):
                assert hops(each) != {("store", "gantry.store.v1.ReadLogService/ReportCursor")}

        async def all_warned() -> bool:
            await delivered(suite, feed)
            return all("spans" in warnings(suite, name, begun) for name in SERVICES if name != "match")

        await eventually(all_warned, within=120, what="a warning of each service")
        async with jaeger(tmp_path, otlp) as traces:
            await delivered(suite, feed)
            await joined(traces)
        for name in SERVICES:
            lines = logged(suite, name)[begun[name] :]
            assert [line for line in lines if line["level"] == "error"] == []
            assert sorted(warnings(suite, name, begun)) in (["metrics", "spans"], ["metrics"], ["spans"], [])
    finally:
        for name in SERVICES:
            await suite.restart(name)


async def joined(traces: Traces) -> dict[str, Any]:
    """Wait for a trace from the door to both receipts."""

    async def whole() -> list[dict[str, Any]]:
        return [trace for trace in await traces("nas_bridge") if hops(trace) >= HOPS]

    return (await eventually(whole, within=90, what="a trace from the door to the receipt"))[0]


def logged(suite: Suite, name: str) -> list[dict[str, Any]]:
    """The lines of a service's log."""
    lines = suite.process(name).log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def warnings(suite: Suite, name: str, begun: dict[str, int]) -> list[str]:
    """What the collector did not take, a word for each warning."""
    lines = logged(suite, name)[begun[name] :]
    return [line["what"] for line in lines if line["message"].startswith("the collector takes nothing")]
