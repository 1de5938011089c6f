"""BufferService: the state of a buffer and its certificates of deletion. No personal data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
from gantry.store.v1 import buffer_pb2
from gantry.store.v1.buffer_pb2_grpc import BufferServiceServicer
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.pages import PageTokens, page_size
from reads.epoch import timestamp
from services.store.consumers.consumer import ConsumerCursor, Consumers
from services.store.days import first_open_day
from services.store.retention.overdue import overdue_days
from services.store.retention.records import RetentionRecords
from services.store.trouble import Trouble

SERVICE: Final = "gantry.store.v1.BufferService"
_LIST: Final = f"{SERVICE}/ListPurgeCertificates"
_NEWEST: Final = 2**63 - 1

Call = grpc.aio.ServicerContext[Any, Any]


class BufferService(BufferServiceServicer):
    """Shows buffers to people and to the services that follow them."""

    def __init__(  # noqa: PLR0917
        self,
        records: RetentionRecords,
        consumers: Consumers,
        tokens: PageTokens,
        retention_days: int,
        now_us: Callable[[], int],
        trouble: Callable[[str], Trouble | None],
    ) -> None:
        """`trouble` says why a force's appends fail."""
        self._records = records
        self._consumers = consumers
        self._tokens = tokens
        self._retention_days = retention_days
        self._now_us = now_us
        self._trouble = trouble

    async def GetBufferStatus(
        self,
        request: buffer_pb2.GetBufferStatusRequest,
        context: Call,
    ) -> buffer_pb2.GetBufferStatusResponse:
        """The state of a force's buffer."""
        state = await self._records.state(request.force)
        first_open = first_open_day(self._now_us(), self._retention_days)
        overdue = await overdue_days(self._records, request.force, state.days, first_open)
        oldest = state.late_from or (state.days[0] if state.days else None)
        return buffer_pb2.GetBufferStatusResponse(
            reads_stored=state.reads_stored,
            head=state.head,
            oldest_day=oldest.isoformat() if oldest else "",
            overdue_days=[day.isoformat() for day in overdue],
            consumers=[_consumer(each) for each in await self._consumers.of(request.force)],
            refusal=_refusal(self._trouble(request.force)),
        )

    async def ListPurgeCertificates(
        self,
        request: buffer_pb2.ListPurgeCertificatesRequest,
        context: Call,
    ) -> buffer_pb2.ListPurgeCertificatesResponse:
        """A page of certificates, newest first."""
        rows, place = page_size(request.page_size), self._tokens.place(_LIST, request)
        found = await self._records.purges(request.force, int(place[0]) if place else _NEWEST, rows)
        more = len(found) == rows
        return buffer_pb2.ListPurgeCertificatesResponse(
            certificates=[_certificate(row) for row in found],
            next_page_token=self._tokens.token(_LIST, request, (found[-1]["purge_no"],)) if more else "",
        )


def _consumer(each: ConsumerCursor) -> buffer_pb2.ConsumerStatus:
    reported_at = None if each.reported_at is None else timestamp(each.reported_at)
    return buffer_pb2.ConsumerStatus(consumer=each.consumer, position=each.position, reported_at=reported_at)


def _refusal(trouble: Trouble | None) -> buffer_pb2.AppendRefusal | None:
    if trouble is None:
        return None
    fault, since = trouble.fault, Timestamp()
    since.FromSeconds(int(trouble.since))
    return buffer_pb2.AppendRefusal(reason=fault.reason, message=fault.message, since=since)


def _certificate(row: Mapping[str, Any]) -> buffer_pb2.PurgeCertificate:
    return buffer_pb2.PurgeCertificate(
        day=row["day"].isoformat() if row["day"] else "older",
        reads=row["reads"],
        image_objects=row["image_objects"],
        digest=row["digest"],
        purged_at=timestamp(row["finished_at_us"]),
    )
