"""The RPCs that show receipts and dead letters."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import grpc
from gantry.bridge.v1 import bridge_pb2

from chassis.errors import NotFound
from chassis.pages import PageTokens, page_size
from reads.epoch import timestamp
from services.nas_bridge.receipts.records import DeadLetter, KeptReceipt, Records

_LIST_DEAD_LETTERS: Final = "gantry.bridge.v1.BridgeService/ListDeadLetters"
_BEYOND_ALL: Final = 2**63 - 1

_Call: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ReceiptHandlers:
    """Part of `BridgeService`."""

    def __init__(self, records: Records, pages: PageTokens) -> None:
        self._records = records
        self._pages = pages

    async def ListDeadLetters(
        self, request: bridge_pb2.ListDeadLettersRequest, _context: _Call
    ) -> bridge_pb2.ListDeadLettersResponse:
        size = page_size(request.page_size)
        (below,) = self._pages.place(_LIST_DEAD_LETTERS, request) or (_BEYOND_ALL,)
        await self._require_destination(request.force, request.destination)
        letters = await self._records.dead_letters(request.force, request.destination, int(below), size + 1)
        page, token = letters[:size], ""
        if len(letters) > size:
            token = self._pages.token(_LIST_DEAD_LETTERS, request, (page[-1].position,))
        return bridge_pb2.ListDeadLettersResponse(
            dead_letters=[_dead_letter(letter) for letter in page], next_page_token=token
        )

    async def GetReceipt(
        self, request: bridge_pb2.GetReceiptRequest, _context: _Call
    ) -> bridge_pb2.GetReceiptResponse:
        receipt = await self._records.receipt(request.force, request.destination, request.position)
        if receipt is None:
            await self._require_destination(request.force, request.destination)
            raise NotFound("RECEIPT_ABSENT", "no receipt covers this position; it may not be delivered yet")
        return _receipt(receipt)

    async def _require_destination(self, force: str, destination: str) -> None:
        if not await self._records.has_destination(force, destination):
            raise NotFound(
                "DESTINATION_UNKNOWN", "the force has no destination of that name", field="destination"
            )


def _dead_letter(letter: DeadLetter) -> bridge_pb2.DeadLetter:
    return bridge_pb2.DeadLetter(
        position=letter.position,
        camera_id=letter.camera_id,
        read_id=letter.read_id,
        captured_at=timestamp(letter.captured_at),
        reason=letter.reason,
        message=letter.message,
        refused_at=timestamp(letter.refused_at),
    )


def _receipt(receipt: KeptReceipt) -> bridge_pb2.GetReceiptResponse:
    return bridge_pb2.GetReceiptResponse(
        receipt_id=receipt.receipt_id,
        first_position=receipt.first_position,
        last_position=receipt.last_position,
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        refused=receipt.refused,
        received_at=timestamp(receipt.received_at),
        traceparent=receipt.traceparent,
    )
