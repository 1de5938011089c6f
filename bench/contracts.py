"""The calls of services that measurements make. Only this file depends on internal contracts."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import grpc
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.match.v1 import alert_pb2, alert_pb2_grpc, hotlist_pb2, hotlist_pb2_grpc
from gantry.store.v1 import log_pb2, log_pb2_grpc

from chassis.client import open_channel
from suite.suite import Suite

_PURPOSE: Final = Purpose(justification="benchmark with made-up vehicles")
_CHUNK_BYTES: Final = 512 * 1024


async def append(channel: grpc.aio.Channel, force: str, runs: Sequence[ReadColumns]) -> None:
    """Append runs of reads to a force's log, one after the other."""
    stub = log_pb2_grpc.ReadLogServiceStub(channel)
    for reads in runs:
        request = log_pb2.AppendReadsRequest(force=force, reads=reads.SerializeToString())
        await stub.AppendReads(request, timeout=60)


async def import_list(suite: Suite, force: str, listed: Sequence[str]) -> None:
    """Import plates as a hotlist of a force."""
    async with open_channel(suite.address("match"), suite.person()) as channel:
        stub = hotlist_pb2_grpc.HotlistServiceStub(channel)
        await stub.ImportHotlist(_parts(force, listed), timeout=300)


@contextlib.asynccontextmanager
async def subscribed(suite: Suite, force: str, arrived: dict[str, float]) -> AsyncIterator[None]:
    """Note when each alert of a force arrives, by camera and read id, in seconds since 1970."""
    async with open_channel(suite.address("match"), suite.person()) as channel:
        stub = alert_pb2_grpc.AlertServiceStub(channel)
        call = stub.Subscribe(alert_pb2.SubscribeRequest(force=force, purpose=_PURPOSE))
        ready = asyncio.Event()

        async def listen() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                async for response in call:
                    ready.set()
                    if response.event.HasField("raised"):
                        read = response.event.raised.read
                        arrived.setdefault(f"{read.camera_id}/{read.read_id}", time.time())

        listening = asyncio.create_task(listen(), name="bench subscriber")
        try:
            async with asyncio.timeout(15):
                await ready.wait()
            yield
        finally:
            call.cancel()
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                await listening


def _parts(force: str, listed: Sequence[str]) -> Iterator[hotlist_pb2.ImportHotlistRequest]:
    header = hotlist_pb2.ImportHeader(
        force=force, name="bench", purpose=_PURPOSE, near_matches=True, request_id=str(uuid.uuid4())
    )
    yield hotlist_pb2.ImportHotlistRequest(header=header)
    text = io.BytesIO(("vrm,reason\n" + "".join(f"{vrm},benchmark\n" for vrm in listed)).encode())
    while chunk := text.read(_CHUNK_BYTES):
        yield hotlist_pb2.ImportHotlistRequest(chunk=chunk)
