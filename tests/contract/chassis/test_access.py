"""Who may call is data, closed by default. Headers are judged, then the message, then the handler runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.access import ANY_SERVICE, AuditRule, Rule
from chassis.errors import Exhausted, InvalidInput, NotFound, Unavailable, fault_from
from chassis.identity import Caller, caller_of

INGEST = Rule(services=frozenset({"ingest"}))
PEOPLE = Rule(people=True, permission="things.do")
FEEDS = Rule(feeds=True, force_of_token=True)
ALL_KINDS = ["Say", "Count", "Join", "Both"]


def _forces(message: bytes) -> list[str]:
    """The test's messages are "FORCE FORCE/PURPOSE"."""
    found = message.decode().partition("/")[0].split()
    if not found:
        raise InvalidInput("FORCE_INVALID", "name a force", field="force")
    return found


def _purpose(message: bytes) -> str:
    purpose = message.decode().partition("/")[2]
    if not purpose:
        raise InvalidInput("PURPOSE_REQUIRED", "say why", field="purpose")
    return purpose


LOOK = Rule(
    services=frozenset({"match"}),
    people=True,
    permission="things.look",
    forces=_forces,
    purpose=_purpose,
    audit=AuditRule(7, lambda message: f"message {message.decode()}"),
)


class Trail:
    """Keeps audit records; fails on request."""

    def __init__(self) -> None:
        self.records: list[tuple[Any, ...]] = []
        self.failure: BaseException | None = None
        self.told: Callable[[], None] = lambda: None

    async def record(self, *record: Any) -> None:
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(0)
        self.told()
        self.records.append(record)


class Tokens:
    """Has one feed."""

    def caller(self, token: str) -> Caller | None:
        return Caller("feed", "roadside", frozenset({"essex"})) if token == "secret" else None


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def call() -> Callable[..., Any]:
    """Call any method with one message, and get the last message of the answer."""

    async def make(caller: Any, method: str, message: bytes = b"x", **options: Any) -> bytes:
        options.setdefault("timeout", 5)
        name = "/gantry.test.v1.EchoService/" + method
        match method:
            case "Count" | "Follow":
                parts = [part async for part in caller.channel.unary_stream(name)(message, **options)]
                return parts[-1] if parts else b""
            case "Join":
                return await caller.channel.stream_unary(name)(iter([message, message]), **options)
            case "Both":
                stream = caller.channel.stream_stream(name)(iter([message]), **options)
                return [part async for part in stream][-1]
        return await caller.channel.unary_unary(name)(message, **options)

    return make


async def _services(caller):
    stub = reflection_pb2_grpc.ServerReflectionStub(caller.channel)
    call = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
    )
    answers = [answer async for answer in call]
    return [service.name for service in answers[0].list_services_response.service]


def _bearer(token: str) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {token}"),)}


async def test_a_named_service_gets_in_and_an_impostor_does_not(lab, echo, faults):
    server = await lab.echo(echo, INGEST)
    assert await (await lab.caller(server)).say("Say", b"hello") == b"hello"
    impostor = await lab.caller(server, lab.authority.service("match"))
    async with faults() as found:
        await impostor.say("Say")
    assert (found[0].status, found[0].reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")
    assert echo.calls == 1


@pytest.mark.parametrize("name", ["ingest", ANY_SERVICE, "person"])
async def test_a_person_is_never_taken_for_a_service_nor_a_service_for_a_person(lab, echo, faults, name):
    person = lab.authority.person(name.replace("*", "star"))
    for rule, tls in ((INGEST, person), (PEOPLE, lab.authority.issue("odd", f"gantry://service/{name}"))):
        caller = await lab.caller(await lab.echo(type(echo)(), rule), tls)
        async with faults() as found:
            await caller.say("Say")
        assert found[0].reason == "CALLER_NOT_ALLOWED"


@pytest.mark.parametrize("method", ALL_KINDS)
async def test_an_rpc_without_a_rule_is_closed_to_all(lab, echo, faults, call, method):
    server = await lab.echo(echo, {})
    for tls in (lab.authority.service("ingest"), lab.authority.person("j.doe", "essex")):
        async with faults() as found:
            await call(await lab.caller(server, tls), method)
        assert found[0].reason == "CALLER_NOT_ALLOWED"


@pytest.mark.parametrize("method", ALL_KINDS)
async def test_every_kind_of_rpc_is_guarded_and_served(lab, echo, faults, call, method):
    server = await lab.echo(echo, INGEST)
    assert await call(await lab.caller(server), method, b"1")
    async with faults() as found:
        await call(await lab.caller(server, lab.authority.service("match")), method, b"1")
    assert found[0].reason == "CALLER_NOT_ALLOWED"


async def test_a_person_needs_the_permission(lab, echo, faults):
    asked = []

    def permits(caller: Caller, permission: str) -> bool:
        asked.append((caller.name, permission))
        return caller.name == "chief"

    rule = Rule(people=True, permission="things.do", permits=permits)
    server = await lab.echo(echo, rule)
    assert await (await lab.caller(server, lab.authority.person("chief"))).say("Say", b"x") == b"x"
    async with faults() as found:
        await (await lab.caller(server, lab.authority.person("j.doe"))).say("Say")
    assert found[0].reason == "CALLER_NOT_ALLOWED"
    assert asked == [("chief", "things.do"), ("j.doe", "things.do")]


# The force, the purpose and the audit record.


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        (b"/why", "FORCE_INVALID", "force"),
        (b"kent/why", "FORCE_NOT_PERMITTED", "force"),
        (b"essex kent/why", "FORCE_NOT_PERMITTED", "force"),
        (b"essex/", "PURPOSE_REQUIRED", "purpose"),
    ],
)
@pytest.mark.parametrize("method", ALL_KINDS)
async def test_the_message_is_judged_before_the_handler(
    lab, echo, faults, call, trail, method, message, reason, field
):
    server = await lab.echo(echo, LOOK, auditor=trail)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex"))
    async with faults() as found:
        await call(caller, method, message)
    assert (found[0].reason, found[0].field) == (reason, field)
    assert (echo.calls, echo.generators_closed, trail.records) == (0, 0, [])


