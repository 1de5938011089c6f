"""A vendor finds out why there is no connection, and whether waiting helps."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest
from gantry.ingest.v1 import ingest_pb2 as pb
from gantry.ingest.v1.ingest_pb2_grpc import add_IngestServiceServicer_to_server
from gantry_sdk import (
    Backoff,
    Connection,
    FeedError,
    FeedUnavailable,
    Receipt,
    ServerNotTrusted,
    read,
    reason_name,
)
from gantry_sdk.trouble import Trouble

from suite.certificates import Authority
from tests.unit.sdk.test_stream import ScriptedServer

QUICK = Backoff(first=0.01, most=0.05)
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve(pki: Authority) -> AsyncIterator[Serve]:
    """Start a server with a certificate of `pki`, or without TLS; HOST:PORT."""
    running: list[grpc.aio.Server] = []

    async def start(port: int = 0, *, plain: bool = False) -> str:
        tls, server = pki.issue_service("ingest"), grpc.aio.server()
        add_IngestServiceServicer_to_server(ScriptedServer(), server)
        pair = tls.key.read_bytes(), tls.certificate.read_bytes()
        address = f"localhost:{port}"
        bound = (
            server.add_insecure_port(address)
            if plain
            else server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        )
        await server.start()
        running.append(server)
        return f"localhost:{bound}"

    yield start
    for server in running:
        await server.stop(None)


async def eventually(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not check():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "gantry_sdk" and record.module == "trouble" and record.levelno == logging.WARNING
    ]


def one() -> list[pb.SubmittedRead]:
    return [read(camera_id="c", read_id="1", captured_at=1, vrm="A1")]


async def failing(connection: Connection) -> FeedError:
    """The error of a stream that cannot connect, once it has tried several times."""
    errors: list[FeedError] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(keep_trying(connection, errors))
        await eventually(lambda: len(errors) >= 3)
        task.cancel()
    return errors[-1]


async def keep_trying(connection: Connection, errors: list[FeedError]) -> None:
    async with connection.feed("gf_x", backoff=QUICK).stream() as stream:
        await stream.send(one())
        while True:
            await eventually(lambda: stream.last_error not in {None, *errors})
            errors.append(stream.last_error)


async def test_a_wrong_authority_is_said_once_and_waiting_does_not_help(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    async with Connection(await serve(), authority=other.certificate) as connection:
        error = await failing(connection)
        with pytest.raises(ServerNotTrusted):
            await connection.feed("gf_x").submit(one(), seconds=60)
    assert isinstance(error, ServerNotTrusted)
    assert error.reason == "CERTIFICATE_NOT_TRUSTED"
    (said,) = warnings_of(caplog)
    assert "ask the force for its authority's current certificate" in said
    assert "Waiting will not mend this" in said


@pytest.mark.parametrize(
    ("plain", "name", "reason"),
    [(False, "elsewhere.example", "SERVER_NAME_WRONG"), (True, None, "NOT_TLS")],
)
async def test_other_servers_than_ours_are_distinguished(
    serve: Serve, pki: Authority, plain: bool, name: str | None, reason: str
) -> None:
    target = await serve(plain=plain)
    async with Connection(target, authority=pki.certificate, server_name=name) as connection:
        error = await failing(connection)
    assert isinstance(error, ServerNotTrusted)
    assert error.reason == reason


async def test_a_server_that_was_unavailable_is_used_again(
    serve: Serve, pki: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port, receipts = closed_port(), list[Receipt]()
    async with (
        Connection(f"localhost:{port}", authority=pki.certificate) as connection,
        connection.feed("gf_x", backoff=QUICK).stream(receipts.append) as stream,
    ):
        await stream.send(one())
        await eventually(lambda: stream.last_error is not None)
        error = stream.last_error
        await serve(port)
        await stream.drain()
        assert stream.last_error is None
    assert isinstance(error, FeedUnavailable)
    assert not isinstance(error, ServerNotTrusted)
    assert error.reason == "SERVER_UNREACHABLE"
    said = [record.getMessage() for record in caplog.records if record.name == "gantry_sdk"]
    assert len(said) == 2
    assert "Reads are kept and sent again" in said[0]
    assert said[1].endswith("connected again")
    assert receipts[0].accepted == 1


def test_a_cause_that_comes_and_goes_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    trouble = Trouble("gantry.example:7443", clock=lambda: now)
    away = FeedUnavailable(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "away")
    dead = FeedUnavailable(grpc.StatusCode.UNAVAILABLE, "SERVER_UNREACHABLE", "refused")
    for error in (away, away, dead, away):
        trouble.failed(error)
        trouble.over()
    assert len(warnings_of(caplog)) == 2
    now = 61.0
    trouble.over()
    trouble.failed(away)
    assert len(warnings_of(caplog)) == 3


def test_an_authority_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="certificate in PEM"):
        Connection("localhost:1", authority=b"not a certificate")


def test_reasons_have_names() -> None:
    empty = pb.Rejection(reason=pb.REJECTION_REASON_VRM_EMPTY)
    image = pb.Warning(reason=pb.WARNING_REASON_IMAGE_INVALID)
    assert (reason_name(empty), reason_name(image)) == ("VRM_EMPTY", "IMAGE_INVALID")
    assert reason_name(pb.Rejection(reason=999)) == "999", "a newer server's reason still can be told"
