"""A server that hangs is noticed by the settings that vendors are told, and nothing that it held is lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gantry_sdk import Connection, Receipt, read

from suite.certificates import Authority

NOTICED_SECONDS = 20
SERVER = """
import asyncio, sys
from pathlib import Path
import grpc
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server

class Ingest(IngestServiceServicer):
    async def StreamReads(self, requests, context):
        flow = pb.FlowControl(max_batch_reads=100, max_batch_bytes=1 << 20, max_reads_in_flight=1000)
        yield pb.StreamReadsResponse(flow_control=flow)
        async for request in requests:
            ack = pb.BatchAck(sequence=request.sequence, accepted=len(request.reads))
            yield pb.StreamReadsResponse(ack=ack)

async def main():
    server = grpc.aio.server()
    add_IngestServiceServicer_to_server(Ingest(), server)
    key, certificate = (Path(one).read_bytes() for one in sys.argv[1:])
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, certificate)]))
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()

asyncio.run(main())
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, Path]]:
    """A process that takes reads, its address, and its authority."""
    authority = Authority(tmp_path / "pki")
    tls = authority.issue_service("ingest")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(tls.key), str(tls.certificate), stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    port = int(await asyncio.wait_for(child.stdout.readline(), 20))
    yield child, f"localhost:{port}", authority.certificate
    child.kill()
    await child.wait()


@pytest.mark.parametrize("sending", [False, True], ids=["idle", "sending"])
async def test_a_frozen_server_is_noticed(
    server: tuple[asyncio.subprocess.Process, str, Path], sending: bool
) -> None:
    child, target, authority = server
    receipts: list[Receipt] = []
    async with (
        Connection(target, authority=authority) as connection,
        connection.feed("gf_x").stream(receipts.append) as stream,
    ):
        await stream.wait_connected()
        child.send_signal(signal.SIGSTOP)
        frozen, sent = time.monotonic(), 0
        while stream.connected and time.monotonic() - frozen < 2 * NOTICED_SECONDS:
            if sending and sent < 500:
                await stream.send([read(camera_id="c", read_id=str(sent), captured_at=1, vrm="A1")])
                sent += 1
            await asyncio.sleep(0.05)
        took = time.monotonic() - frozen
        child.send_signal(signal.SIGCONT)
        assert took < NOTICED_SECONDS, f"{took:.1f} s, {stream.last_error}"
        assert stream.last_error is not None
        await asyncio.wait_for(stream.drain(), 60)
    assert sum(receipt.accepted for receipt in receipts) == sent
