"""Sending a file over real streams to an ingest that answers as the contract says."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from gantry.ingest.v1.ingest_pb2 import (
    REJECTION_REASON_VRM_EMPTY,
    BatchAck,
    FlowControl,
    Rejection,
    StreamReadsRequest,
    StreamReadsResponse,
)
from gantry.ingest.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server
from gantry_sdk import Connection, FeedRefused

from cli.replay.send import Job, send_file
from cli.replay.source import ReadFile
from cli.replay.tally import Tally
from cli.replay.times import Clock
from suite.certificates import Authority

HEADER = "force,camera_id,captured_at,vrm,read_id\n"


class FakeIngest(IngestServiceServicer):
    """Keeps identities; says duplicate to what it has, and refuses empty plates and unknown tokens."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, int]] = set()
        self.order: dict[str, list[str]] = {}
        self.tokens: Counter[str] = Counter()

    async def StreamReads(self, request_iterator: Any, context: Any) -> AsyncIterator[StreamReadsResponse]:
        token = dict(context.invocation_metadata())["authorization"].removeprefix("Bearer ")
        if token == "revoked":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no such token")
        flow = FlowControl(max_batch_reads=100, max_batch_bytes=1 << 20, max_reads_in_flight=1000)
        yield StreamReadsResponse(flow_control=flow)
        async for request in request_iterator:
            self.tokens[token] += len(request.reads)
            yield StreamReadsResponse(ack=self._judged(request))

    async def SubmitReads(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "streams only")

    def _judged(self, request: StreamReadsRequest) -> BatchAck:
        ack = BatchAck(sequence=request.sequence)
        for index, read in enumerate(request.reads):
            identity = (read.camera_id, read.read_id, read.captured_at.ToMicroseconds())
            if not read.vrm:
                refusal = Rejection(
                    index=index, reason=REJECTION_REASON_VRM_EMPTY, field="vrm", message="no plate"
                )
                ack.rejections.append(refusal)
            elif identity in self.seen:
                ack.duplicate += 1
            else:
                ack.accepted += 1
                self.seen.add(identity)
                self.order.setdefault(read.camera_id, []).append(read.read_id)
        return ack


@pytest.fixture
async def ingest(pki: Authority) -> AsyncIterator[tuple[FakeIngest, Connection]]:
    tls, fake = pki.issue_service("ingest"), FakeIngest()
    server = grpc.aio.server()
    add_IngestServiceServicer_to_server(fake, server)
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    async with Connection(f"localhost:{port}", authority=tls.authority) as connection:
        yield fake, connection
    await server.stop(0)


async def sent(
    path: Path, connection: Connection, tokens: dict[tuple[str, str], str], speed: float | None = None
) -> Tally:
    tally = Tally()
    with ReadFile(path, {}, None) as file:
        await send_file(connection, Job(file, Clock(), tokens, speed, tally))
    return tally


async def test_every_line_is_answered_and_a_camera_keeps_its_order(
    ingest: tuple[FakeIngest, Connection], tmp_path: Path
) -> None:
    fake, connection = ingest
    path = tmp_path / "reads.csv"
    rows = [f"{('essex', 'kent')[n % 2]},C{n % 10},{1_740_816_000 + n},AB12CDE,r{n}" for n in range(5000)]
    path.write_text(HEADER + "\n".join(rows))
    tokens = {(("essex", "kent")[n % 2], f"C{n}"): f"token-{n % 2}" for n in range(10)}
    tally = await sent(path, connection, tokens)
    assert (tally.lines, tally.sent, tally.accepted, tally.broken) == (5000, 5000, 5000, 0)
    assert fake.tokens == {"token-0": 2500, "token-1": 2500}
    assert fake.order["C3"] == [f"r{n}" for n in range(3, 5000, 10)]
    again = await sent(path, connection, tokens)
    assert (again.accepted, again.duplicate) == (0, 5000)


async def test_what_is_wrong_is_counted_and_named_by_line(
    ingest: tuple[FakeIngest, Connection], tmp_path: Path
) -> None:
    path = tmp_path / "reads.csv"
    lines = ["essex,C1,1740816000,AB12CDE,r1", "essex,C1,tomorrow,AB12CDE,r2", "essex,C1,1740816001,,r3"]
    lines += ["wales,C1,1740816002,AB12CDE,r4", "half a line", "essex,C1,1740816003,AB12CDE,r5"]
    path.write_text(HEADER + "\n".join(lines))
    tally = await sent(path, ingest[1], {("essex", "C1"): "token"})
    assert (tally.accepted, tally.rejected, tally.broken) == (2, Counter(VRM_EMPTY=1), 3)
    assert sorted((one.line, one.column) for one in tally.named) == [
        (3, "captured_at"),
        (4, "vrm"),
        (5, "force"),
        (6, ""),
    ]
    assert "AB12CDE" not in str(tally.as_json())


async def test_a_revoked_token_ends_it(ingest: tuple[FakeIngest, Connection], tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(HEADER + "essex,C1,1740816000,AB12CDE,r1\n")
    with pytest.raises(FeedRefused):
        await sent(path, ingest[1], {("essex", "C1"): "revoked"})


async def test_at_recorded_pace_reads_wait_for_their_time(
    ingest: tuple[FakeIngest, Connection], tmp_path: Path
) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(HEADER + "essex,C1,1740816000,A1,r1\nessex,C1,1740816010,A1,r2\n")
    begun = asyncio.get_running_loop().time()
    tally = await sent(path, ingest[1], {("essex", "C1"): "token"}, speed=50.0)
    assert tally.accepted == 2
    assert 0.2 <= asyncio.get_running_loop().time() - begun < 5.0
