"""No plate, person, token or password in logs, spans, metrics, arguments or environments."""

from contextlib import suppress
from pathlib import Path

import grpc
import psutil
import pytest
import pytest_asyncio
from gantry.match.v1 import alert_pb2, alert_pb2_grpc
from gantry.store.v1 import search_pb2

from chassis.client import open_channel
from chassis.errors import Fault
from suite.suite import Suite
from tests.e2e.door import (
    JPEG,
    EnrolledFeed,
    ReadMaker,
    connected,
    enrol,
    public_channel,
    submit,
    submit_reads,
)
from tests.e2e.hotlists import import_csv
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import PURPOSE, alerts_of, arrived, dead_letters, found_by, log_of, search_for
from tests.e2e.pages import page_of
from tests.e2e.scan import found_in, leaks, passwords, plates, written
from tests.e2e.spans import all_spans, followers, new_traceparent
from tests.e2e.waiting import eventually

pytestmark = SHARED_SUITE

FORCE = "clyde"
PERSON = "quillfeather"
LISTED, SEEN, NEAR, REFUSED = "YK58WVX", "WY08TKX", "YKS8WVX", "ZX*77VWY"
PLATES = (LISTED, SEEN, NEAR, REFUSED, "VW58YKX")
SERVICES = ("ingest", "store", "match", "nas_bridge")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def feed(suite: Suite) -> EnrolledFeed:
    """A feed whose reads were matched, searched, refused, looked at and malformed."""
    enrolled = await enrol(suite, FORCE, "discreet")
    content = f"vrm,reason\n{LISTED},seen with {SEEN}\n{REFUSED},no plate\n".encode()
    await import_csv(suite, FORCE, content, person=PERSON, forces=[FORCE])
    maker = ReadMaker(enrolled)
    traceparent, root = new_traceparent()
    await suite.behave("nas", {"refuse_every": 2, "refuse_reason": "ON_REQUEST"})
    try:
        await _send(suite, maker, traceparent)
        await _look(suite)
        await _provoke(suite, maker)
        sent = [entry.identity for entry in await log_of(suite, FORCE)]
        await arrived(suite, sent, at=["nadc"])
        await eventually(lambda: dead_letters(suite, FORCE, "nas"), within=15, what="a dead letter")
    finally:
        await suite.behave("nas", {})

    async def traced() -> bool:
        names = {way[-1].name for way in followers(all_spans(suite), root).values()}
        return {"match.alert", "bridge.receipt", "nas.accept", "nadc.accept"} <= names

    await eventually(traced, within=15, what="the spans of this traffic")
    return enrolled


async def _send(suite: Suite, maker: ReadMaker, traceparent: str) -> None:
    async with connected(suite) as connection, connection.feed(maker.feed.token).stream() as stream:
        for plate in PLATES:
            reads = [maker.one(plate, plate_patch=JPEG), maker.one(plate.lower(), overview=b"none")]
            await stream.send(reads, traceparent=traceparent)


async def _look(suite: Suite) -> None:
    async with search_for(suite, PERSON, [FORCE]) as search:
        for plate in PLATES:
            request = search_pb2.SearchReadsRequest(forces=[FORCE], purpose=PURPOSE, vrm=plate)
            try:
                found = await found_by(search, request)
            except grpc.aio.AioRpcError:
                continue
            for each in found:
                image = search_pb2.GetImageRequest(
                    force=FORCE,
                    purpose=PURPOSE,
                    position=each.position,
                    kind=search_pb2.IMAGE_KIND_PLATE_PATCH,
                )
                if each.plate_patch_bytes:
                    assert (await search.GetImage(image)).jpeg == JPEG
    alerts = await eventually(lambda: alerts_of(suite, FORCE), within=10, what="an alert")
    async with open_channel(suite.address("match"), suite.person(PERSON, [FORCE])) as channel:
        acknowledgement = alert_pb2.AcknowledgeRequest(
            force=FORCE, alert_id=alerts[0].alert_id, purpose=PURPOSE, note=f"{LISTED} stopped by {PERSON}"
        )
        await alert_pb2_grpc.AlertServiceStub(channel).Acknowledge(acknowledgement)


async def _provoke(suite: Suite, maker: ReadMaker) -> None:
    """Cause errors by requests that contain plates and names."""
    mangled = maker.one(SEEN).SerializeToString()
    async with public_channel(suite) as channel:
        for raw in (mangled, mangled[:-4], b"\x0a\x40" + mangled):
            with pytest.raises(Fault):
                await submit(channel, maker.feed.token, raw[:-2])
        with pytest.raises(Fault):
            await submit_reads(channel, f"{maker.feed.token}x", [maker.one(SEEN)])
        await submit_reads(channel, maker.feed.token, [maker.one(SEEN, camera_id=SEEN, read_id="\n")])
    async with search_for(suite, PERSON, []) as search:
        request = search_pb2.SearchReadsRequest(forces=[FORCE], purpose=PURPOSE, vrm=SEEN)
        with pytest.raises(grpc.aio.AioRpcError):
            await found_by(search, request)
    with pytest.raises(Fault):
        await import_csv(suite, FORCE, f"{SEEN},{LISTED}\n1,2\n".encode(), person=PERSON, forces=[FORCE])


def _words(suite: Suite, feed: EnrolledFeed) -> dict[str, str]:
    """What must not be found, and what each of it is."""
    return {**plates(PLATES), **passwords(suite), PERSON: "a person", feed.token: "a token"}


async def test_logs_and_spans_hold_neither_plates_nor_people_nor_secrets(
    suite: Suite, feed: EnrolledFeed
) -> None:
    names = {path.name for path in written(suite)}
    assert {f"{service}.log" for service in SERVICES} <= names
    assert {f"{service}.jsonl" for service in (*SERVICES, "nas", "nadc")} <= names
    assert leaks(suite, _words(suite, feed)) == []


async def test_metrics_hold_neither_plates_nor_people_nor_secrets(suite: Suite, feed: EnrolledFeed) -> None:
    words = _words(suite, feed) | dict.fromkeys(feed.cameras, "a camera")
    for service in SERVICES:
        page = await page_of(suite, service)
        assert "gantry_" in page
        assert found_in(page, words, service) == []


async def test_the_words_would_be_found_where_they_are(suite: Suite, feed: EnrolledFeed) -> None:
    """The scan itself works: what the log rightly holds is recognised."""
    log = " ".join(entry.vrm for entry in await log_of(suite, FORCE))
    assert found_in(log, _words(suite, feed), "the log")


async def test_arguments_and_environments_hold_no_secret(suite: Suite, feed: EnrolledFeed) -> None:
    words = _words(suite, feed)
    words |= {line: "a private key" for path in suite.layout.pki.rglob("*.key") for line in _key_lines(path)}
    ours = _ours(suite)
    assert len(ours) > len(suite.processes) + 1
    for process in ours:
        with suppress(psutil.NoSuchProcess):
            arguments = process.cmdline()
            told = [*arguments, *(f"{name}={value}" for name, value in process.environ().items())]
            assert found_in("\n".join(told), words, " ".join(arguments[:3])) == []


def _key_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("---")]


def _ours(suite: Suite) -> list[psutil.Process]:
    """The suite's processes and whatever they started, PostgreSQL's sessions above all."""
    pids = [*(process.pid for process in suite.processes.values()), suite.postgres.pid]
    parents = [psutil.Process(pid) for pid in pids]
    return [*parents, *(child for parent in parents for child in parent.children())]
