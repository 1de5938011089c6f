"""The store stops, freezes and starts again; ingest stops. Acknowledged reads are durable."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry_sdk import FeedUnavailable, Receipt, StreamLimits

from chassis.errors import fault_from
from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry
from tests.contract.ingest.conftest import (
    QUICK,
    RunningIngest,
    StartIngest,
    StoreProcess,
    eventually,
    unique_ids,
)
from tests.contract.ingest.test_deliver import reads_of
from tests.contract.ingest.test_limits import SUBMIT, RawStream

VENDORS_SPAN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def store_killed(store: StoreProcess) -> AsyncIterator[None]:
    await store.process.kill()
    try:
        yield
    finally:
        await store.process.start()


async def test_an_outage_of_the_store_is_survived(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest = await start_ingest(append_seconds=0.5)
    token = await ingest.enrol(force, "gateway", "a")
    connection = await ingest.connect()
    ids, receipts = unique_ids(120), list[Receipt]()
    stream = connection.feed(token, backoff=QUICK).stream(receipts.append)
    async with stream:
        await stream.send(reads_of("a", ids[:40]))
        await stream.drain()
        async with store_killed(store_process):
            await stream.send(reads_of("a", ids[40:80]))
            raw = RawStream(await ingest.channel(), token)
            await raw.flow_control()
            await raw.send(1, reads_of("a", unique_ids(1)))
            started = time.monotonic()
            fault = await raw.fault()
            assert (fault.status, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            assert fault.retry_after is not None
            assert fault.retry_after > 0
            assert time.monotonic() - started < 5
            await eventually(lambda: not stream.connected)
            assert [receipt.accepted for receipt in receipts] == [40]
            await stream.send(reads_of("a", ids[80:]))
    assert sum(receipt.accepted + receipt.duplicate for receipt in receipts) == 120
    assert set(ids) <= set(await store_process.read_ids(force))
    # What the last look saw of a message on its way is counted until the next one.
    await eventually(lambda: ingest.parts.memory.used == 0)


async def test_new_work_is_refused_at_once_while_the_store_is_unavailable(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest = await start_ingest(append_seconds=0.2)
    token = await ingest.enrol(force, "gateway", "a")
    submit = (await ingest.channel()).unary_unary(SUBMIT, pb.SubmitReadsRequest.SerializeToString, None)
    metadata = [("authorization", f"Bearer {token}")]
    async with store_killed(store_process):
        waits = set()
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await submit(pb.SubmitReadsRequest(reads=reads_of("a", unique_ids(1))), metadata=metadata)
            fault = fault_from(caught.value)
            assert fault.reason == "STORE_UNAVAILABLE"
            waits.add(fault.retry_after)
        assert len(waits) > 1, "vendors should not all come back at the same moment"
        started = time.monotonic()
        fault = await RawStream(await ingest.channel(), token).fault()
        assert fault.reason == "STORE_UNAVAILABLE"
        assert time.monotonic() - started < 1
    feed = (await ingest.connect()).feed(token, backoff=QUICK)
    assert (await feed.submit(reads_of("a", unique_ids(1)))).accepted == 1


async def test_a_frozen_store_costs_no_read(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest = await start_ingest(append_seconds=0.5)
    token = await ingest.enrol(force, "gateway", "a")
    ids, receipts = unique_ids(30), list[Receipt]()
    async with (await ingest.connect()).feed(token, backoff=QUICK).stream(receipts.append) as stream:
        await stream.wait_connected()
        store_process.process.send(signal.SIGSTOP)
        try:
            await stream.send(reads_of("a", ids))
            await eventually(lambda: not stream.connected)
        finally:
            store_process.process.send(signal.SIGCONT)
    assert sorted(await store_process.read_ids(force)) == sorted(ids)
    assert sum(receipt.accepted + receipt.duplicate for receipt in receipts) == 30


async def test_one_force_that_cannot_be_stored_refuses_no_other(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest, other = await start_ingest(append_seconds=0.5), f"{force}-other"
    await store_process.create(other)
    await eventually(lambda: other in ingest.parts.directory.active)
    stuck, free = await ingest.enrol(force, "gateway", "a"), await ingest.enrol(other, "gateway", "a")
    connection = await ingest.connect()
    raw = RawStream(await ingest.channel(), stuck)
    await raw.flow_control()
    async with store_process.locked(force):
        await raw.send(1, reads_of("a", unique_ids(1)))
        assert (await raw.fault()).reason == "STORE_UNAVAILABLE"
        for _ in range(10):
            receipt = await connection.feed(free).submit(reads_of("a", unique_ids(1)), seconds=5)
            assert receipt.accepted == 1
    feed = connection.feed(stuck, backoff=QUICK)
    assert (await feed.submit(reads_of("a", unique_ids(1)))).accepted == 1


async def test_a_stop_acknowledges_what_is_under_way(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    first, second = await start_ingest(), await start_ingest()
    token = await first.enrol(force, "gateway", "a")
    raw = RawStream(await first.channel(), token)
    await raw.flow_control()
    silent = RawStream(await first.channel(), token)
    await silent.flow_control()
    store_process.process.send(signal.SIGSTOP)
    try:
        await raw.send(1, reads_of("a", unique_ids(7)))
        await eventually(lambda: first.parts.memory.used > 0)
        stopping = asyncio.create_task(first.parts.server.stop())
        fault = await silent.fault()
        assert (fault.status, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "STOPPING")
    finally:
        store_process.process.send(signal.SIGCONT)
    ack = (await raw.call.read()).ack
    assert (ack.sequence, ack.accepted) == (1, 7)
    assert (await raw.fault()).reason == "STOPPING"
    await stopping
    await eventually(lambda: second.parts.feeds.feeds)
    assert (await (await second.connect()).feed(token).submit(reads_of("a", unique_ids(1)))).accepted == 1


async def test_a_time_limit_on_submit_is_kept(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    ingest = await start_ingest(append_seconds=0.2)
    token = await ingest.enrol(force, "gateway", "a")
    feed = (await ingest.connect()).feed(token, backoff=QUICK)
    async with store_killed(store_process):
        started = time.monotonic()
        with pytest.raises(FeedUnavailable):
            await feed.submit(reads_of("a", unique_ids(1)), seconds=2)
        assert time.monotonic() - started < 6


async def cut_database_connections(ingest: RunningIngest) -> None:
    async with ingest.pool.acquire() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where usename = current_user and pid <> pg_backend_pid() and datname = current_database()"
        )


async def test_a_stop_with_dead_database_connections_is_graceful(
    ingest: RunningIngest, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop that listens holds a connection all the time."""
    await cut_database_connections(ingest)
    async with asyncio.timeout(4):
        await ingest.parts.server.stop()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not [record for record in caplog.records if "would not end" in record.getMessage()]


