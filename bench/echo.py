"""A bare grpc.aio server that parses single reads and acknowledges each: the floor under ingest's cost.

``python -m bench.echo CERTIFICATE KEY`` serves StreamReads over TLS on a free port, and prints the port.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import psutil
import uvloop
from gantry.ingest.v1.ingest_pb2 import BatchAck, FlowControl, StreamReadsRequest, StreamReadsResponse

from bench.generator import FeedPlan, Plan
from bench.reads import camera_ids
from bench.sending import CAMERAS_A_FEED, generate
from suite.suite import Suite

STREAMS: Final = 1_000
FEEDS: Final = 20
_FLOW: Final = FlowControl(max_batch_reads=1_000, max_batch_bytes=1 << 20, max_reads_in_flight=1_000)


@dataclass(frozen=True)
class _Served:
    process: psutil.Process
    port: int


async def echo_cpu(suite: Suite, seconds: float, streams: int = STREAMS) -> float:
    """Microseconds of processor time of the echo server a message, as many streams sending as with ingest."""
    tls = suite.authority.issue_service("bench-echo")
    async with _serving(tls.certificate, tls.key) as served:
        names = [f"echo-{number}" for number in range(FEEDS)]
        plan = Plan(
            mode="single",
            target=f"127.0.0.1:{served.port}",
            authority=str(suite.authority.certificate),
            feeds=[FeedPlan(name, "no-token", camera_ids(name, CAMERAS_A_FEED)) for name in names],
            seconds=seconds,
            streams=streams,
        )
        before = _cpu_seconds(served.process)
        outcome = await generate(plan)
        return (_cpu_seconds(served.process) - before) / outcome.acked * 1e6


@asynccontextmanager
async def _serving(certificate: Path, key: Path) -> AsyncIterator[_Served]:
    command = (sys.executable, "-m", "bench.echo", str(certificate), str(key))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield _Served(psutil.Process(process.pid), int(await process.stdout.readline()))
    finally:
        process.terminate()
        await process.wait()


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _stream_reads(_: object, context: Any) -> None:
    await context.write(StreamReadsResponse(flow_control=_FLOW))
    while (message := await context.read()) is not grpc.aio.EOF:
        request = StreamReadsRequest.FromString(message)
        ack = BatchAck(sequence=request.sequence, accepted=len(request.reads))
        await context.write(StreamReadsResponse(ack=ack))


async def _serve(credentials: grpc.ServerCredentials) -> None:
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        _stream_reads, response_serializer=StreamReadsResponse.SerializeToString
    )
    service = grpc.method_handlers_generic_handler("gantry.ingest.v1.IngestService", {"StreamReads": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(None)


def main() -> None:
    """Serve until SIGTERM."""
    # The same settings as in services: the collector passes over objects that stay.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    certificate, key = (Path(argument).read_bytes() for argument in sys.argv[1:])
    uvloop.run(_serve(grpc.ssl_server_credentials([(key, certificate)])))


if __name__ == "__main__":
    main()