async def test_a_service_may_ask_for_every_force_without_a_purpose_and_leaves_no_record(lab, echo, trail):
    server = await lab.echo(echo, LOOK, auditor=trail)
    caller = await lab.caller(server, lab.authority.service("match"))
    assert await caller.say("Say", b"kent") == b"kent"
    assert trail.records == []


@pytest.mark.parametrize("method", ["Say", "Join"])
async def test_the_record_is_written_before_the_handler_runs_and_once_a_force(lab, echo, call, trail, method):
    calls_at_record = []
    trail.told = lambda: calls_at_record.append(echo.calls)
    server = await lab.echo(echo, LOOK, auditor=trail)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex", "kent"))
    await call(caller, method, b"essex kent essex/why")
    assert calls_at_record == [0, 0]
    assert trail.records == [
        (force, "j.doe", 7, "why", "message essex kent essex/why") for force in ("essex", "kent")
    ]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Unavailable("DATABASE_UNAVAILABLE", "away", retry_after=9), "AUDIT_UNAVAILABLE"),
        (Exhausted("STORAGE_FULL", "full"), "AUDIT_UNAVAILABLE"),
        (InvalidInput("PERSON_INVALID", "no such person"), "PERSON_INVALID"),
        (NotFound("FORCE_UNKNOWN", "no such force"), "FORCE_UNKNOWN"),
        (KeyError("AB12CDE"), "INTERNAL"),
    ],
)
@pytest.mark.parametrize("method", ["Say", "Count"])
async def test_without_a_record_the_handler_never_runs(
    lab, echo, faults, call, trail, method, failure, reason
):
    trail.failure = failure
    server = await lab.echo(echo, LOOK, auditor=trail)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex"))
    async with faults() as found:
        await call(caller, method, b"essex/why")
    assert found[0].reason == reason
    assert (echo.calls, echo.generators_closed) == (0, 0)
    if reason == "AUDIT_UNAVAILABLE":
        assert found[0].status is grpc.StatusCode.UNAVAILABLE
        assert found[0].retry_after == (getattr(failure, "retry_after", None) or 1.0)


async def test_a_force_that_is_not_known_is_refused_after_the_permission(lab, echo, faults, trail):
    async def known(force: str) -> bool:
        return force == "essex"

    server = await lab.echo(echo, LOOK, auditor=trail, known_force=known)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex", "kent"))
    assert await caller.say("Say", b"essex/why") == b"essex/why"
    for message, reason in ((b"kent/why", "FORCE_UNKNOWN"), (b"met/why", "FORCE_NOT_PERMITTED")):
        async with faults() as found:
            await caller.say("Say", message)
        assert found[0].reason == reason
    service = await lab.caller(server, lab.authority.service("match"))
    async with faults() as found:
        await service.say("Say", b"kent")
    assert (found[0].status, found[0].reason) == (grpc.StatusCode.NOT_FOUND, "FORCE_UNKNOWN")


