"""Both simulated services as a bridge and a tester meet them: doors by mutual TLS, control by HTTP."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.nas.v1.nas_pb2 import SubmitReadsRequest
from gantry.nas.v1.nas_pb2_grpc import NationalAnprServiceStub

from chassis.client import open_channel
from reads.columns import PLACE_UNKNOWN
from simulators.nadc.service import NADC, PATH
from simulators.nas.service import NAS
from simulators.national.options import Address, Options
from simulators.national.running import Service, running
from suite.certificates import Authority

READ = "<Read camera='c' id='{}' plate='AB12CDE' confidence='0.9' captured='2025-11-21T21:13:32.123456Z'/>"


def options(service: Service, folder: Path, pki: Authority) -> Options:
    tls, anywhere = pki.issue_service(service.name), Address("127.0.0.1", 0)
    return Options(folder / service.name, anywhere, anywhere, tls.certificate, tls.key, tls.authority)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def nas(tmp_path: Path, pki: Authority) -> AsyncIterator[dict[str, int]]:
    async with running(NAS, options(NAS, tmp_path, pki)) as ports:
        yield ports


@pytest.fixture
async def nadc(tmp_path: Path, pki: Authority) -> AsyncIterator[dict[str, int]]:
    async with running(NADC, options(NADC, tmp_path, pki)) as ports:
        yield ports


def submission(*read_ids: str, force: str = "essex", **columns: Any) -> SubmitReadsRequest:
    count = len(read_ids)
    filled = {
        "camera_ids": ["c"],
        "camera_indexes": [0] * count,
        "read_ids": read_ids,
        "captured_at_us": [5] * count,
        "vrms": ["AB12CDE"] * count,
        "confidences": [0.9] * count,
        "latitudes_e7": [PLACE_UNKNOWN] * count,
        "longitudes_e7": [PLACE_UNKNOWN] * count,
        **columns,
    }
    reads = [ReadColumns(**filled).SerializeToString()]
    return SubmitReadsRequest(force=force, submission_id="s", reads=reads)


async def test_nas_accepts_once_and_shows_it_on_the_control_port(
    nas: dict[str, int], pki: Authority, http: aiohttp.ClientSession
) -> None:
    async with open_channel(f"127.0.0.1:{nas['grpc']}", pki.issue_service("nas_bridge")) as channel:
        stub = NationalAnprServiceStub(channel)
        first = await stub.SubmitReads(submission("1", "2"))
        second = await stub.SubmitReads(submission("2", "3", plate_patches=[b"p", b""]))
    assert (first.accepted, first.duplicate) == (2, 0)
    assert (second.accepted, second.duplicate) == (1, 1)
    assert first.receipt_id != second.receipt_id
    async with http.get(f"http://127.0.0.1:{nas['control']}/state") as response:
        state = await response.json()
    assert state["submissions"] == 2
    assert state["forces"]["essex"] == {
        "accepted": 3,
        "duplicate": 1,
        "refused": 0,
        "plate_patches": 1,
        "overviews": 0,
    }
    async with http.get(f"http://127.0.0.1:{nas['control']}/accepted") as response:
        assert await response.text() == "".join(f"essex\tc\t5\t{number}\n" for number in (1, 2, 3))


@pytest.mark.parametrize(
    "request_",
    [
        submission(),
        submission("1", force="ESSEX"),
        submission("1", camera_indexes=[]),
        submission("1", camera_indexes=[1]),
        submission("1", vrms=[]),
        submission("1", overviews=[b"a", b"b"]),
        SubmitReadsRequest(force="essex", submission_id="s", reads=[b"\xff"]),
    ],
)
async def test_nas_refuses_what_breaks_the_contract(
    nas: dict[str, int], pki: Authority, request_: SubmitReadsRequest
) -> None:
    async with open_channel(f"127.0.0.1:{nas['grpc']}", pki.issue_service("nas_bridge")) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await NationalAnprServiceStub(channel).SubmitReads(request_)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def post(http: aiohttp.ClientSession, port: int, body: bytes, tls: ssl.SSLContext) -> tuple[int, str]:
    url = f"https://127.0.0.1:{port}{PATH}"
    async with http.post(url, data=body, ssl=tls) as response:
        return response.status, await response.text()


def client_tls(pki: Authority) -> ssl.SSLContext:
    tls = pki.issue_service("nas_bridge")
    context = ssl.create_default_context(cafile=str(tls.authority))
    context.load_cert_chain(tls.certificate, tls.key)
    return context


async def test_nadc_answers_with_a_receipt_or_a_fault(
    nadc: dict[str, int], pki: Authority, http: aiohttp.ClientSession
) -> None:
    tls = client_tls(pki)
    batch = f"<ReadBatch name='b&amp;1' force='essex' count='2'>{READ.format(1)}{READ.format(2)}</ReadBatch>"
    status, receipt = await post(http, nadc["https"], batch.encode(), tls)
    assert status == 200
    assert 'accepted="2" duplicate="0" refused="0"' in receipt
    assert 'batch="b&amp;1"' in receipt
    status, fault = await post(http, nadc["https"], b"<html/>", tls)
    assert status == 400
    assert 'code="BATCH_INVALID"' in fault


async def test_nadc_takes_nothing_without_a_certificate(
    nadc: dict[str, int], pki: Authority, http: aiohttp.ClientSession
) -> None:
    stranger = ssl.create_default_context(cafile=str(pki.certificate))
    with pytest.raises(aiohttp.ClientError):
        await post(http, nadc["https"], b"<ReadBatch/>", stranger)


async def test_nadc_closes_the_connection_on_request(
    nadc: dict[str, int], pki: Authority, http: aiohttp.ClientSession
) -> None:
    control = f"http://127.0.0.1:{nadc['control']}"
    batch = f"<ReadBatch name='b' force='essex' count='1'>{READ.format(1)}</ReadBatch>".encode()
    for wish, accepted in (
        ({"away": True, "for_next": 1}, 0),
        ({"drop_after_accept": True, "for_next": 1}, 1),
    ):
        await http.post(f"{control}/behave", json=wish)
        with pytest.raises(aiohttp.ClientError):
            await post(http, nadc["https"], batch, client_tls(pki))
        async with http.get(f"{control}/state") as response:
            state = await response.json()
        assert state["forces"].get("essex", {"accepted": 0})["accepted"] == accepted


@pytest.mark.parametrize("body", ["{", "[]", '"away"', '{"dance": true}'])
async def test_the_control_surface_says_what_is_wrong(
    nas: dict[str, int], http: aiohttp.ClientSession, body: str
) -> None:
    async with http.post(f"http://127.0.0.1:{nas['control']}/behave", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]


async def run(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.nas", *arguments, stderr=asyncio.subprocess.PIPE, env=os.environ
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_the_command_line_writes_its_ports_and_ends_politely(tmp_path: Path, pki: Authority) -> None:
    given = options(NAS, tmp_path, pki)
    words = ["--state", given.state, "--certificate", given.certificate, "--key", given.key]
    words += ["--authority", given.authority, "--port-file", tmp_path / "ports.json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.nas", *map(str, words), env=os.environ
    )
    async with asyncio.timeout(60):
        while not (tmp_path / "ports.json").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
    assert set(json.loads((tmp_path / "ports.json").read_text())) == {"grpc", "control"}
    # One folder, one writer: a second simulator on it would forget what the first accepts.
    code, errors = await run(*map(str, words))
    assert (code, "another simulator" in errors) == (1, True)
    process.terminate()
    assert await process.wait() == 0


async def test_the_command_line_says_what_is_wrong() -> None:
    code, errors = await run("--listen", "here")
    assert code == 2
    assert "should be HOST:PORT" in errors
