"""Jaeger, a collector that takes traces and no metrics: what arrives there, and what our logs say of it."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from suite.database import SERVICES
from suite.suite import Suite
from tests.counterparts.jaeger import Jaeger, Trace, jaeger, tags
from tests.counterparts.programs import free_port
from tests.counterparts.sending import delivered
from tests.e2e.door import EnrolledFeed
from tests.e2e.waiting import eventually

HOPS = {
    ("ingest", "ingest.append"),
    ("store", "store.commit"),
    ("store", "gantry.store.v1.ReadLogService/AppendReads"),
    ("nas_bridge", "bridge.post"),
    ("nas_bridge", "gantry.nas.v1.NationalAnprService/SubmitReads"),
    ("nas_bridge", "bridge.receipt"),
}


async def test_traces_arrive_joined_and_an_outage_is_one_warning(
    suite: Suite, feed: EnrolledFeed, tmp_path: Path
) -> None:
    otlp = free_port()
    endpoint = {"GANTRY_TELEMETRY__OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}"}
    begun = {name: len(logged(suite, name)) for name in SERVICES}
    try:
        async with jaeger(tmp_path, otlp) as collector:
            for name in SERVICES:
                await suite.restart(name, endpoint)
            await delivered(suite, feed)
            trace = await joined(collector)
            posts = trace.named("bridge.post")
            assert {tags(span)["span.kind"] for span in posts} == {"client"}
            for process in trace.told["processes"].values():
                about = tags(process)
                assert (about["service.version"], len(about["service.instance.id"])) == (
                    version("gantry"),
                    36,
                )
            for each in await collector.of_service("store"):
                assert each.steps() != {("store", "gantry.store.v1.ReadLogService/ReportCursor")}

        async def all_warned() -> bool:
            await delivered(suite, feed)
            return all("spans" in warnings(suite, name, begun) for name in SERVICES if name != "match")

        await eventually(all_warned, within=120, what="a warning of each service")
        async with jaeger(tmp_path, otlp) as collector:
            await delivered(suite, feed)
            await joined(collector)
        for name in SERVICES:
            lines = logged(suite, name)[begun[name] :]
            assert [line for line in lines if line["level"] == "error"] == []
            assert sorted(warnings(suite, name, begun)) in (["metrics", "spans"], ["metrics"], ["spans"], [])
    finally:
        for name in SERVICES:
            await suite.restart(name)


async def joined(collector: Jaeger) -> Trace:
    """Wait for a trace from the door to both receipts."""

    async def whole() -> list[Trace]:
        return [trace for trace in await collector.of_service("nas_bridge") if trace.steps() >= HOPS]

    return (await eventually(whole, within=90, what="a trace from the door to the receipt"))[0]


def logged(suite: Suite, name: str) -> list[dict[str, Any]]:
    """The lines of a service's log."""
    lines = suite.process(name).log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def warnings(suite: Suite, name: str, begun: dict[str, int]) -> list[str]:
    """What the collector did not take, a word for each warning."""
    lines = logged(suite, name)[begun[name] :]
    return [line["what"] for line in lines if line["message"].startswith("the collector takes nothing")]
