"""One delivery is one call: the line decides whether and when it is repeated."""

from typing import Any

import pytest
from gantry.nas.v1.nas_pb2 import SubmitReadsRequest
from gantry.nas.v1.nas_pb2_grpc import NationalAnprServiceServicer, add_NationalAnprServiceServicer_to_server

from chassis.errors import Unavailable
from chassis.server import grpc_server
from chassis.settings import ServiceSettings
from policy.access import rules
from services.nas_bridge.destinations.adapter import DeliveryFailedError, Submission
from services.nas_bridge.destinations.destination import DestinationSettings
from services.nas_bridge.destinations.nas import NasDestination
from suite.certificates import Authority
from tests.unit.nas_bridge.reads import make_append


class Unwilling(NationalAnprServiceServicer):
    """A national service that takes nothing."""

    def __init__(self) -> None:
        self.calls = 0

    async def SubmitReads(self, request: SubmitReadsRequest, context: Any) -> Any:
        self.calls += 1
        raise Unavailable("AWAY", "come back", retry_after=7)


async def test_a_submission_that_nas_does_not_take_is_one_call(pki: Authority) -> None:
    nas = Unwilling()
    service = "gantry.nas.v1.NationalAnprService"
    async with grpc_server(ServiceSettings(tls=pki.issue_service("nas")), rules(service)) as server:
        server.add(add_NationalAnprServiceServicer_to_server, nas, service=service)
        await server.start()
        target = f"127.0.0.1:{server.ports['grpc']}"
        settings = DestinationSettings("nas", "nas", {"target": target})
        async with NasDestination.open(settings, pki.issue_service("nas_bridge")) as destination:
            with pytest.raises(DeliveryFailedError, match="NAS answered UNAVAILABLE") as raised:
                await destination.deliver(Submission("essex", "s1", [make_append(1, 1)]))
    assert (nas.calls, raised.value.retry_after) == (1, 7)
