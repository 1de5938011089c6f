"""The bridge's gRPC service, made of the handlers of its features."""

from __future__ import annotations

from gantry.bridge.v1.bridge_pb2_grpc import BridgeServiceServicer

from chassis.pages import PageTokens
from services.nas_bridge.destinations.service import DestinationHandlers
from services.nas_bridge.destinations.verbs import Destinations
from services.nas_bridge.receipts.records import Records
from services.nas_bridge.receipts.service import ReceiptHandlers


class BridgeService(DestinationHandlers, ReceiptHandlers, BridgeServiceServicer):
    """Each RPC is a method of the feature that it belongs to."""

    def __init__(self, destinations: Destinations, records: Records, pages: PageTokens) -> None:
        DestinationHandlers.__init__(self, destinations)
        ReceiptHandlers.__init__(self, records, pages)
