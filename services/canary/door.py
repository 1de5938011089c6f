"""The public door of ingest, as a vendor's gateway uses it."""

from __future__ import annotations

import json
from typing import Final

import grpc
from gantry.ingest.v1.ingest_pb2 import BatchAck, SubmitReadsRequest, SubmittedRead
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceStub

from chassis.client import certified_name
from chassis.settings import TlsSettings
from clients.answer import answer_of

DEADLINE_SECONDS: Final = 10.0
_OPTIONS: Final = (
    # Each call connects anew, to any of the replicas: so the door's handshake is tried, too.
    ("grpc.use_local_subchannel_pool", 1),
    (
        "grpc.service_config",
        json.dumps({"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": True}}]}),
    ),
    ("grpc.enable_retries", 0),
    ("grpc.primary_user_agent", "gantry-canary"),
)


class Door:
    """Delivers reads with the token of a feed, and without a certificate."""

    def __init__(
        self, target: str, tls: TlsSettings, *, server_name: str | None, deadline: float = DEADLINE_SECONDS
    ) -> None:
        """`target` is HOST:PORT. Its certificate has to be for `server_name`, or for the host."""
        host = target.rpartition(":")[0]
        name = server_name or certified_name(host)
        self._target = target
        self._credentials = grpc.ssl_channel_credentials(tls.authority.read_bytes())
        self._options = (*_OPTIONS, *((("grpc.ssl_target_name_override", name),) if name != host else ()))
        self._deadline = deadline

    async def submit(self, token: str, read: SubmittedRead) -> BatchAck:
        """Deliver one read. Raises Fault, such as Unauthenticated TOKEN_UNKNOWN."""
        metadata = (("authorization", f"Bearer {token}"),)
        async with grpc.aio.secure_channel(self._target, self._credentials, self._options) as channel:
            call = IngestServiceStub(channel).SubmitReads(
                SubmitReadsRequest(reads=[read]), timeout=self._deadline, metadata=metadata
            )
            return (await answer_of(call)).ack