async def test_a_call_that_creates_a_force_may_name_one_that_is_not_known(lab, echo):
    async def known(_: str) -> bool:
        return False

    rule = Rule(people=True, forces=_forces, force_is_new=True)
    server = await lab.echo(echo, rule, known_force=known)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex"))
    assert await caller.say("Say", b"essex") == b"essex"


@pytest.mark.parametrize(
    ("rule", "lacks"), [(FEEDS, "feeds=..."), (LOOK, "auditor=..."), (Rule(audit=LOOK.audit), "auditor=...")]
)
async def test_a_server_without_the_means_for_a_rule_does_not_start(lab, echo, rule, lacks):
    with pytest.raises(ValueError, match="so the server needs") as raised:
        await lab.echo(echo, rule)
    assert lacks in str(raised.value)


async def test_an_audited_rpc_without_a_force_does_not_start(lab, echo, trail):
    with pytest.raises(ValueError, match="where the force is"):
        await lab.echo(echo, Rule(people=True, audit=LOOK.audit), auditor=trail)


# Feeds.


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (_bearer("secret"), b"feed roadside essex"),
        ({"metadata": (("authorization", "bearer  secret "),)}, b"feed roadside essex"),
        (_bearer("other"), "TOKEN_UNKNOWN"),
        (_bearer(""), "TOKEN_MISSING"),
        ({"metadata": (("authorization", "Basic secret"),)}, "TOKEN_MISSING"),
        ({}, "TOKEN_MISSING"),
    ],
)
@pytest.mark.parametrize("certified", [True, False])
async def test_a_feed_shows_its_token(lab, echo, faults, register, service_name, options, answer, certified):
    server = await lab.server(rules=FEEDS, feeds=Tokens())
    server.add(register, echo, service=service_name, public=True)
    server.add_port_public("127.0.0.1:0")
    await server.start()
    caller = await (lab.caller(server) if certified else lab.anonymous(server))
    if isinstance(answer, bytes):
        assert await caller.say("WhoAmI", **options) == answer
        return
    async with faults() as found:
        await caller.say("WhoAmI", **options)
    assert (found[0].status, found[0].reason) == (grpc.StatusCode.UNAUTHENTICATED, answer)


async def test_a_token_opens_nothing_that_feeds_may_not_call(lab, echo, faults):
    server = await lab.echo(echo, PEOPLE, feeds=Tokens())
    async with faults() as found:
        await (await lab.caller(server)).say("Say", **_bearer("secret"))
    assert found[0].reason == "CALLER_NOT_ALLOWED"


async def test_the_public_port_says_what_it_takes(lab, echo, faults, register, service_name):
    """A vendor has no certificate, and is not told of one that does not suffice."""
    server = await lab.server(rules=PEOPLE, feeds=Tokens())
    server.add(register, echo, service=service_name)
    server.add_port_public("127.0.0.1:0")
    await server.start()
    vendor, stranger = await lab.anonymous(server), await lab.caller(server, lab.authority.service("match"))
    for options in ({}, _bearer("secret")):
        async with faults() as found:
            await vendor.say("Say", **options)
        assert (found[0].reason, "token" in found[0].message) == ("CALLER_NOT_ALLOWED", True)
    async with faults() as found:
        await stranger.say("Say")
    assert (found[0].reason, "token" in found[0].message) == ("CALLER_NOT_ALLOWED", False)


async def test_the_public_port_lets_feeds_into_public_services_only(
    lab, echo, faults, register, service_name
):
    server = await lab.server(rules=FEEDS, feeds=Tokens())
    server.add(register, echo, service=service_name)
    server.add_port_public("127.0.0.1:0")
    await server.start()
    anonymous = await lab.anonymous(server)
    async with faults() as found:
        await anonymous.say("Say", **_bearer("secret"))
    assert found[0].reason == "CALLER_NOT_ALLOWED"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _services(anonymous)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


# Headers before bodies.


@pytest.mark.parametrize("method", ALL_KINDS)
async def test_a_caller_that_is_not_allowed_is_answered_before_it_sends_a_body(
    lab, echo, method, service_name
):
    server = await lab.echo(echo, INGEST)
    caller = await lab.caller(server, lab.authority.service("match"))
    call = caller.channel.stream_unary(f"/{service_name}/{method}")(timeout=5)
    began = time.monotonic()
    assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("method", ["Say", "Count"])
async def test_a_large_body_that_is_refused_is_refused_with_the_reason(lab, echo, faults, call, method):
    server = await lab.echo(echo, INGEST)
    caller = await lab.caller(server, lab.authority.service("match"))
    for _ in range(20):
        async with faults() as found:
            await call(caller, method, b"x" * 8_000_000)
        assert found[0].reason == "CALLER_NOT_ALLOWED"


