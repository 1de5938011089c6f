"""Who is calling, as a real handshake proves it."""

from __future__ import annotations

import json

import grpc
import pytest

from chassis.access import Rule


async def test_a_service_is_known_by_its_uri(lab, echo):
    caller = await lab.caller(await lab.echo(echo))
    assert await caller.say("WhoAmI") == b"service ingest"


async def test_a_person_brings_forces(lab, echo):
    server = await lab.echo(echo)
    caller = await lab.caller(server, lab.authority.person("j.doe", "kent", "essex"))
    assert await caller.say("WhoAmI") == b"person j.doe essex,kent"


@pytest.mark.parametrize(
    ("uris", "dns"),
    [
        ((), ("localhost",)),
        (("https://example.org/service/ingest",), ("localhost",)),
        ((), ("localhost", "gantry://service/ingest")),
        (("gantry://service/ingest", "gantry://person/ingest"), ("localhost",)),
        (("gantry://service/ingest", "gantry://service/store"), ("localhost",)),
        (("gantry://service/",), ("localhost",)),
    ],
)
async def test_a_certificate_without_a_single_identity_gives_no_caller(lab, echo, uris, dns):
    server = await lab.echo(echo, Rule(anyone=True))
    caller = await lab.caller(server, lab.authority.issue("odd", *uris, dns=dns))
    assert await caller.say("WhoAmI") == b"none"


async def test_a_certificate_of_another_authority_is_refused_in_the_handshake(lab, echo, impostor):
    server = await lab.echo(echo)
    forged = impostor.service("ingest").model_copy(
        update={"authority": lab.authority.service("ingest").authority}
    )
    caller = await lab.caller(server, forged)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await caller.say("WhoAmI", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert echo.calls == 0


async def test_a_server_of_another_authority_is_refused_by_the_client(lab, echo, impostor):
    server = await lab.echo(echo)
    caller = await lab.caller(server, impostor.service("ingest"))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await caller.say("Say", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_people_have_a_port_of_their_own_where_one_is_set(lab, echo, tmp_path):
    settings = lab.settings(people_listen="127.0.0.1:0", port_file=tmp_path / "store.json")
    server = await lab.echo(echo, settings=settings)
    assert len({server.ports[name] for name in ("grpc", "people", "health")}) == 3
    assert json.loads((tmp_path / "store.json").read_text()) == server.ports
    caller = await lab.caller(server, lab.authority.person("j.doe", "kent"), port="people")
    assert await caller.say("WhoAmI") == b"person j.doe kent"
    anonymous = await lab.anonymous(server, port="people")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anonymous.say("WhoAmI", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_people_have_no_port_of_their_own_by_default(lab, echo):
    assert set((await lab.echo(echo)).ports) == {"grpc", "health"}
