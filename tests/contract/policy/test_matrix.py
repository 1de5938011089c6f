"""Every cell of the access matrix, called for real: each RPC of each contract by each kind of caller."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import pytest
from gantry.common.v1.access_pb2 import Access

from chassis.errors import Unavailable
from policy.access import matrix
from suite.certificates import Authority
from tests.contract.policy.building import FORCE, RPCS, SERVICES, TOKEN, Building, Rpc, serialised, verdict

PERSON = "j.doe"
AUDITED = [rpc for rpc in RPCS if rpc.rule.audit]
WITH_PURPOSE = [rpc for rpc in RPCS if rpc.rule.purpose_field]
FOR_PEOPLE = [rpc for rpc in RPCS if rpc.rule.people]
# The guard waits for the message of these; the door of the feeds takes its own.
WAITING = [rpc for rpc in RPCS if not rpc.method.client_streaming or rpc.rule.force_field]


def _closed(rule: Access) -> str:
    return "TOKEN_MISSING" if rule.feeds else "CALLER_NOT_ALLOWED"


def _for_service(rule: Access, name: str) -> str:
    return "OK" if {name, "*"} & {*rule.services} else _closed(rule)


def _for_person(rule: Access, *, of_force: bool) -> str:
    if not rule.people:
        return _closed(rule)
    return "OK" if of_force or rule.no_force else "FORCE_NOT_PERMITTED"


def _handled(building: Building) -> list[str]:
    return [event[1] for event in building.events if event[0] == "handler"]


async def _verdicts(channel: grpc.aio.Channel, **options: object) -> dict[str, str]:
    return {rpc.name: await verdict(channel, rpc, rpc.request(), **options) for rpc in RPCS}


def test_the_matrix_shows_every_rpc():
    assert {row.method for row in matrix()} == {rpc.name for rpc in RPCS}
    assert len(RPCS) > 35


@pytest.mark.parametrize("name", SERVICES)
async def test_each_service(building: Building, pki: Authority, name: str):
    channel = await building.certified(pki.issue_service(name))
    wanted = {rpc.name: _for_service(rpc.rule, name) for rpc in RPCS}
    assert await _verdicts(channel) == wanted
    assert _handled(building) == [method for method, reason in wanted.items() if reason == "OK"]
    assert not [event for event in building.events if event[0] == "record"]


@pytest.mark.parametrize(("forces", "of_force"), [([FORCE, "kent"], True), (["kent"], False), ([], False)])
async def test_each_person(building: Building, pki: Authority, forces: list[str], of_force: bool):
    channel = await building.certified(pki.issue_person(PERSON, forces))
    wanted = {rpc.name: _for_person(rpc.rule, of_force=of_force) for rpc in RPCS}
    assert await _verdicts(channel) == wanted
    assert _handled(building) == [method for method, reason in wanted.items() if reason == "OK"]


@pytest.mark.parametrize(
    ("token", "at_the_door"), [(TOKEN, "OK"), ("another", "TOKEN_UNKNOWN"), (None, "TOKEN_MISSING")]
)
async def test_callers_without_a_certificate(building: Building, token: str | None, at_the_door: str):
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    wanted = {rpc.name: at_the_door if rpc.rule.feeds else "CALLER_NOT_ALLOWED" for rpc in RPCS}
    assert await _verdicts(await building.anonymous(), metadata=metadata) == wanted
    assert _handled(building) == [method for method, reason in wanted.items() if reason == "OK"]


async def test_what_shows_reads_or_alerts_is_closed_while_a_restore_is_not_finished(
    building: Building, pki: Authority
):
    channel = await building.certified(pki.issue_person(PERSON, [FORCE]))
    building.restoration.open = False
    closed = {name for name, reason in (await _verdicts(channel)).items() if reason == "RESTORE_IN_PROGRESS"}
    assert closed == {rpc.name for rpc in RPCS if rpc.rule.closed_while_restoring}
    assert {name.rpartition(".")[2] for name in closed} == {
        "SearchService/SearchReads",
        "SearchService/GetRead",
        "SearchService/GetImage",
        "AlertService/Subscribe",
        "AlertService/ListAlerts",
        "AlertService/GetAlert",
        "AlertService/Acknowledge",
    }
    # Nothing is shown, so nothing is recorded.
    assert not {event[1] for event in building.events if event[0] == "handler"} & closed


async def test_impostors_are_refused_in_the_handshake(building: Building, pki: Authority, tmp_path: Path):
    impostor = Authority(tmp_path).issue_service("ingest")
    trusting = impostor.model_copy(update={"authority": pki.issue_service("ingest").authority})
    assert set((await _verdicts(await building.certified(trusting))).values()) == {"UNAVAILABLE"}
    assert building.events == []


# The message.


@pytest.mark.parametrize("rpc", FOR_PEOPLE, ids=lambda rpc: rpc.name)
async def test_the_record_of_a_person_comes_before_the_handler(building: Building, pki: Authority, rpc: Rpc):
    channel = await building.certified(pki.issue_person(PERSON, [FORCE]))
    request = rpc.request()
    assert await verdict(channel, rpc, request) == "OK"
    *records, (_, method, requests, caller) = building.events
    assert (method, requests, caller.name) == (rpc.name, [request], PERSON)
    if not rpc.rule.audit:
        assert records == []
        return
    (_, force, person, action, purpose, _subject) = records[0]
    assert (len(records), force, person, action) == (1, FORCE, PERSON, rpc.rule.audit)
    justification = purpose.justification if rpc.rule.purpose_field else purpose
    assert justification == ("Burglary in Colchester" if rpc.rule.purpose_field else None)


@pytest.mark.parametrize("rpc", AUDITED, ids=lambda rpc: rpc.name)
async def test_without_a_record_nothing_is_done(building: Building, pki: Authority, rpc: Rpc):
    building.audit_failure = Unavailable("DATABASE_UNAVAILABLE", "away")
    channel = await building.certified(pki.issue_person(PERSON, [FORCE]))
    assert await verdict(channel, rpc, rpc.request()) == "AUDIT_UNAVAILABLE"
    assert building.events == []


@pytest.mark.parametrize("rpc", WITH_PURPOSE, ids=lambda rpc: rpc.name)
async def test_without_a_purpose_nothing_is_done_and_nothing_recorded(
    building: Building, pki: Authority, rpc: Rpc
):
    channel = await building.certified(pki.issue_person(PERSON, [FORCE]))
    assert await verdict(channel, rpc, rpc.request(purpose=False)) == "PURPOSE_REQUIRED"
    assert building.events == []


@pytest.mark.parametrize("force", ["", "Essex", "essex,kent"])
async def test_what_is_no_code_of_a_force_is_refused(building: Building, pki: Authority, force: str):
    person = await building.certified(pki.issue_person(PERSON, [FORCE]))
    for rpc in (rpc for rpc in FOR_PEOPLE if rpc.rule.force_field):
        assert await verdict(person, rpc, rpc.request(force)) == "FORCE_INVALID", rpc.name
    assert building.events == []


async def test_each_of_several_forces_is_judged_and_recorded(building: Building, pki: Authority):
    (rpc,) = [rpc for rpc in RPCS if rpc.rule.force_field == "forces"]
    channel = await building.certified(pki.issue_person(PERSON, [FORCE, "kent"]))
    request = rpc.request()
    request.forces.extend(["kent", FORCE])
    assert await verdict(channel, rpc, request) == "OK"
    assert [event[1] for event in building.events if event[0] == "record"] == [FORCE, "kent"]
    building.events.clear()
    request.forces.append("met")
    assert await verdict(channel, rpc, request) == "FORCE_NOT_PERMITTED"
    del request.forces[:]
    assert await verdict(channel, rpc, request) == "FORCE_INVALID"
    assert building.events == []


async def test_the_first_message_of_a_stream_is_judged_and_the_handler_gets_all(
    building: Building, pki: Authority
):
    (rpc,) = [rpc for rpc in RPCS if rpc.method.client_streaming and rpc.rule.force_field]
    channel = await building.certified(pki.issue_person(PERSON, [FORCE]))
    header, chunk = rpc.request(), type(rpc.request())(chunk=b"vrm,reason")
    assert await verdict(channel, rpc, header, chunk, chunk) == "OK"
    assert building.events[-1][2] == [header, chunk, chunk]
    building.events.clear()
    assert await verdict(channel, rpc, chunk, header) == "FORCE_INVALID"
    assert await verdict(channel, rpc, rpc.request("kent"), chunk) == "FORCE_NOT_PERMITTED"
    assert building.events == []


# Headers before bodies.


async def test_refusals_do_not_wait_for_a_body(building: Building, pki: Authority):
    outsider = await building.certified(pki.issue_service("console"))
    refused = [rpc for rpc in RPCS if _for_service(rpc.rule, "console") != "OK"]
    began = time.monotonic()
    calls = [outsider.stream_stream(f"/{rpc.name}", serialised)(timeout=10) for rpc in refused]
    codes = {await call.code() for call in calls}
    assert codes == {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
    assert time.monotonic() - began < 5
    assert building.events == []


async def test_a_message_that_is_held_back_is_late(unstarted: Building, pki: Authority):
    await unstarted.start(message_seconds=0.3)
    callers = {
        "person": await unstarted.certified(pki.issue_person(PERSON, [FORCE])),
        "service": await unstarted.certified(pki.issue_service("nas_bridge")),
        "ingest": await unstarted.certified(pki.issue_service("ingest")),
        "canary": await unstarted.certified(pki.issue_service("canary")),
        "feed": await unstarted.anonymous(),
    }
    token = (("authorization", f"Bearer {TOKEN}"),)

    async def held(rpc: Rpc) -> bytes:
        kind = "feed" if rpc.rule.feeds else "person" if rpc.rule.people else "service"
        kind = next((name for name in ("ingest", "canary") if [*rpc.rule.services] == [name]), kind)
        call = callers[kind].stream_stream(f"/{rpc.name}")(
            timeout=10, metadata=token if kind == "feed" else None
        )
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED, rpc.name
        return dict(await call.trailing_metadata())["grpc-status-details-bin"]

    details = await asyncio.gather(*map(held, WAITING))
    assert all(b"MESSAGE_LATE" in each for each in details)
    assert unstarted.events == []
