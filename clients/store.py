"""The store's clients: appending, following, searching, and the audit trail."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Final

import grpc
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.common.v1.read_pb2 import Purpose
from gantry.store.v1 import audit_pb2, store_pb2
from gantry.store.v1.audit_pb2_grpc import AuditServiceStub
from gantry.store.v1.store_pb2_grpc import StoreServiceStub

from chassis.errors import fault_from
from clients.answer import answer_of

DEADLINE_SECONDS: Final = 10.0


class StoreClient:
    """Calls the store with the certificate that opened `channel`. Every method raises Fault.

    A channel may repeat calls that found the store away, which is harmless for all of these: an append that
    is repeated finds duplicates.
    """

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = StoreServiceStub(channel)
        self._deadline = deadline

    async def append(self, force: str, reads: ReadColumns) -> store_pb2.AppendReadsResponse:
        """Append reads; they are durable on return."""
        request = store_pb2.AppendReadsRequest(force=force, reads=reads)
        return await answer_of(self._stub.AppendReads(request, timeout=self._deadline))

    async def follow(
        self,
        force: str,
        consumer: str,
        *,
        after: int | None,
        include_images: bool = False,
        max_reads: int = 0,
    ) -> AsyncGenerator[store_pb2.TailReadsResponse, None]:
        """The log after a position, or from the oldest read (None), until the store or the caller stops."""
        request = store_pb2.TailReadsRequest(
            force=force, consumer=consumer, include_images=include_images, max_reads=max_reads
        )
        if after is None:
            request.earliest = True
        else:
            request.after_position = after
        call = self._stub.TailReads(request)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise fault_from(error) from None
        finally:
            call.cancel()

    async def report_cursor(self, force: str, consumer: str, position: int) -> None:
        """Tell how far a consumer has durably come."""
        request = store_pb2.ReportCursorRequest(force=force, consumer=consumer, position=position)
        await answer_of(self._stub.ReportCursor(request, timeout=self._deadline))

    async def search(  # noqa: PLR0917
        self,
        forces: list[str],
        vrm: str,
        purpose: Purpose,
        captured_from: datetime | None = None,
        captured_to: datetime | None = None,
        page_size: int = 0,
    ) -> AsyncIterator[store_pb2.StoredRead]:
        """Reads of a plate, newest first, page after page; each page is audited."""
        request = store_pb2.SearchReadsRequest(forces=forces, vrm=vrm, purpose=purpose, page_size=page_size)
        if captured_from is not None:
            request.captured_from.FromDatetime(captured_from)
        if captured_to is not None:
            request.captured_to.FromDatetime(captured_to)
        while True:
            page = await answer_of(self._stub.SearchReads(request, timeout=self._deadline))
            for read in page.reads:
                yield read
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def read(
        self, force: str, purpose: Purpose, *, position: int | None = None, read_id: str | None = None
    ) -> store_pb2.StoredRead:
        """One read by position or by read_id. Raises NotFound READ_UNKNOWN."""
        request = store_pb2.GetReadRequest(force=force, purpose=purpose)
        if position is not None:
            request.position = position
        elif read_id is not None:
            request.read_id = read_id
        return (await answer_of(self._stub.GetRead(request, timeout=self._deadline))).read

    async def image(
        self, force: str, position: int, kind: store_pb2.ImageKind.ValueType, purpose: Purpose
    ) -> bytes:
        """An image of a read. Raises NotFound READ_UNKNOWN or IMAGE_ABSENT."""
        request = store_pb2.GetImageRequest(force=force, position=position, kind=kind, purpose=purpose)
        return (await answer_of(self._stub.GetImage(request, timeout=self._deadline))).jpeg

    async def status(self, force: str) -> store_pb2.GetBufferStatusResponse:
        """State of a force's buffer."""
        request = store_pb2.GetBufferStatusRequest(force=force)
        return await answer_of(self._stub.GetBufferStatus(request, timeout=self._deadline))

    async def purge_certificates(
        self, force: str, *, page_size: int = 0
    ) -> AsyncIterator[store_pb2.PurgeCertificate]:
        """What retention deleted, newest first, page after page."""
        request = store_pb2.ListPurgeCertificatesRequest(force=force, page_size=page_size)
        while True:
            page = await answer_of(self._stub.ListPurgeCertificates(request, timeout=self._deadline))
            for certificate in page.certificates:
                yield certificate
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


class AuditClient:
    """Calls the audit trail with the certificate that opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = AuditServiceStub(channel)
        self._deadline = deadline

    async def record(
        self,
        force: str,
        person: str,
        action: audit_pb2.AuditAction.ValueType,
        purpose: Purpose,
        subject: str,
    ) -> int:
        """Write a record and return its number; it is durable on return. A repeat writes a second one."""
        request = audit_pb2.RecordAuditRequest(
            force=force, person=person, action=action, purpose=purpose, subject=subject
        )
        return (await answer_of(self._stub.RecordAudit(request, timeout=self._deadline))).number

    async def records(self, force: str, *, page_size: int = 0) -> AsyncIterator[audit_pb2.AuditRecord]:
        """A force's trail, newest first, page after page."""
        request = audit_pb2.ListAuditRecordsRequest(force=force, page_size=page_size)
        while True:
            page = await answer_of(self._stub.ListAuditRecords(request, timeout=self._deadline))
            for record in page.records:
                yield record
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def verify(self, force: str) -> audit_pb2.VerifyAuditChainResponse:
        """Recompute a force's chain."""
        request = audit_pb2.VerifyAuditChainRequest(force=force)
        return await answer_of(self._stub.VerifyAuditChain(request, timeout=self._deadline))
