"""A gRPC server between ingest and a real store. It passes every call on and keeps the appends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.log_pb2 import AppendReadsRequest

from chassis.client import open_channel
from suite.certificates import Authority

_APPEND = "/gantry.store.v1.ReadLogService/AppendReads"


class RecordingStore:
    """The appends that were sent through it, in their order, and its address."""

    def __init__(self) -> None:
        self.target = ""
        self.requests: list[AppendReadsRequest] = []

    def appends(self, force: str) -> list[tuple[bool, list[str]]]:
        """Of each append of a force: whether it is a canary, and the ids of its reads."""
        return [
            (bool(request.canary), [*ReadColumns.FromString(request.reads or request.canary).read_ids])
            for request in self.requests
            if request.force == force
        ]


class _PassOn(grpc.GenericRpcHandler):
    def __init__(self, store: grpc.aio.Channel, recorded: RecordingStore) -> None:
        self._store = store
        self._recorded = recorded

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Handle a call of any method."""

        async def pass_on(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async def noted() -> AsyncIterator[bytes]:
                async for request in requests:
                    if call.method == _APPEND:
                        self._recorded.requests.append(AppendReadsRequest.FromString(request))
                    yield request

            answers = self._store.stream_stream(call.method)(noted(), timeout=context.time_remaining())
            try:
                async for answer in answers:
                    yield answer
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata()))

        return grpc.stream_stream_rpc_method_handler(pass_on)


@asynccontextmanager
async def recording(store: str, pki: Authority) -> AsyncIterator[RecordingStore]:
    """Run one before the store at this address."""
    recorded, server = RecordingStore(), grpc.aio.server()
    async with open_channel(store, pki.issue_service("ingest"), retries=False) as channel:
        server.add_generic_rpc_handlers([_PassOn(channel, recorded)])
        tls = pki.issue_service("store")
        credentials = grpc.ssl_server_credentials([(tls.key.read_bytes(), tls.certificate.read_bytes())])
        recorded.target = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
        await server.start()
        try:
            yield recorded
        finally:
            await server.stop(0)
