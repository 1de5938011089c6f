"""Each camera's batch that is traced has its whole way in Jaeger, also where batches were merged."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from anpr.vrm import is_normal
from simulators.cameras.traffic import Run, simulate
from simulators.cameras.world import World
from suite.database import SERVICES
from suite.suite import Suite
from tests.counterparts.jaeger import Jaeger, Trace, jaeger, tags
from tests.counterparts.programs import free_port, told
from tests.e2e.hotlists import import_plates
from tests.e2e.journey import enrol_world
from tests.e2e.scan import found_in, plates

FORCES = ("essex", "kent")
SIMULATORS = ("nas", "nadc")
SEED, RATE, SECONDS = 7, 300.0, 20.0
LEAST_TRACES = 150
_HEXADECIMAL = set("0123456789abcdef")
WAY = {
    ("cameras", "camera.send"),
    ("ingest", "ingest.batch"),
    ("ingest", "ingest.append"),
    ("store", "store.commit"),
    ("match", "match.reads"),
    ("nas_bridge", "bridge.forward"),
    ("nas_bridge", "bridge.receipt"),
    ("nas", "nas.accept"),
    ("nadc", "nadc.accept"),
}


async def test_whoever_opens_the_trace_of_a_batch_sees_its_alert_and_its_receipts(
    suite: Suite, tmp_path: Path
) -> None:
    otlp, world = free_port(), World.build(SEED, FORCES)
    endpoint = {"GANTRY_TELEMETRY__OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}"}
    seen = _plates(world)
    for force in FORCES:
        await import_plates(suite, force, seen[force][::10], name="whole traces")
    try:
        async with jaeger(tmp_path, otlp) as collector:
            for name in (*SIMULATORS, *SERVICES):
                await suite.restart(name, endpoint)
            assert await _cameras(suite, world, tmp_path, endpoint) == 0
            await _arrived(collector)
            traces = await collector.of_service("cameras", "camera.send")
            assert await collector.services() >= {service for service, _ in WAY}
            _check(traces)
            await _shown_by_the_command(suite, collector, traces)
            words = _words({*seen["essex"], *seen["kent"]})
            assert found_in(_texts(traces), words, "Jaeger") == []
    finally:
        for name in (*SIMULATORS, *SERVICES):
            await suite.restart(name)


def _check(traces: Sequence[Trace]) -> None:
    assert len(traces) >= LEAST_TRACES
    # A batch of which the store keeps nothing, since all its reads were refused or resent, ends there.
    kept = [trace for trace in traces if _stored(trace)]
    ends = Counter(tuple(sorted(WAY - trace.steps())) for trace in kept)
    merged = sum(len(trace.named("ingest.append")[0]["references"]) > 1 for trace in kept)
    alerts = sum(("match", "match.alert") in trace.steps() for trace in kept)
    assert ends == {(): len(kept)}
    assert merged > 0, "nothing was merged, so nothing was shown"
    assert alerts > 0, "nothing was on a list"
    for trace in kept:
        assert trace.orphans() == []
        # Each destination got it once.
        assert Counter(tags(span)["destination"] for span in trace.named("bridge.forward")) == dict.fromkeys(
            SIMULATORS, 1
        )
        assert len(trace.named("bridge.receipt")) == len(SIMULATORS)


async def _shown_by_the_command(suite: Suite, collector: Jaeger, traces: Sequence[Trace]) -> None:
    """`gantry trace` shows the trace of a read that raised an alert, found by the read and by its id."""
    alert, trace = next(
        (tags(span), trace)
        for trace in traces
        for span in trace.named("match.alert")
        if "position" in tags(span)
    )
    read = ("--force", alert["force"], "--position", str(alert["position"]), "--purpose", "why was it late")
    for words in (read, ("--trace", trace.told["traceID"])):
        command = (str(Path(sys.executable).with_name("gantry")), "trace", "--home", str(suite.layout.folder))
        code, text = await told(*command, "--json", "--from", collector.url, *words)
        assert code == 0, text
        hops = json.loads(text)["hops"]
        assert {(hop["service"], hop["span"]) for hop in hops} >= {*WAY, ("match", "match.alert")}
        assert {hop["trace_id"] for hop in hops} == {trace.told["traceID"]}


def _texts(traces: Sequence[Trace]) -> str:
    """Every text in them, once."""
    holders = [holder for trace in traces for holder in (*trace.spans, *trace.told["processes"].values())]
    values = {str(value) for holder in holders for value in tags(holder).values()}
    return "\n".join(values | {span["operationName"] for trace in traces for span in trace.spans})


def _words(seen: set[str]) -> dict[str, str]:
    """Those that reveal a plate. Ids of traces are made of hexadecimal digits, and a few plates are too."""
    return {word: what for word, what in plates(seen).items() if len(word) > 5 and set(word) - _HEXADECIMAL}


def _stored(trace: Trace) -> bool:
    batches = [tags(span) for span in trace.named("ingest.batch")]
    return any(batch["reads.kept"] > batch["reads.duplicate"] for batch in batches)


def _plates(world: World) -> dict[str, list[str]]:
    """What the cameras of each force will see, each plate once."""
    seen: dict[str, dict[str, None]] = {force: {} for force in FORCES}
    run = Run(SEED, datetime.now(UTC), RATE, SECONDS, None, images=False)
    for read in simulate(world, run):
        if read.plan == "accept" and is_normal(read.vrm_seen):
            seen[read.force][read.vrm_seen] = None
    return {force: list(found) for force, found in seen.items()}


async def _arrived(collector: Jaeger) -> None:
    """Wait until no more spans come."""
    before = -1
    while (now := len(await collector.of_service("nadc"))) != before:
        before = now
        await asyncio.sleep(4)


async def _cameras(suite: Suite, world: World, folder: Path, environment: Mapping[str, str]) -> int:
    """Run the simulated cameras; their exit code."""
    tokens: dict[str, dict[str, str]] = {}
    for (force, feed), token in (await enrol_world(suite, world)).items():
        tokens.setdefault(force, {})[feed] = token
    file = folder / "tokens.json"
    file.write_text(json.dumps(tokens))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.cameras", "--no-images"),
        *("--ingest", suite.address("ingest", "public"), "--authority", str(suite.authority.certificate)),
        *("--tokens", str(file), "--forces", ",".join(FORCES), "--seed", str(SEED)),
        *("--rate", str(RATE), "--seconds", str(SECONDS)),
        env={**os.environ, **environment},
    )
    return await process.wait()