@pytest.mark.parametrize("method", ALL_KINDS)
async def test_a_message_that_does_not_come_is_late(lab, echo, service_name, register, method, trail):
    server = await lab.server(lab.settings(message_seconds=0.2), LOOK, auditor=trail)
    server.add(register, echo, service=service_name)
    await server.start()
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex"))
    call = caller.channel.stream_stream(f"/{service_name}/{method}")(timeout=5)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert b"MESSAGE_LATE" in dict(await call.trailing_metadata())["grpc-status-details-bin"]
    assert (echo.calls, trail.records) == (0, [])


@pytest.mark.parametrize("method", ["Say", "Count"])
async def test_a_call_that_ends_without_its_message_is_malformed(lab, echo, service_name, method):
    caller = await lab.caller(await lab.echo(echo))
    call = caller.channel.stream_stream(f"/{service_name}/{method}")(iter([]), timeout=5)
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert echo.calls == 0


async def test_the_first_message_of_a_stream_reaches_the_handler_with_the_others(lab, echo, trail, call):
    server = await lab.echo(echo, LOOK, auditor=trail)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex"))
    assert await call(caller, "Join", b"essex/why") == b"essex/whyessex/why"
    assert await call(caller, "Both", b"essex/why") == b"ESSEX/WHY"


@pytest.mark.parametrize("of_handler", [True, False])
async def test_a_client_that_still_sends_when_it_is_refused_gets_the_reason(
    lab, echo, trail, service_name, of_handler
):
    server = await lab.echo(echo, LOOK, auditor=trail)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex"))
    echo.failure = lambda: InvalidInput("BROKEN", "the second message cannot be used")
    first = b"essex/why" if of_handler else b"kent/why"
    for _ in range(20):
        call = caller.channel.stream_unary(f"/{service_name}/Join")(
            iter([first] + [b"x" * 100_000] * 20), timeout=10
        )
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert fault_from(raised.value).reason == ("BROKEN" if of_handler else "FORCE_NOT_PERMITTED")


async def test_a_client_that_sends_without_end_is_cut_off(lab, echo, trail, service_name):
    async def without_end():
        while True:
            yield b"kent/why"
            await asyncio.sleep(0.01)

    server = await lab.echo(echo, LOOK, auditor=trail)
    caller = await lab.caller(server, lab.authority.person("j.doe", "essex"))
    began = time.monotonic()
    call = caller.channel.stream_unary(f"/{service_name}/Join")(without_end(), timeout=10)
    assert await call.code() in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INTERNAL}
    assert time.monotonic() - began < 5


# Reflection, and how services are added.


async def test_the_main_port_requires_a_certificate(lab, echo):
    anonymous = await lab.anonymous(await lab.echo(echo), "grpc")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anonymous.say("Say", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_without_client_certificates_the_main_port_asks_for_none(lab, echo, service_name):
    server = await lab.echo(echo, Rule(anyone=True), client_certificates=False)
    anonymous = await lab.anonymous(server, "grpc")
    assert await anonymous.say("Say", b"x", timeout=5) == b"x"
    assert service_name in await _services(anonymous)


async def test_reflection_lists_the_services_for_any_certificate(lab, echo, service_name):
    server = await lab.echo(echo, INGEST)
    person = await lab.caller(server, lab.authority.person("j.doe"))
    assert service_name in await _services(person)


async def test_a_raw_handler_is_guarded_too(lab, echo, faults, register, service_name):
    async def backwards(request, context):
        assert caller_of(context).name == "ingest"
        return request[::-1]

    server = await lab.server(rules=INGEST)
    server.add(register, echo, service=service_name)
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
        server.add(register, echo, service="gantry.test.v1.Wrong")


async def test_a_connection_is_closed_at_its_age_and_the_next_call_opens_another(
    lab, echo, register, service_name, until
):
    settings = lab.settings(max_connection_age_seconds=1, max_connection_grace_seconds=1)
    server = await lab.server(settings)
    server.add(register, echo, service=service_name)
    await server.start()
    echo.stopping = server.stopping
    caller = await lab.caller(server)
    stream = caller.listen("Follow")
    assert await stream.read() == b"begun"
    began = time.monotonic()
    assert await stream.code() is grpc.StatusCode.UNAVAILABLE
    assert 1 < time.monotonic() - began < 8
    assert await caller.say("Say", b"x", wait_for_ready=True, timeout=5) == b"x"
