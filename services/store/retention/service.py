"""The state of a buffer and the certificates of what left it: no personal data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import asyncpg
import grpc
from gantry.store.v1 import store_pb2

from chassis.database import statements
from chassis.identity import caller_of
from services.store.audit.postgres import ForceRows
from services.store.days import day_of, first_open_day, start_of
from services.store.pages import page_size, page_token, place_of
from services.store.retention.postgres import RetentionRecords
from services.store.retention.purging import Rules

_NEWEST: Final = 2**63 - 1
_SQL: Final = statements("services.store.retention")

Call = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class BufferState:
    """Counts, cursors (consumer, position, reported at) and the days of which reads are kept."""

    head: int
    reads_stored: int
    consumers: Sequence[tuple[str, int, datetime]]
    days: Sequence[date]
    late_from: date | None


class BufferRecords:
    """What the database knows of a force's buffer."""

    def __init__(self, rows: ForceRows, pool: asyncpg.Pool) -> None:
        self._rows = rows
        self._pool = pool

    async def state(self, force: str) -> BufferState:
        """How the buffer is now."""
        number = await self._rows.number_of(force)
        async with self._rows.transaction(force) as connection:
            status = await connection.fetchrow(_SQL.buffer_status, number)
            consumers = [tuple(row) for row in await connection.fetch(_SQL.consumers, number)]
            days = [row["day"] for row in await connection.fetch(_SQL.days, number)]
            before_us = start_of(days[0]) if days else _NEWEST
            late_us = await connection.fetchval(_SQL.late_from, number, before_us)
        late_from = None if late_us is None else day_of(late_us)
        return BufferState(status["head"], status["reads_stored"], consumers, days, late_from)

    async def purges(self, force: str, below: int, rows: int) -> Sequence[Mapping[str, Any]]:
        """Finished purges below a number, newest first."""
        number = await self._rows.number_of(force)
        return [dict(row) for row in await self._pool.fetch(_SQL.purges_before, number, below, rows)]


class StatusService:
    """GetBufferStatus and ListPurgeCertificates."""

    def __init__(
        self, records: BufferRecords, retention: RetentionRecords, rules: Rules, now_us: Callable[[], int]
    ) -> None:
        self._records = records
        self._retention = retention
        self._rules = rules
        self._now_us = now_us

    async def buffer(
        self, request: store_pb2.GetBufferStatusRequest, context: Call
    ) -> store_pb2.GetBufferStatusResponse:
        """How a force's buffer is."""
        caller_of(context).require_force(request.force)
        state = await self._records.state(request.force)
        oldest = state.late_from or (state.days[0] if state.days else None)
        response = store_pb2.GetBufferStatusResponse(
            reads_stored=state.reads_stored,
            head=state.head,
            oldest_day=oldest.isoformat() if oldest else "",
            overdue_days=[day.isoformat() for day in await self._overdue(request.force, state.days)],
        )
        for consumer, position, reported_at in state.consumers:
            response.consumers.add(consumer=consumer, position=position).reported_at.FromDatetime(reported_at)
        return response

    async def _overdue(self, force: str, days: Sequence[date]) -> list[date]:
        first_open = first_open_day(self._now_us(), self._rules.retention_days)
        over_age = [day for day in days if day < first_open]
        cursor = await self._retention.least_cursor(force, self._rules.required_consumers) if over_age else 0
        return [day for day in over_age if await self._retention.reaches_past(force, day, cursor)]

    async def certificates(
        self, request: store_pb2.ListPurgeCertificatesRequest, context: Call
    ) -> store_pb2.ListPurgeCertificatesResponse:
        """A page of what retention deleted."""
        caller_of(context).require_force(request.force)
        query = ("purges", request.force)
        rows, place = page_size(request.page_size), place_of(request.page_token, query, 1)
        found = await self._records.purges(request.force, place[0] if place else _NEWEST, rows)
        more = len(found) == rows
        return store_pb2.ListPurgeCertificatesResponse(
            certificates=[_certificate(row) for row in found],
            next_page_token=page_token(query, (found[-1]["purge_no"],)) if more else "",
        )


def _certificate(row: Mapping[str, Any]) -> store_pb2.PurgeCertificate:
    certificate = store_pb2.PurgeCertificate(
        day=row["day"].isoformat() if row["day"] else "older",
        reads=row["reads"],
        image_objects=row["image_objects"],
        digest=row["digest"],
    )
    certificate.purged_at.FromMicroseconds(row["finished_at_us"])
    return certificate
