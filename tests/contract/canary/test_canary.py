"""The canary's own behaviour: what it sends, hears and counts as missed, and what it makes of trouble."""

from __future__ import annotations

import re

import pytest
from gantry.ingest.v1.ingest_pb2 import REJECTION_REASON_TIME_IN_FUTURE

from chassis.errors import Fault, Forbidden, NotFound, Unavailable
from reads.canary import CANARY, CANARY_VRM
from tests.contract.canary.conftest import Nest
from tests.e2e.waiting import eventually

AWAY = Unavailable("STORE_UNAVAILABLE", "the store is unavailable", retry_after=0.1)


async def test_canaries_of_each_force_are_heard(nest: Nest) -> None:
    await nest.start()
    await nest.until_heard()
    await nest.until("seconds_count essex", least=3)
    read = nest.world.taken[0]
    assert (read.camera_id, read.vrm) == (CANARY, CANARY_VRM)
    assert len({each.read_id for each in nest.world.taken}) == len(nest.world.taken)
    assert nest.world.prepared == {"essex", "kent"}
    assert nest.world.calls["EnrolCanary"] == 2
    assert nest.ports.keys() == {"health", "metrics"}, "it takes no calls"
    assert nest.said("canary missed") == []
    assert await nest.end() == 0
    assert not any(nest.world.watches.values())


async def test_it_is_ready_when_it_has_the_directory(nest: Nest) -> None:
    nest.world.speaks = False
    await nest.start()
    assert not await nest.ready()
    assert await nest.series() == {}
    nest.world.speaks = True
    await eventually(nest.ready, within=30, what="readiness")


async def test_series_begin_at_0(nest: Nest) -> None:
    await nest.start(EVERY_SECONDS=3600)
    await eventually(nest.ready, within=30, what="readiness")
    zeros = {
        f"{name} {force}" for name in ("sent_total", "heard_total", "missed") for force in ("essex", "kent")
    }
    assert await nest.series() == dict.fromkeys(zeros, 0.0)


@pytest.mark.parametrize(
    ("rpc", "fault", "cause"),
    [
        ("PrepareCanary", AWAY, "prepare STORE_UNAVAILABLE"),
        ("PrepareCanary", Forbidden("NOT_ALLOWED", "not for you"), "prepare NOT_ALLOWED"),
        ("EnrolCanary", NotFound("FORCE_UNKNOWN", "no such force"), "enrol FORCE_UNKNOWN"),
        ("SubmitReads", AWAY, "send STORE_UNAVAILABLE"),
        ("WatchCanary", AWAY, "watch STORE_UNAVAILABLE"),
    ],
)
async def test_whatever_fails_canaries_are_missed_until_it_works(
    nest: Nest, rpc: str, fault: Fault, cause: str
) -> None:
    nest.world.faults[rpc] = fault
    await nest.start()
    for force in ("essex", "kent"):
        await nest.until(f"missed {force}", least=4)
    told = nest.said("canary missed")
    assert sorted((line["force"], line["cause"]) for line in told) == [("essex", cause), ("kent", cause)]
    shown = await nest.series()
    assert shown["sent_total essex"] >= 4
    assert shown["heard_total essex"] == 0
    nest.world.faults.clear()
    await nest.until_heard()
    assert len(nest.said("canary heard again")) == 2


async def test_an_alert_that_does_not_come_is_missed(nest: Nest) -> None:
    await nest.start()
    await nest.until_heard()
    nest.world.deaf = True
    await nest.until("missed essex", least=3)
    assert {line["cause"] for line in nest.said("canary missed")} == {"no alert"}
    nest.world.deaf = False
    await nest.until_heard()


async def test_an_entry_that_is_gone_is_prepared_again(nest: Nest) -> None:
    await nest.start()
    await nest.until_heard()
    nest.world.prepared.clear()

    async def prepared() -> bool:
        return nest.world.prepared == {"essex", "kent"}

    await eventually(prepared, within=30, what="the entries")
    assert len(nest.said("canary missed")) == 2
    await nest.until_heard()


async def test_a_refused_token_is_replaced(nest: Nest) -> None:
    await nest.start()
    await nest.until_heard()
    before = nest.world.calls["EnrolCanary"]
    nest.world.tokens["essex"] = "another process has enrolled"
    heard = (await nest.series())["heard_total essex"]
    await nest.until("heard_total essex", least=heard + 3, within=60)
    assert nest.world.calls["EnrolCanary"] == before + 1


async def test_a_refused_read_is_missed(nest: Nest) -> None:
    nest.world.rejects = REJECTION_REASON_TIME_IN_FUTURE
    await nest.start()
    await nest.until("missed essex", least=2)
    assert {line["cause"] for line in nest.said("canary missed")} == {"send rejected TIME_IN_FUTURE"}
    assert nest.world.calls["EnrolCanary"] <= 4


async def test_a_watch_that_ends_is_begun_again(nest: Nest) -> None:
    await nest.start()
    await nest.until_heard()
    before = nest.world.calls["WatchCanary"]
    nest.world.break_watches()
    await eventually(lambda: _at_least(nest, "WatchCanary", before + 2), within=30, what="new watches")
    heard = (await nest.series())["heard_total essex"]
    await nest.until("heard_total essex", least=heard + 2)
    await nest.until_heard()


async def test_canaries_follow_the_directory(nest: Nest) -> None:
    await nest.start()
    await nest.until_heard()
    nest.world.retire("kent")
    nest.world.create("wye")

    async def followed() -> bool:
        forces = {series.split()[1] for series in await nest.series() if not series.startswith("seconds")}
        return forces == {"essex", "wye"}

    await eventually(followed, within=30, what="a canary of the new force alone")
    await nest.until("heard_total wye", least=1)
    sent = nest.world.taken_of("kent")
    heard = (await nest.series())["heard_total essex"]
    await nest.until("heard_total essex", least=heard + 3)
    assert nest.world.taken_of("kent") == sent
    assert not nest.world.watches["kent"]


async def test_the_log_has_no_plate_and_no_token(nest: Nest, tmp_path) -> None:
    nest.world.faults["SubmitReads"] = AWAY
    await nest.start()
    await nest.until("missed essex", least=2)
    await nest.end()
    text = (tmp_path / "canary.log").read_text()
    assert not re.search(rf'"{CANARY_VRM}"|token-', text)


async def _at_least(nest: Nest, rpc: str, count: int) -> bool:
    return nest.world.calls[rpc] >= count
