"""One delivery is one call: whether and when it is repeated is for the forwarder to say."""

from typing import Any

import pytest
from gantry.nas.v1.nas_pb2 import SubmitReadsRequest
from gantry.nas.v1.nas_pb2_grpc import NationalAnprServiceServicer, add_NationalAnprServiceServicer_to_server

from chassis.errors import Unavailable
from chassis.server import grpc_server
from chassis.settings import ServiceSettings
from services.nas_bridge.destination import DestinationAwayError, Submission
from services.nas_bridge.destinations.nas import NasDestination
from services.nas_bridge.settings import DestinationSettings
from suite.certificates import Authority
from tests.unit.nas_bridge.reads import make_columns


class Away(NationalAnprServiceServicer):
    """A national service that takes nothing."""

    def __init__(self) -> None:
        self.calls = 0

    async def SubmitReads(self, request: SubmitReadsRequest, context: Any) -> Any:
        self.calls += 1
        raise Unavailable("AWAY", "come back", retry_after=7)


async def test_a_submission_that_nas_does_not_take_is_one_call(pki: Authority) -> None:
    nas = Away()
    async with grpc_server(ServiceSettings(tls=pki.issue_service("nas"))) as server:
        server.add(
            add_NationalAnprServiceServicer_to_server,
            nas,
            service="gantry.nas.v1.NationalAnprService",
            callers=["nas_bridge"],
        )
        await server.start()
        target = f"127.0.0.1:{server.ports['grpc']}"
        settings = DestinationSettings(name="nas", adapter="nas", target=target)  # type: ignore[call-arg]
        async with NasDestination.open(settings, pki.issue_service("nas_bridge")) as destination:
            with pytest.raises(DestinationAwayError, match="NAS answered UNAVAILABLE") as raised:
                await destination.deliver(Submission("essex", "s1", [make_columns(["r1"])]))
    assert (nas.calls, raised.value.retry_after) == (1, 7)
