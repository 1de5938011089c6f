"""Records deliveries in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import asyncpg

from chassis.database import statements
from following import Move
from reads.epoch import moment
from services.nas_bridge.forwarding.delivery import Delivery, RefusedRead

_SQL: Final = statements("services.nas_bridge.forwarding")
_DEAD_LETTER_COLUMNS: Final = 6


class PostgresDeliveries:
    """See `services.nas_bridge.forwarding.delivery.Deliveries`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def record(self, move: Move, delivery: Delivery) -> bool:
        """Write receipt, dead letters and cursor in one transaction. False: fenced, nothing was written."""
        async with self._pool.acquire() as connection:
            recorded = await connection.fetchval(
                _SQL.record_delivery,
                *move,
                delivery.receipt_id,
                delivery.first_position,
                delivery.last_position,
                delivery.accepted,
                delivery.duplicate,
                delivery.traceparent,
                *_columns(delivery.refused),
            )
        return bool(recorded)


def _columns(refused: Iterable[RefusedRead]) -> list[list[Any]]:
    """One list each: positions, camera ids, read ids, capture times, reasons, messages."""
    rows = [
        (
            each.position,
            each.identity.camera_id,
            each.identity.read_id,
            moment(each.identity.captured_at_us),
            each.reason,
            each.message,
        )
        for each in refused
    ]
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(_DEAD_LETTER_COLUMNS)]
