"""Who may call is data, closed by default."""

from __future__ import annotations

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc


async def _services(caller):
    stub = reflection_pb2_grpc.ServerReflectionStub(caller.channel)
    call = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
    )
    answers = [answer async for answer in call]
    return [service.name for service in answers[0].list_services_response.service]


async def test_a_listed_service_gets_in_and_an_impostor_does_not(lab, echo, faults):
    server = await lab.echo(echo, callers=["ingest"])
    listed = await lab.caller(server)
    assert await listed.say("Say", b"hello") == b"hello"
    impostor = await lab.caller(server, lab.authority.service("match"))
    async with faults() as found:
        await impostor.say("Say")
    assert (found[0].status, found[0].reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")
    assert echo.calls == 1


async def test_a_person_named_like_a_service_is_still_a_person(lab, echo, faults):
    server = await lab.echo(echo, callers=["ingest"])
    person = await lab.caller(server, lab.authority.person("ingest"))
    async with faults() as found:
        await person.say("Say")
    assert found[0].reason == "CALLER_NOT_ALLOWED"


async def test_a_service_named_like_the_word_for_people_is_still_a_service(lab, echo, faults):
    server = await lab.echo(echo, callers=["person"])
    service = await lab.caller(server, lab.authority.service("person"))
    async with faults() as found:
        await service.say("Say")
    assert found[0].reason == "CALLER_NOT_ALLOWED"
    person = await lab.caller(server, lab.authority.person("j.doe"))
    assert await person.say("Say", b"x") == b"x"


@pytest.mark.parametrize("method", ["Count", "Follow"])
async def test_streams_are_guarded_too(lab, echo, faults, method):
    server = await lab.echo(echo, callers=["ingest"])
    impostor = await lab.caller(server, lab.authority.service("match"))
    async with faults() as found:
        _ = [part async for part in impostor.listen(method, b"3", timeout=5)]
    assert found[0].reason == "CALLER_NOT_ALLOWED"


async def test_the_public_port_answers_only_for_public_services(lab, echo, faults, register, service_name):
    server = await lab.server()
    server.add(register, echo, service=service_name, callers=["ingest"], public=True)
    server.add_port_public("127.0.0.1:0")
    await server.start()
    anonymous = await lab.anonymous(server)
    assert await anonymous.say("WhoAmI", timeout=5) == b"none"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _services(anonymous)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_other_services_refuse_on_the_public_port(lab, echo, faults, register, service_name):
    server = await lab.server()
    server.add(register, echo, service=service_name, callers=["*"])
    server.add_port_public("127.0.0.1:0")
    await server.start()
    anonymous = await lab.anonymous(server)
    async with faults() as found:
        await anonymous.say("Say", timeout=5)
    assert found[0].reason == "CALLER_NOT_ALLOWED"


async def test_the_main_port_wants_a_certificate(lab, echo):
    anonymous = await lab.anonymous(await lab.echo(echo), "grpc")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anonymous.say("Say", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_without_client_certificates_the_main_port_takes_anyone(lab, echo, register, service_name):
    server = await lab.server(client_certificates=False)
    server.add(register, echo, service=service_name, callers=None)
    await server.start()
    anonymous = await lab.anonymous(server, "grpc")
    assert await anonymous.say("Say", b"x", timeout=5) == b"x"
    assert service_name in await _services(anonymous)


async def test_reflection_lists_the_services_for_any_certificate(lab, echo, service_name):
    caller = await lab.caller(await lab.echo(echo, callers=["match"]))
    assert service_name in await _services(caller)


async def test_a_raw_method_takes_the_place_of_the_servicers_and_stays_guarded(
    lab, echo, faults, register, service_name
):
    async def backwards(request, context):
        return request[::-1]

    server = await lab.server()
    server.add(register, echo, service=service_name, callers=["ingest"])
    server.add_raw(service_name, "Say", grpc.unary_unary_rpc_method_handler(backwards))
    await server.start()
    assert await (await lab.caller(server)).say("Say", b"abc") == b"cba"
    impostor = await lab.caller(server, lab.authority.service("match"))
    async with faults() as found:
        await impostor.say("Say")
    assert found[0].reason == "CALLER_NOT_ALLOWED"


async def test_a_wrong_service_name_fails_at_once(lab, echo, register):
    server = await lab.server()
    with pytest.raises(ValueError, match=r"not gantry\.test\.v1\.Wrong"):
        server.add(register, echo, service="gantry.test.v1.Wrong", callers=None)


async def test_callers_can_be_listed_for_each_method(lab, echo, faults):
    server = await lab.echo(echo, callers={"Say": ["ingest"], "WhoAmI": ["person"]})
    ingest = await lab.caller(server)
    assert await ingest.say("Say", b"x") == b"x"
    for closed in ("WhoAmI", "Count"):
        async with faults() as found:
            if closed == "Count":
                _ = [part async for part in ingest.listen(closed, b"3", timeout=5)]
            else:
                await ingest.say(closed)
        assert found[-1].reason == "CALLER_NOT_ALLOWED"


async def test_listing_callers_for_a_method_that_is_not_there_fails_at_once(lab, echo):
    with pytest.raises(ValueError, match="Missing"):
        await lab.echo(echo, callers={"Missing": ["ingest"]})
