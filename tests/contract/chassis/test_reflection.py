"""Reflection in both versions: all of it for a certificate, the public services alone for a feed's token."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from gantry.ingest.v1 import cameras_pb2_grpc, ingest_pb2_grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest as Request
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionResponse as Response

from chassis.access import Rule
from chassis.identity import Caller

NEW, OLD = "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"
PUBLIC = "gantry.ingest.v1.IngestService"
INTERNAL = "gantry.ingest.v1.CameraRegistryService"
TOKEN = {"metadata": (("authorization", "Bearer secret"),)}


class Tokens:
    def caller(self, token: str) -> Caller | None:
        return Caller("feed", "roadside", frozenset({"essex"})) if token == "secret" else None


class Ingest(ingest_pb2_grpc.IngestServiceServicer):
    async def StreamReads(self, request_iterator, context): ...

    async def SubmitReads(self, request, context): ...


class Registry(cameras_pb2_grpc.CameraRegistryServiceServicer):
    async def EnrolCameras(self, request, context): ...
    async def EnrolCanary(self, request, context): ...

    async def ListCameras(self, request, context): ...

    async def SetCameraEnabled(self, request, context): ...

    async def WatchCameras(self, request, context): ...


@pytest.fixture
async def server(lab):
    server = await lab.server(
        rules={f"{PUBLIC}/SubmitReads": Rule(feeds=True), f"{PUBLIC}/StreamReads": Rule(feeds=True)},
        feeds=Tokens(),
    )
    server.add(ingest_pb2_grpc.add_IngestServiceServicer_to_server, Ingest(), service=PUBLIC, public=True)
    server.add(cameras_pb2_grpc.add_CameraRegistryServiceServicer_to_server, Registry(), service=INTERNAL)
    server.add_port_public("127.0.0.1:0")
    await server.start()
    return server


async def _ask(caller: Any, service: str, *requests: Request, **options: Any) -> list[Response]:
    method = f"/{service}/ServerReflectionInfo"
    call = caller.channel.stream_stream(method, Request.SerializeToString, Response.FromString)
    return [answer async for answer in call(iter(requests), timeout=5, **options)]


async def _listed(caller: Any, service: str, **options: Any) -> set[str]:
    [answer] = await _ask(caller, service, Request(list_services=""), **options)
    return {one.name for one in answer.list_services_response.service}


async def _pool(caller: Any, service: str, symbol: str, **options: Any) -> DescriptorPool:
    """What a tool knows after it has asked for a symbol: files come before those that import them."""
    [answer] = await _ask(caller, service, Request(file_containing_symbol=symbol), **options)
    assert not answer.HasField("error_response"), answer
    files = [
        FileDescriptorProto.FromString(file) for file in answer.file_descriptor_response.file_descriptor_proto
    ]
    pool, waiting = DescriptorPool(), {file.name: file for file in files}

    def add(name: str) -> None:
        file = waiting.pop(name, None)
        for imported in file.dependency if file else ():
            add(imported)
        if file:
            pool.Add(file)

    for name in list(waiting):
        add(name)
    return pool


@pytest.mark.parametrize("version", [NEW, OLD])
async def test_a_certificate_sees_every_service(lab, server, version):
    caller = await lab.caller(server)
    assert await _listed(caller, version) == {PUBLIC, INTERNAL, NEW, OLD}
    pool = await _pool(caller, version, INTERNAL)
    assert pool.FindServiceByName(INTERNAL).FindMethodByName("EnrolCameras")


@pytest.mark.parametrize("version", [NEW, OLD])
async def test_a_token_sees_the_public_service_whole_and_nothing_else(lab, server, version):
    caller = await lab.anonymous(server)
    assert await _listed(caller, version, **TOKEN) == {PUBLIC, NEW, OLD}
    pool = await _pool(caller, version, PUBLIC, **TOKEN)
    read = pool.FindServiceByName(PUBLIC).FindMethodByName("SubmitReads").input_type.fields_by_name["reads"]
    assert read.message_type.fields_by_name["captured_at"].message_type.name == "Timestamp"
    for hidden in (INTERNAL, "gantry.store.v1.ReadLogService"):
        [answer] = await _ask(caller, version, Request(file_containing_symbol=hidden), **TOKEN)
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    [answer] = await _ask(
        caller, version, Request(file_by_filename="gantry/ingest/v1/cameras.proto"), **TOKEN
    )
    assert answer.HasField("error_response")


@pytest.mark.parametrize("version", [NEW, OLD])
@pytest.mark.parametrize("symbol", [NEW, OLD, "google.rpc.ErrorInfo"])
async def test_a_tool_can_learn_reflection_itself_and_the_details_of_errors(lab, server, version, symbol):
    pool = await _pool(await lab.anonymous(server), version, symbol, **TOKEN)
    if "reflection" not in symbol:
        assert pool.FindMessageTypeByName(symbol).fields_by_name["reason"]
        return
    method = pool.FindServiceByName(symbol).FindMethodByName("ServerReflectionInfo")
    package = symbol.rpartition(".")[0]
    assert method.input_type.full_name == f"{package}.ServerReflectionRequest"
    assert method.output_type.fields_by_name["error_response"].message_type.full_name.startswith(package)


@pytest.mark.parametrize("version", [NEW, OLD])
async def test_a_tool_may_ask_by_the_name_of_a_method(lab, server, version):
    caller = await lab.anonymous(server)
    assert (await _pool(caller, version, f"{PUBLIC}.SubmitReads", **TOKEN)).FindServiceByName(PUBLIC)
    for unknown in (f"{PUBLIC}.Other", f"{INTERNAL}.EnrolCameras", "SubmitReads"):
        [answer] = await _ask(caller, version, Request(file_containing_symbol=unknown), **TOKEN)
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize("method", ["/gantry.store.v1.SearchService/SearchReads", f"/{PUBLIC}/Other"])
async def test_a_call_that_there_is_not_is_refused_in_words(lab, server, method):
    channel = (await lab.anonymous(server)).channel
    calls = (
        channel.unary_unary(method)(b"never read" * 100_000, timeout=5),
        channel.stream_unary(method)(iter([b"never read"]), timeout=5),
    )
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError, match="this port has no such call; check") as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("version", [NEW, OLD])
async def test_without_a_token_nothing_is_told(lab, server, faults, version):
    caller = await lab.anonymous(server)
    for options, reason in (({}, "TOKEN_MISSING"), (_bearer("other"), "TOKEN_UNKNOWN")):
        async with faults() as found:
            await _listed(caller, version, **options)
        assert (found[0].status, found[0].reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)


@pytest.mark.parametrize("version", [NEW, OLD])
async def test_a_server_without_a_public_service_takes_no_token(lab, echo, faults, version):
    server = await lab.server()
    server.add_port_public("127.0.0.1:0")
    await server.start()
    async with faults() as found:
        await _listed(await lab.anonymous(server), version, **TOKEN)
    assert found[0].status is grpc.StatusCode.PERMISSION_DENIED


def _bearer(token: str) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {token}"),)}
