"""The canary's own behaviour: what it sends, hears and counts as missed, and what it makes of trouble."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gantry.ingest.v1.ingest_pb2 import REJECTION_REASON_TIME_IN_FUTURE

from chassis.errors import Fault, Forbidden, NotFound, Unavailable
from reads.canary import CANARY, CANARY_VRM
from tests.contract.canary.nest import Nest
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


async def test_it_is_ready_when_it_has_the_directory_and_series_begin_at_0(nest: Nest) -> None:
    nest.world.speaks = False
    await nest.start(EVERY_SECONDS=3600)
    assert not await nest.ready()
    assert await nest.series() == {}
    nest.world.speaks = True
    await eventually(nest.ready, within=30, what="readiness")
    zeros = {
        f"{name} {force}" for name in ("sent_total", "heard_total", "missed") for force in ("essex", "kent")
    }
    assert await nest.series() == dict.fromkeys(zeros, 0.0)


TROUBLES: Mapping[str, tuple[str, Fault, str]] = {
    "avon": ("PrepareCanary", AWAY, "prepare STORE_UNAVAILABLE"),
    "devon": ("PrepareCanary", Forbidden("NOT_ALLOWED", "not for you"), "prepare NOT_ALLOWED"),
    "exe": ("EnrolCanary", NotFound("FORCE_UNKNOWN", "no such force"), "enrol FORCE_UNKNOWN"),
    "fens": ("SubmitReads", AWAY, "send STORE_UNAVAILABLE"),
    "test": ("WatchCanary", AWAY, "watch STORE_UNAVAILABLE"),
}
"""What fails for a force, and the cause that is told."""
REFUSED, UNHEARD = "wight", "wye"


async def test_whatever_fails_canaries_are_missed_until_it_works(nest: Nest, tmp_path: Path) -> None:
    """Each of the new forces has another trouble. Meanwhile those of Essex and Kent are heard."""
    nest.world.faults = {(rpc, force): fault for force, (rpc, fault, _) in TROUBLES.items()}
    nest.world.rejects[REFUSED] = REJECTION_REASON_TIME_IN_FUTURE
    nest.world.deaf.add(UNHEARD)
    causes = {force: cause for force, (_, _, cause) in TROUBLES.items()}
    causes |= {REFUSED: "send rejected TIME_IN_FUTURE", UNHEARD: "no alert"}
    await nest.start()
    # The start of a process on a busy machine is no trouble of theirs.
    await nest.until_heard()
    before = await nest.series()
    for force in causes:
        nest.world.create(force)
    for force in causes:
        await nest.until(f"missed {force}", least=4)
    shown = await nest.series()
    assert all(shown[f"sent_total {force}"] >= 4 for force in causes)
    assert all(shown[f"heard_total {force}"] == 0 for force in causes)
    assert all(shown[f"heard_total {force}"] > before[f"heard_total {force}"] for force in ("essex", "kent"))
    told = [line for line in nest.said("canary missed") if line["force"] in causes]
    assert sorted((line["force"], line["cause"]) for line in told) == sorted(causes.items())
    nest.world.faults.clear()
    nest.world.rejects.clear()
    nest.world.deaf.clear()
    await nest.until_heard()
    again = {line["force"] for line in nest.said("canary heard again")}
    assert again >= causes.keys()
    await nest.end()
    text = (tmp_path / "canary.log").read_text()
    assert not re.search(rf'"{CANARY_VRM}"|token-', text), "no plate and no token"


async def test_an_entry_that_is_gone_is_prepared_again(nest: Nest) -> None:
    await nest.start()
    await nest.until_heard()
    nest.world.prepared.clear()

    async def prepared() -> bool:
        return nest.world.prepared == {"essex", "kent"}

    await eventually(prepared, within=30, what="the entries")
    told = nest.said("canary missed")
    # On a busy machine preparing may take so long that it is told, too.
    first = {line["force"]: line["cause"] for line in reversed(told)}
    assert first == {"essex": "no alert", "kent": "no alert"}
    await nest.until_heard()


async def test_a_refused_token_is_replaced(nest: Nest) -> None:
    # Long enough that no canary is given up while it enrols: the next one would enrol again.
    await nest.start(EVERY_SECONDS=1.5)
    await nest.until_heard()
    before = nest.world.calls["EnrolCanary"]
    nest.world.tokens["essex"] = "another process has enrolled"
    heard = (await nest.series())["heard_total essex"]
    await nest.until("heard_total essex", least=heard + 3)
    assert nest.world.calls["EnrolCanary"] == before + 1


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


async def _at_least(nest: Nest, rpc: str, count: int) -> bool:
    return nest.world.calls[rpc] >= count
