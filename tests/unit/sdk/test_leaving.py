"""A program that ends says how many reads were not acknowledged, however it ends, and shows no traceback."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.ingest_pb2_grpc import add_IngestServiceServicer_to_server
from gantry_sdk import Connection, Receipt, read, reason_name, remark_text
from gantry_sdk.trouble import Trouble

from suite.certificates import Authority
from tests.unit.sdk.test_stream import ScriptedServer

PROGRAM = """
import asyncio, os, sys, threading
from pathlib import Path
import gantry_sdk
from gantry_sdk import Connection, StreamLimits, prepare, read

run = {"sdk": gantry_sdk.run, "asyncio": asyncio.run}[sys.argv[1]]

async def main():
    async with Connection(sys.argv[2], authority=Path(sys.argv[3])) as connection:
        feed = connection.feed("gf_x", limits=StreamLimits(unacknowledged_reads=5))
        async with feed.stream() as stream, feed.stream() as other:
            for number in range(3):
                made = read(camera_id="c", read_id=str(number), captured_at=1, vrm="A1")
                await stream.send([made])
                await other.send([made])
            print("sent", flush=True)
            if len(sys.argv) > 4:
                exec(sys.argv[4])
            sending = asyncio.create_task(stream.send(prepare([made] * 4)))
            await asyncio.sleep(0)
            print("waiting for room", flush=True)
            await sending

run(main())
"""
SAID = "6 reads were not acknowledged, and may not be stored. Sending again does no harm"
BLOCKED = "10 reads were not acknowledged"


@pytest.fixture
async def silent(pki: Authority) -> AsyncIterator[str]:
    """A server that takes reads and acknowledges none."""

    async def take(server: ScriptedServer, context: grpc.aio.ServicerContext) -> None:
        await server.welcome(context)
        await asyncio.Event().wait()

    tls, server = pki.issue_service("ingest"), grpc.aio.server()
    servicer = ScriptedServer()
    servicer.scripts = [take]
    add_IngestServiceServicer_to_server(servicer, server)
    pair = tls.key.read_bytes(), tls.certificate.read_bytes()
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    yield f"localhost:{port}"
    await server.stop(None)


@pytest.mark.parametrize(
    ("runner", "number", "code"),
    [
        ("sdk", signal.SIGINT, 130),
        ("sdk", signal.SIGTERM, 143),
        ("asyncio", signal.SIGTERM, -signal.SIGTERM),
    ],
)
async def test_a_program_that_is_told_to_stop_says_what_was_not_acknowledged(
    silent: str, pki: Authority, runner: str, number: signal.Signals, code: int
) -> None:
    child = await _started(runner, silent, pki.certificate)
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 20) == b"waiting for room\n"
    child.send_signal(number)
    _, said = await asyncio.wait_for(child.communicate(), 20)
    assert child.returncode == code
    assert said.decode().count("not acknowledged") == 1, said
    assert BLOCKED in said.decode()
    assert "Traceback" not in said.decode()


async def test_a_program_that_ends_by_itself_says_it_too(silent: str, pki: Authority) -> None:
    child = await _started("sdk", silent, pki.certificate, "sys.exit(3)")
    _, said = await asyncio.wait_for(child.communicate(), 20)
    assert SAID in said.decode()
    assert child.returncode == 3


async def test_a_second_signal_ends_the_program_at_once(silent: str, pki: Authority) -> None:
    program = (
        "import asyncio, gantry_sdk\n"
        "async def main():\n"
        "    while True:\n"
        "        try:\n"
        "            print('here', flush=True)\n"
        "            await asyncio.sleep(60)\n"
        "        except asyncio.CancelledError: pass\n"
        "gantry_sdk.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    for _ in range(2):
        assert await child.stdout.readline() == b"here\n"
        child.send_signal(signal.SIGTERM)
    await asyncio.wait_for(child.communicate(), 10)
    assert child.returncode == -signal.SIGTERM


async def test_nothing_is_said_when_everything_was_acknowledged(
    pki: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    tls, server = pki.issue_service("ingest"), grpc.aio.server()
    add_IngestServiceServicer_to_server(ScriptedServer(), server)
    pair = tls.key.read_bytes(), tls.certificate.read_bytes()
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    before = signal.getsignal(signal.SIGTERM)
    async with (
        Connection(f"localhost:{port}", authority=pki.certificate) as connection,
        connection.feed("gf_x").stream() as stream,
    ):
        await stream.send([read(camera_id="c", read_id="1", captured_at=1, vrm="A1")])
    await server.stop(None)
    assert "not acknowledged" not in caplog.text
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_program_without_receipts_learns_of_remarks_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    trouble = Trouble("gantry.example:1", clock=lambda: now[0])
    differs = pb.Warning(
        reason=pb.WARNING_REASON_DUPLICATE_DIFFERS, field="vrm", message="The first was kept."
    )
    newer = pb.Warning(reason=99, message="Something new.")  # type: ignore[arg-type]
    refused = pb.Rejection(reason=pb.REJECTION_REASON_VRM_NOT_READ, field="vrm", message="A word.")
    receipt = Receipt(None, 1, 0, 2, 1, 0, [refused], [differs, newer], 0.0)
    for at in (0.0, 30.0, 61.0):
        now[0] = at
        trouble.remarked(receipt)
    told = [
        "gantry.example:1: a read was refused: VRM_NOT_READ: vrm: A word.",
        "gantry.example:1: of a read that is stored: DUPLICATE_DIFFERS: vrm: The first was kept.",
        "gantry.example:1: of a read that is stored: 99: Something new.",
    ]
    assert [record.getMessage() for record in caplog.records] == told * 2


@pytest.mark.parametrize(
    ("remark", "text"),
    [
        (pb.Warning(reason=pb.WARNING_REASON_IMAGE_INVALID, field="overview"), "IMAGE_INVALID: overview"),
        (pb.Warning(reason=99), "99"),  # type: ignore[arg-type]
        (pb.Rejection(reason=99, field="vrm", message="So."), "99: vrm: So."),  # type: ignore[arg-type]
    ],
)
def test_a_remark_is_a_line_whatever_the_server_knows(remark: pb.Warning | pb.Rejection, text: str) -> None:
    assert remark_text(remark) == text
    assert text.startswith(reason_name(remark))


async def _started(runner: str, target: str, authority: Path, *ending: str) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PROGRAM, runner, target, str(authority), *ending),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 20) == b"sent\n"
    return child
