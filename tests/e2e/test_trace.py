"""One trace leads from a camera's batch to its alert and to the receipts of NAS and NADC."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

import grpc
import pytest
import pytest_asyncio
from gantry.ingest.v1.ingest_pb2 import StreamReadsRequest
from gantry.store.v1 import search_pb2

from chassis.client import open_channel
from chassis.names import MetricName as ChassisMetric
from clients.bridge import BridgeClient
from services.ingest.names import MetricName as IngestMetric
from services.ingest.names import SpanName as IngestSpan
from services.match.names import MetricName as MatchMetric
from services.match.names import SpanName as MatchSpan
from services.nas_bridge.names import SpanName as BridgeSpan
from services.store.names import MetricName as StoreMetric
from services.store.names import SpanName as StoreSpan
from simulators.national.names import SpanName as NationalSpan
from suite.suite import Suite
from tests.e2e.door import ReadMaker, connected, converse, enrol, public_channel
from tests.e2e.hotlists import import_plates
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import PURPOSE, arrived, log_of, search_for
from tests.e2e.pages import exemplars
from tests.e2e.spans import Span, all_spans, followers, key_of, new_traceparent
from tests.e2e.waiting import eventually

pytestmark = SHARED_SUITE

FORCE = "orwell"
LISTED, NEAR = "KV17WXT", "KVI7WXT"
APPEND = "gantry.store.v1.ReadLogService/AppendReads"
TO_NAS = "gantry.nas.v1.NationalAnprService/SubmitReads"
# The ways that a read goes, as services and spans in their order; others may lie between them.
TO_THE_STORE = (("ingest", IngestSpan.INGEST_BATCH), ("ingest", IngestSpan.INGEST_APPEND))
TO_THE_COMMIT = (*TO_THE_STORE, ("store", StoreSpan.COMMIT))
TO_THE_ALERT = (*TO_THE_STORE, ("match", MatchSpan.MATCH_READS), ("match", MatchSpan.MATCH_ALERT))
FORWARDED = (*TO_THE_STORE, ("nas_bridge", BridgeSpan.BRIDGE_FORWARD))
TO_NAS_RECEIPT = (*FORWARDED, ("nas", NationalSpan.NAS_ACCEPT))
TO_NADC_RECEIPT = (*FORWARDED, ("nadc", NationalSpan.NADC_ACCEPT))
TO_OUR_RECEIPT = (*FORWARDED, ("nas_bridge", BridgeSpan.BRIDGE_RECEIPT))
WHOLE = (TO_THE_COMMIT, TO_THE_ALERT, TO_NAS_RECEIPT, TO_NADC_RECEIPT, TO_OUR_RECEIPT)
_ATTEMPTS = 3
CALLS = (
    (*TO_THE_STORE, ("ingest", APPEND), ("store", APPEND)),
    (*FORWARDED, ("nas_bridge", TO_NAS), ("nas", NationalSpan.NAS_ACCEPT)),
)


@pytest_asyncio.fixture(loop_scope="session")
async def maker(suite: Suite, feed_name: Callable[[str], str]) -> AsyncIterator[ReadMaker]:
    await import_plates(suite, FORCE, [LISTED])
    yield ReadMaker(await enrol(suite, FORCE, feed_name("traced")))


async def _ways(
    suite: Suite, root: tuple[str, str], wanted: Sequence[Sequence[tuple[str, str]]]
) -> list[list[Span]]:
    """The ways from a batch's own span, once all that are wanted are among them."""

    async def found() -> list[list[Span]] | None:
        ways = list(followers(all_spans(suite), root).values())
        return ways if all(any(_goes(way, each) for way in ways) for each in wanted) else None

    return await eventually(found, within=15, what="the trace") or []


async def _sent_alone(suite: Suite, maker: ReadMaker) -> tuple[list[list[Span]], tuple[str, str]]:
    """The ways of a batch with its own calls: calls of merged work are in the trace of one of its batches."""
    for _ in range(_ATTEMPTS):
        traceparent, root = new_traceparent()
        async with connected(suite) as connection, connection.feed(maker.feed.token).stream() as stream:
            await stream.send([maker.one(LISTED), maker.one(NEAR)], traceparent=traceparent)
        ways = await _ways(suite, root, WHOLE)
        if all(any(_goes(way, each) for way in ways) for each in CALLS):
            return ways, root
    raise AssertionError(f"{_ATTEMPTS} batches were all merged with others")


