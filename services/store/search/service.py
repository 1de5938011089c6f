"""The gRPC service of search. The guard has checked force and purpose and written the audit record before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final, cast

import grpc
from gantry.store.v1 import search_pb2
from gantry.store.v1.search_pb2_grpc import SearchServiceServicer

from anpr.identifiers import is_camera_id, is_read_id
from anpr.plate import understand
from anpr.vrm import VrmEmpty
from chassis.errors import InvalidInput, NotFound, Unavailable
from chassis.metrics import histogram
from chassis.pages import PageTokens, page_size
from services.store.names import MetricName
from services.store.search.find import (
    END_OF_TIME_US,
    TOP,
    BufferedReads,
    Found,
    Images,
    Place,
    PlateQuery,
    pages,
)

SERVICE: Final = "gantry.store.v1.SearchService"
_SEARCH: Final = f"{SERVICE}/SearchReads"
_MOST_FORCES: Final = 100
_MOST_OTHERS: Final = 100
_NO_WORDS: Final = frozenset[str]()  # a person may search for what a camera took for a plate
_KINDS: Final = frozenset({search_pb2.IMAGE_KIND_PLATE_PATCH, search_pb2.IMAGE_KIND_OVERVIEW})
_seconds = histogram(MetricName.SEARCH_SECONDS)

Call = grpc.aio.ServicerContext[Any, Any]


class SearchService(SearchServiceServicer):
    """Shows reads of the buffer to people."""

    def __init__(
        self, reads: BufferedReads, images: Images, tokens: PageTokens, stopping: asyncio.Event
    ) -> None:
        self._reads = reads
        self._images = images
        self._tokens = tokens
        self._stopping = stopping

    async def SearchReads(
        self,
        request: search_pb2.SearchReadsRequest,
        context: Call,
    ) -> AsyncIterator[search_pb2.SearchReadsResponse]:
        """The reads of a plate, newest first, page by page."""
        query, rows = _plate_query(request), page_size(request.page_size)
        below = cast("Place", self._tokens.place(_SEARCH, request) or TOP)
        found = pages(self._reads, query, below, rows, request.max_reads)
        async with aclosing(found):
            started = time.perf_counter()
            async for page in found:
                _seconds.record(time.perf_counter() - started)
                last = page.found[-1].place if page.more else None
                yield search_pb2.SearchReadsResponse(
                    reads=[each.read for each in page.found],
                    next_page_token=self._tokens.token(_SEARCH, request, last) if last else "",
                )
                if last and self._stopping.is_set():
                    raise Unavailable("STOPPING", "the store is stopping; search again with the last token")
                started = time.perf_counter()

    async def GetRead(
        self,
        request: search_pb2.GetReadRequest,
        context: Call,
    ) -> search_pb2.GetReadResponse:
        """One read; by its identifier also the others that have it."""
        name = request.WhichOneof("name")
        if name == "position":
            return search_pb2.GetReadResponse(
                read=_known(await self._reads.at(request.force, request.position)).read
            )
        if name != "read_id" or not is_read_id(request.read_id):
            raise InvalidInput("NAME_INVALID", "name the read by its position or its read_id", field="name")
        if request.camera_id and not is_camera_id(request.camera_id):
            raise InvalidInput("NAME_INVALID", "that is no camera_id", field="camera_id")
        named = await self._reads.named(request.force, request.read_id, request.camera_id, 1 + _MOST_OTHERS)
        newest, others = _known(next(iter(named.found), None)), named.found[1:]
        return search_pb2.GetReadResponse(
            read=newest.read, others=[each.read for each in others], others_count=named.count - 1
        )

    async def GetImage(
        self,
        request: search_pb2.GetImageRequest,
        context: Call,
    ) -> search_pb2.GetImageResponse:
        """An image of a read."""
        if request.kind not in _KINDS:
            raise InvalidInput("IMAGE_KIND_INVALID", "ask for the plate patch or the overview", field="kind")
        found = _known(await self._reads.at(request.force, request.position))
        return search_pb2.GetImageResponse(jpeg=await self._jpeg(found, request.kind))

    async def _jpeg(self, found: Found, kind: search_pb2.ImageKind.ValueType) -> bytes:
        place = found.image
        start, length = place.offset, place.patch_bytes
        if kind == search_pb2.IMAGE_KIND_OVERVIEW:
            start, length = place.offset + place.patch_bytes, place.overview_bytes
        jpeg = await self._images.get(place.key, start, length) if length else None
        if jpeg is None:
            raise NotFound("IMAGE_ABSENT", "the read has no such image")
        return jpeg


def _plate_query(request: search_pb2.SearchReadsRequest) -> PlateQuery:
    forces = tuple(dict.fromkeys(request.forces))
    if not 0 < len(forces) <= _MOST_FORCES:
        raise InvalidInput("FORCE_INVALID", f"name 1 to {_MOST_FORCES} forces", field="forces")
    from_us = request.captured_from.ToMicroseconds() if request.HasField("captured_from") else 0
    to_us = request.captured_to.ToMicroseconds() if request.HasField("captured_to") else END_OF_TIME_US
    if from_us >= to_us:
        raise InvalidInput(
            "TIME_RANGE_INVALID", "captured_from is not before captured_to", field="captured_from"
        )
    return PlateQuery(forces, _vrm(request.vrm), from_us, to_us)


def _vrm(text: str) -> str:
    try:
        return understand(text, _NO_WORDS).vrm
    except VrmEmpty:
        raise InvalidInput("VRM_INVALID", "a VRM is 1 to 12 letters and digits", field="vrm") from None
    except ValueError as odd:
        # Without the cause: its traceback could hold the text.
        raise InvalidInput(
            "VRM_INVALID", f"{odd}; a VRM is 1 to 12 letters and digits", field="vrm"
        ) from None


def _known(found: Found | None) -> Found:
    if found is None:
        raise NotFound("READ_UNKNOWN", "the buffer has no such read")
    return found
