"""The client of search: plates, single reads and images in the buffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

import grpc
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.search_pb2 import (
    GetImageRequest,
    GetReadRequest,
    GetReadResponse,
    ImageKind,
    SearchReadsRequest,
    SearchReadsResponse,
    StoredRead,
)
from gantry.store.v1.search_pb2_grpc import SearchServiceStub

from chassis.backoff import Backoff
from chassis.errors import Fault
from clients.answer import answer_of, answers_of

DEADLINE_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 30.0
_FIRST_WAIT: Final = 0.1
_MOST_WAIT: Final = 2.0


class SearchClient:
    """Calls as the person whose certificate opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = SearchServiceStub(channel)
        self._deadline = deadline

    async def search(  # noqa: PLR0917
        self,
        forces: Sequence[str],
        vrm: str,
        purpose: Purpose,
        captured_from: datetime | None = None,
        captured_to: datetime | None = None,
        page_size: int = 0,
        max_reads: int = 0,
    ) -> AsyncGenerator[StoredRead, None]:
        """Reads of a plate, newest first."""
        request = SearchReadsRequest(
            forces=forces, vrm=vrm, purpose=purpose, page_size=page_size, max_reads=max_reads
        )
        if captured_from is not None:
            request.captured_from.FromDatetime(captured_from)
        if captured_to is not None:
            request.captured_to.FromDatetime(captured_to)
        async with aclosing(self.pages(request)) as pages:
            async for page in pages:
                for read in page.reads:
                    yield read

    async def pages(
        self, request: SearchReadsRequest, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> AsyncGenerator[SearchReadsResponse, None]:
        """The pages that answer `request`.

        A stream that breaks with UNAVAILABLE after a page is resumed after that page. The fault is raised
        when no page came for about `patience_seconds`, or when the first stream brought none.
        """
        rest = SearchReadsRequest()
        rest.CopyFrom(request)
        backoff, waited = Backoff(_FIRST_WAIT, _MOST_WAIT), 0.0
        while True:
            try:
                async with aclosing(answers_of(self._stub.SearchReads(rest))) as pages:
                    async for page in pages:
                        yield page
                        if not _goes_on(rest, page):
                            return
                        waited = 0.0
                        backoff.succeeded()
            except Fault as fault:
                wait = backoff.next_wait(fault.retry_after)
                waited += wait
                resumable = rest.page_token != request.page_token and waited <= patience_seconds
                if not resumable or fault.status is not grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                return
            await asyncio.sleep(wait)

    async def read(
        self, force: str, purpose: Purpose, *, position: int | None = None, read_id: str | None = None
    ) -> StoredRead:
        """One read by position or by read_id. Raises NotFound READ_UNKNOWN."""
        request = GetReadRequest(force=force, purpose=purpose)
        if position is not None:
            request.position = position
        elif read_id is not None:
            request.read_id = read_id
        return (await answer_of(self._stub.GetRead(request, timeout=self._deadline))).read

    async def named(
        self, force: str, purpose: Purpose, read_id: str, *, camera_id: str = ""
    ) -> GetReadResponse:
        """The newest read with this id, and the others that have it. Raises NotFound READ_UNKNOWN."""
        request = GetReadRequest(force=force, purpose=purpose, read_id=read_id, camera_id=camera_id)
        return await answer_of(self._stub.GetRead(request, timeout=self._deadline))

    async def image(self, force: str, position: int, kind: ImageKind.ValueType, purpose: Purpose) -> bytes:
        """An image of a read. Raises NotFound READ_UNKNOWN or IMAGE_ABSENT."""
        request = GetImageRequest(force=force, position=position, kind=kind, purpose=purpose)
        return (await answer_of(self._stub.GetImage(request, timeout=self._deadline))).jpeg


def _goes_on(rest: SearchReadsRequest, page: SearchReadsResponse) -> bool:
    """Set `rest` to the request for the pages after `page`. False when there are none."""
    if rest.max_reads:
        if rest.max_reads <= len(page.reads):
            return False
        rest.max_reads -= len(page.reads)
    rest.page_token = page.next_page_token
    return bool(page.next_page_token)
