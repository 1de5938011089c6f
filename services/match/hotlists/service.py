"""The gRPC service of hotlists. The guard has judged access and purpose and has written the audit record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import grpc
from gantry.match.v1 import hotlist_pb2
from gantry.match.v1.hotlist_pb2_grpc import HotlistServiceServicer

from chassis.errors import Fault, InvalidInput
from chassis.identity import caller_of
from reads.canary import CANARY
from services.match.clock import Clock, utc_now
from services.match.hotlists.importing import HotlistImports, ImportOrder
from services.match.hotlists.ports import Hotlists
from services.match.hotlists.tolerance import Tolerance
from tables.layouts import HOTLIST

MOST_CHUNK_BYTES: Final = 1 << 20
MOST_NAME: Final = 100
_CHUNK_SECONDS: Final = 60.0

Call = grpc.aio.ServicerContext[Any, Any]
ImportMessages = AsyncIterator[hotlist_pb2.ImportHotlistRequest]


class HotlistService(HotlistServiceServicer):
    """Imports and lists hotlists."""

    def __init__(self, imports: HotlistImports, hotlists: Hotlists, clock: Clock = utc_now) -> None:
        self._imports = imports
        self._hotlists = hotlists
        self._clock = clock

    async def ImportHotlist(self, request_iterator: Any, context: Call) -> hotlist_pb2.ImportHotlistResponse:
        """See the contract."""
        messages = aiter(request_iterator)
        order = _order(await _header(messages), caller_of(context).name)
        return await self._imports.run(order, _chunks(messages))

    async def ListHotlists(
        self, request: hotlist_pb2.ListHotlistsRequest, context: Call
    ) -> hotlist_pb2.ListHotlistsResponse:
        """See the contract."""
        return hotlist_pb2.ListHotlistsResponse(
            hotlists=await self._hotlists.list(request.force, self._clock())
        )


async def _header(messages: ImportMessages) -> hotlist_pb2.ImportHeader:
    first = await _next(messages)
    if first is None or not first.HasField("header"):
        raise _invalid("the first message should be the header", "header")
    return first.header


def _order(header: hotlist_pb2.ImportHeader, person: str) -> ImportOrder:
    try:
        request_id = UUID(header.request_id)
    except ValueError:
        raise _invalid("request_id should be a UUID", "header.request_id") from None
    if not header.name.isprintable() or not 1 <= len(header.name.strip()) <= MOST_NAME:
        raise _invalid(f"name should have 1 to {MOST_NAME} printable characters", "header.name")
    name = header.name.strip()
    if name == CANARY:
        raise _invalid(f"the name {CANARY} is reserved; choose another", "header.name")
    return ImportOrder(
        header.force,
        name,
        header.near_matches,
        request_id,
        person,
        _tolerance(header),
        header.allow_empty,
        _columns(header),
        header.dry_run,
    )


def _columns(header: hotlist_pb2.ImportHeader) -> dict[str, str]:
    for ours, theirs in header.columns.items():
        if ours not in HOTLIST.ours:
            raise _invalid(f"columns should map these: {', '.join(HOTLIST.ours)}", "header.columns")
        if not theirs.strip():
            raise _invalid(f"columns should name a column of the file for {ours}", "header.columns")
    return dict(header.columns)


def _tolerance(header: hotlist_pb2.ImportHeader) -> Tolerance | None:
    if not header.HasField("max_rejected_percent"):
        return None
    if header.max_rejected_percent > 100:
        raise _invalid("max_rejected_percent should be 0 to 100", "header.max_rejected_percent")
    return Tolerance(header.max_rejected_percent)


async def _chunks(messages: ImportMessages) -> AsyncIterator[bytes]:
    while (message := await _next(messages)) is not None:
        if not message.HasField("chunk") or len(message.chunk) > MOST_CHUNK_BYTES:
            raise _invalid("after the header only chunks of at most 1 MiB may follow", "chunk")
        yield message.chunk


async def _next(messages: ImportMessages) -> hotlist_pb2.ImportHotlistRequest | None:
    try:
        async with asyncio.timeout(_CHUNK_SECONDS):
            return await anext(messages, None)
    except TimeoutError:
        raise Fault(
            grpc.StatusCode.DEADLINE_EXCEEDED, "CHUNK_LATE", "no chunk came for a minute; import again"
        ) from None


def _invalid(message: str, field: str) -> InvalidInput:
    return InvalidInput("HOTLIST_INVALID", message, field=field)