async def test_the_registry_outlives_the_database_connection(
    ingest: RunningIngest, store_process: StoreProcess, force: str
) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    feed = (await ingest.connect()).feed(token)
    await cut_database_connections(ingest)
    assert (await feed.submit(reads_of("a", unique_ids(1)))).accepted == 1
    second = await ingest.enrol(force, "another", "b")
    assert (await (await ingest.connect()).feed(second).submit(reads_of("b", unique_ids(1)))).accepted == 1


async def test_a_thousand_reads_in_flight_survive_reconnects(
    start_ingest: StartIngest, store_process: StoreProcess, force: str
) -> None:
    """Connections are cut again and again while reads flow: each is stored once and acknowledged."""
    ingest = await start_ingest()
    token = await ingest.enrol(force, "gateway", "a")
    ids, receipts = unique_ids(1_000), list[Receipt]()
    limits = StreamLimits(unacknowledged_reads=300)
    feed = (await ingest.connect()).feed(token, limits=limits, backoff=QUICK)
    async with feed.stream(receipts.append) as stream:
        for start in range(0, 1_000, 10):
            await stream.send(reads_of("a", ids[start : start + 10]), tag=start)
            if start % 200 == 0:
                ingest.parts.door.stop()
    assert [receipt.tag for receipt in receipts] == list(range(0, 1_000, 10))
    assert sum(receipt.accepted + receipt.duplicate for receipt in receipts) == 1_000
    assert await store_process.read_ids(force) == ids


