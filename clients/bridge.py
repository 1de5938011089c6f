"""The bridge's client: destinations, receipts, dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import grpc
from gantry.bridge.v1 import bridge_pb2
from gantry.bridge.v1.bridge_pb2_grpc import BridgeServiceStub
from gantry.common.v1.purpose_pb2 import Purpose

from clients.answer import answer_of

DEADLINE_SECONDS: Final = 10.0


class BridgeClient:
    """Calls the bridge as the person whose certificate opened `channel`. Every method raises Fault.

    The channel repeats calls that end with UNAVAILABLE. All calls may be repeated.
    """

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = BridgeServiceStub(channel)
        self._deadline = deadline

    async def destinations(self, force: str) -> list[bridge_pb2.Destination]:
        """The force's destinations with their states, by name."""
        request = bridge_pb2.ListDestinationsRequest(force=force)
        response = await answer_of(self._stub.ListDestinations(request, timeout=self._deadline))
        return list(response.destinations)

    async def add(
        self, force: str, destination: bridge_pb2.DestinationSettings, purpose: Purpose
    ) -> bridge_pb2.Destination:
        """Add a destination. Raises InvalidInput DESTINATION_INVALID, AlreadyExists DESTINATION_EXISTS."""
        request = bridge_pb2.AddDestinationRequest(force=force, destination=destination, purpose=purpose)
        response = await answer_of(self._stub.AddDestination(request, timeout=self._deadline))
        return response.destination

    async def pause(self, force: str, destination: str, purpose: Purpose) -> bridge_pb2.Destination:
        """Pause delivery. Raises NotFound DESTINATION_UNKNOWN, Conflict DESTINATION_RETIRED."""
        request = bridge_pb2.PauseDestinationRequest(force=force, destination=destination, purpose=purpose)
        response = await answer_of(self._stub.PauseDestination(request, timeout=self._deadline))
        return response.destination

    async def resume(self, force: str, destination: str, purpose: Purpose) -> bridge_pb2.Destination:
        """Resume delivery after a pause or stop. Raises the same as `pause`."""
        request = bridge_pb2.ResumeDestinationRequest(force=force, destination=destination, purpose=purpose)
        response = await answer_of(self._stub.ResumeDestination(request, timeout=self._deadline))
        return response.destination

    async def retire(self, force: str, destination: str, purpose: Purpose) -> bridge_pb2.Destination:
        """Retire a destination. This cannot be undone. Raises NotFound DESTINATION_UNKNOWN."""
        request = bridge_pb2.RetireDestinationRequest(force=force, destination=destination, purpose=purpose)
        response = await answer_of(self._stub.RetireDestination(request, timeout=self._deadline))
        return response.destination

    async def receipt(self, force: str, destination: str, position: int) -> bridge_pb2.GetReceiptResponse:
        """The receipt that covers a read. Raises NotFound RECEIPT_ABSENT while it is not delivered."""
        request = bridge_pb2.GetReceiptRequest(force=force, destination=destination, position=position)
        return await answer_of(self._stub.GetReceipt(request, timeout=self._deadline))

    async def dead_letters(
        self, force: str, destination: str, purpose: Purpose, *, page_size: int = 0
    ) -> AsyncIterator[bridge_pb2.DeadLetter]:
        """Reads that the destination refused, newest first, page after page; each page is audited."""
        request = bridge_pb2.ListDeadLettersRequest(
            force=force, destination=destination, purpose=purpose, page_size=page_size
        )
        while True:
            page = await answer_of(self._stub.ListDeadLetters(request, timeout=self._deadline))
            for letter in page.dead_letters:
                yield letter
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