def _goes(way: Sequence[Span], wanted: Sequence[tuple[str, str]]) -> bool:
    """Whether a way ends where the wanted one does and passes all of its spans in their order."""
    steps = [(span.service, span.name) for span in way]
    if not steps or steps[-1] != wanted[-1]:
        return False
    left = iter(steps)
    return all(step in left for step in wanted)


async def test_from_the_camera_s_batch_to_the_receipts(suite: Suite, maker: ReadMaker) -> None:
    ways, root = await _sent_alone(suite, maker)
    first = next(way[0] for way in ways if _goes(way, TO_NAS_RECEIPT))
    assert (first.name, first.parent) == (IngestSpan.INGEST_BATCH, root)
    assert all(span.status != "ERROR" for way in ways for span in way)
    reached = {way[-1].key for way in ways}
    position = await _last_position(suite, maker)
    assert key_of(await _stored_traceparent(suite, position)) in reached
    async with open_channel(suite.address("nas_bridge"), suite.person()) as channel:
        for name in suite.settings.destinations:
            receipt = await BridgeClient(channel).receipt(FORCE, name, position)
            assert key_of(receipt.traceparent) in reached, name


async def test_batches_that_travel_together_keep_their_traces(suite: Suite, maker: ReadMaker) -> None:
    """However many batches become one append, and appends one submission, each trace has its whole tree."""
    roots = [new_traceparent() for _ in range(12)]

    async def gateway(channel: grpc.aio.Channel, traceparent: str) -> None:
        request = StreamReadsRequest(sequence=1, reads=[maker.one(LISTED)], traceparent=traceparent)
        heard = await converse(channel, maker.feed.token, [request])
        assert [ack.accepted for ack in heard.acks] == [1]

    async with public_channel(suite) as channel, asyncio.TaskGroup() as gateways:
        for traceparent, _ in roots:
            gateways.create_task(gateway(channel, traceparent))
    joined = 0
    for _, root in roots:
        ways = await _ways(suite, root, WHOLE)
        # Its own read alone was matched, and each destination got it once.
        names = Counter((way[-1].service, way[-1].name) for way in ways)
        assert names["match", MatchSpan.MATCH_ALERT] == names["nas", NationalSpan.NAS_ACCEPT] == 1, names
        joined += any(span.links for way in ways for span in way)
    assert joined > 0, "nothing travelled together, so nothing was shown"


@pytest.mark.parametrize(
    ("service", "histogram"),
    [
        ("ingest", IngestMetric.INGEST_ACK_SECONDS),
        ("store", StoreMetric.COMMIT_SECONDS),
        ("store", ChassisMetric.RPC_SECONDS),
        ("match", MatchMetric.MATCH_ALERT_SECONDS),
    ],
)
async def test_a_slow_bucket_leads_to_a_trace(
    suite: Suite, maker: ReadMaker, service: str, histogram: str
) -> None:
    traceparent, _ = new_traceparent()

    async def named() -> set[str]:
        async with connected(suite) as connection, connection.feed(maker.feed.token).stream() as stream:
            await stream.send([maker.one(LISTED)], traceparent=traceparent)
        return await exemplars(suite, service, histogram) & {key_of(traceparent)[0]}

    await eventually(named, within=15, what="an exemplar")


async def test_a_trace_that_is_not_sampled_or_is_none_costs_nothing_but_itself(
    suite: Suite, maker: ReadMaker
) -> None:
    unsampled, quiet = new_traceparent(sampled=False)
    garbage = ("", unsampled, "00-xyz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\x00" * 55)
    requests = [
        StreamReadsRequest(sequence=number, reads=[maker.one("KV17AAA")], traceparent=each)
        for number, each in enumerate(garbage, 1)
    ]
    async with public_channel(suite) as channel:
        heard = await converse(channel, maker.feed.token, requests)
    assert heard.fault is None
    assert [ack.accepted for ack in heard.acks] == [1] * len(garbage)
    mine = [entry.identity for entry in await log_of(suite, FORCE) if entry.identity[1] in maker.feed.cameras]
    await arrived(suite, mine)
    assert [span for span in all_spans(suite) if span.key[0] == quiet[0]] == []


async def _last_position(suite: Suite, maker: ReadMaker) -> int:
    return max(
        entry.position for entry in await log_of(suite, FORCE) if entry.identity[1] in maker.feed.cameras
    )


async def _stored_traceparent(suite: Suite, position: int) -> str:
    request = search_pb2.GetReadRequest(force=FORCE, purpose=PURPOSE, position=position)
    async with search_for(suite) as search:
        return (await search.GetRead(request)).read.traceparent