async def test_one_trace_from_the_vendor_to_the_store(
    ingest: RunningIngest, store_process: StoreProcess, force: str, tmp_path: object
) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    file = tmp_path / "spans.jsonl"
    feed = (await ingest.connect()).feed(token)
    async with (
        telemetry("ingest", TelemetrySettings(spans_file=file, traces_per_second=0)),
        feed.stream() as stream,
    ):
        await stream.send(reads_of("a", unique_ids(2)), traceparent=VENDORS_SPAN)
        await stream.send(reads_of("a", unique_ids(2)), traceparent=VENDORS_SPAN[:-1] + "0")
        await stream.send(reads_of("a", unique_ids(2)), traceparent="nonsense")
    spans = {span["name"]: span for span in map(json.loads, file.read_text().splitlines())}
    batch, append = spans["ingest.batch"], spans["ingest.append"]
    assert batch["trace_id"] == VENDORS_SPAN[3:35]
    assert batch["parent_span_id"] == VENDORS_SPAN[36:52]
    assert append["parent_span_id"] == batch["span_id"]
    appends = await store_process.appends(force)
    assert VENDORS_SPAN[3:35] in {append.traceparent[3:35] for append in appends}


async def test_batches_right_after_each_other_are_all_traced(
    ingest: RunningIngest, force: str, tmp_path: object
) -> None:
    """The limit is a number of traces a second, and no least time between two."""
    token = await ingest.enrol(force, "gateway", "a")
    file = tmp_path / "spans.jsonl"
    feed = (await ingest.connect()).feed(token)
    async with (
        telemetry("ingest", TelemetrySettings(spans_file=file, traces_per_second=50)),
        feed.stream() as stream,
    ):
        for read_id in unique_ids(10):
            await stream.send(reads_of("a", [read_id]))
    names = [json.loads(line)["name"] for line in file.read_text().splitlines()]
    assert names.count("ingest.batch") == 10


async def test_a_vendor_that_asks_for_a_trace_of_each_call_gets_as_many_as_there_may_be(
    ingest: RunningIngest, force: str, tmp_path: object
) -> None:
    token = await ingest.enrol(force, "gateway", "a")
    file = tmp_path / "spans.jsonl"
    submit = (await ingest.channel()).unary_unary(SUBMIT, pb.SubmitReadsRequest.SerializeToString, None)
    metadata = (("authorization", f"Bearer {token}"), ("traceparent", VENDORS_SPAN))
    async with telemetry("ingest", TelemetrySettings(spans_file=file, traces_per_second=0.01)):
        for _ in range(5):
            await submit(pb.SubmitReadsRequest(reads=reads_of("a", unique_ids(1))), metadata=metadata)
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    names = [span["name"] for span in spans]
    assert names.count(SUBMIT.removeprefix("/")) == names.count("ingest.batch") == 1
    assert {span["trace_id"] for span in spans} == {VENDORS_SPAN[3:35]}


async def test_a_vendor_that_asks_for_a_trace_of_each_batch_gets_as_many_as_there_may_be(
    start_ingest: StartIngest, force: str, tmp_path: object
) -> None:
    ingest = await start_ingest(traces_per_second=0.01)
    token = await ingest.enrol(force, "gateway", "a")
    file = tmp_path / "spans.jsonl"
    feed = (await ingest.connect()).feed(token)
    async with (
        telemetry("ingest", TelemetrySettings(spans_file=file, traces_per_second=50)),
        feed.stream() as stream,
    ):
        for read_id in unique_ids(10):
            await stream.send(reads_of("a", [read_id]), traceparent=VENDORS_SPAN)
    names = [json.loads(line)["name"] for line in file.read_text().splitlines()]
    assert names.count("ingest.batch") == names.count("ingest.append") == 1
