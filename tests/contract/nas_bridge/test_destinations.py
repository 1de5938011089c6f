"""Destinations are rows: verbs take effect within 5 seconds, at every replica, over restarts."""

import asyncio
import time
from typing import Any

import pytest
from gantry.bridge.v1 import bridge_pb2
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_CHANGE_DESTINATIONS
from gantry.store.v1 import forces_pb2

from chassis.errors import AlreadyExists, Conflict, InvalidInput, NotFound, Unavailable
from tests.contract.nas_bridge.conftest import WHY, Stage, until
from tests.contract.nas_bridge.test_delivery import check_both_have, took

TAKES_EFFECT_SECONDS = 5


async def state_of(stage: Stage, name: str = "nas") -> bridge_pb2.Destination:
    client = await stage.client()
    (found,) = [each for each in await client.destinations("essex") if each.name == name]
    return found


async def test_an_added_destination_gets_what_the_buffer_holds_and_what_comes(stage: Stage) -> None:
    await stage.store.grow("essex", 20)
    await stage.start_replica()
    client = await stage.client()
    nas, _ = stage.destinations()
    added = await client.add("essex", nas, WHY)
    assert (added.desired_state, added.settings.name) == (bridge_pb2.DESTINATION_STATE_LIVE, "nas")
    assert ("essex", "nas") in stage.store.registered
    await until(lambda: took(stage.nas, 20), TAKES_EFFECT_SECONDS)
    await stage.store.grow("essex", 5)
    await until(lambda: took(stage.nas, 25), TAKES_EFFECT_SECONDS)
    (record,) = stage.store.audited
    assert (record.force, record.person, record.action) == ("essex", "ana", AUDIT_ACTION_CHANGE_DESTINATIONS)
    assert record.subject == "name nas, adapter nas"


async def test_adding_twice_changes_nothing_and_other_settings_are_refused(stage: Stage) -> None:
    await stage.start_bridge()
    client = await stage.client()
    nas, _ = stage.destinations()
    again = await client.add("essex", nas, WHY)
    assert again.settings.options == nas.options
    nas.most_reads = 7
    with pytest.raises(AlreadyExists) as raised:
        await client.add("essex", nas, WHY)
    assert raised.value.reason == "DESTINATION_EXISTS"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"adapter": "pigeon"}, "destination.adapter"),
        ({"options": {"target": "nowhere"}}, "destination.options.target"),
        ({"identity": "../essex"}, "destination.identity"),
        ({"images": 9}, "destination.images"),
        ({"name": "match"}, "destination.name"),
    ],
)
async def test_a_destination_that_cannot_be_used_is_refused_with_the_field(
    stage: Stage, changes: dict[str, Any], field: str
) -> None:
    await stage.start_replica()
    client = await stage.client()
    nas, _ = stage.destinations(**changes)
    with pytest.raises(InvalidInput) as raised:
        await client.add("essex", nas, WHY)
    assert (raised.value.reason, raised.value.field) == ("DESTINATION_INVALID", field)
    assert await client.destinations("essex") == []
    assert stage.store.registered == set()


async def test_nothing_is_live_before_the_store_has_registered_it(stage: Stage) -> None:
    await stage.store.grow("essex", 20)
    await stage.start_replica()
    client = await stage.client()
    nas, _ = stage.destinations()
    stage.store.consumer_faults = [Unavailable("STOPPING", "stopping")] * 9
    with pytest.raises(Unavailable):
        await client.add("essex", nas, WHY)
    assert (await state_of(stage)).desired_state == bridge_pb2.DESTINATION_STATE_PLANNED
    stage.store.consumer_faults = []
    await client.add("essex", nas, WHY)
    await until(lambda: took(stage.nas, 20), TAKES_EFFECT_SECONDS)


async def test_a_paused_destination_gets_nothing_until_it_is_resumed(stage: Stage) -> None:
    await stage.start_bridge()
    await stage.store.grow("essex", 10)
    await stage.until_delivered()
    client = await stage.client()
    for _ in range(2):
        paused = await client.pause("essex", "nas", WHY)
        assert (paused.paused, paused.state) == (True, bridge_pb2.FORWARDER_STATE_PAUSED)
    await until_paused(stage)
    await stage.store.grow("essex", 10)
    await until(lambda: took(stage.nadc, 20))
    assert await stage.nas.count() == 10
    # The pause is a row: it holds over a restart.
    await stage.stop_bridges()
    await stage.start_replica()
    assert (await state_of(stage)).paused
    client = await stage.client()
    for _ in range(2):
        assert not (await client.resume("essex", "nas", WHY)).paused
    await until(lambda: took(stage.nas, 20), TAKES_EFFECT_SECONDS)
    await check_both_have(stage)


async def until_paused(stage: Stage) -> None:
    """Wait until no replica runs the line."""

    async def idle() -> bool:
        rows = await stage.rows("select owner from lines where force = 'essex' and line = 'nas'")
        return [row["owner"] for row in rows] == [None]

    await until(idle, TAKES_EFFECT_SECONDS)


async def test_a_retired_destination_gets_nothing_more_and_holds_nothing_back(stage: Stage) -> None:
    await stage.nas.behave(refuse_every=5)
    await stage.start_bridge()
    await stage.store.grow("essex", 100)
    await stage.until_delivered()
    client = await stage.client()
    delivered = await stage.nas.count()
    stage.store.consumer_faults = [Unavailable("STOPPING", "stopping")] * 2
    for _ in range(2):
        retired = await client.retire("essex", "nas", WHY)
        assert retired.desired_state == bridge_pb2.DESTINATION_STATE_RETIRED
        assert retired.state == bridge_pb2.FORWARDER_STATE_IDLE
    # The store was unavailable then; the bridge repeats the call until it succeeds.
    await until(lambda: ("essex", "nas") not in stage.store.registered, 15)
    await until_paused(stage)
    await stage.store.grow("essex", 10)
    await until(lambda: took_at_least(stage, 101))
    assert await stage.nas.count() == delivered
    assert await client.receipt("essex", "nas", 50)
    assert [letter async for letter in client.dead_letters("essex", "nas", WHY)]
    for attempt in (client.pause("essex", "nas", WHY), client.resume("essex", "nas", WHY)):
        with pytest.raises(Conflict) as raised:
            await attempt
        assert raised.value.reason == "DESTINATION_RETIRED"
    with pytest.raises(NotFound):
        await client.retire("essex", "elsewhere", WHY)


async def took_at_least(stage: Stage, count: int) -> bool:
    return await stage.nadc.count() >= count


async def test_a_destination_that_cannot_be_opened_concerns_no_other(stage: Stage) -> None:
    identity = stage.folder / "identities" / "broken"
    identity.mkdir(parents=True)
    for part in ("certificate", "key", "authority"):
        (identity / f"{part}.pem").write_text("not a certificate")
    await stage.start_replica(identities=identity.parent)
    client = await stage.client()
    nas, nadc = stage.destinations()
    nadc.name, nadc.identity = "broken", "broken"
    await client.add("essex", nadc, WHY)
    await client.add("essex", nas, WHY)
    await stage.store.grow("essex", 10)
    await until(lambda: took(stage.nas, 10))

    async def shown() -> bool:
        broken = await state_of(stage, "broken")
        return broken.state == bridge_pb2.FORWARDER_STATE_RETRYING and "cannot be opened" in broken.last_error

    await until(shown)


async def test_a_force_created_later_gets_destinations_and_a_retired_one_its_rest(stage: Stage) -> None:
    await stage.start_bridge()
    client = await stage.client("ana", "essex", "kent", "surrey")
    nas, _ = stage.destinations()
    with pytest.raises(NotFound) as raised:
        await client.add("surrey", nas, WHY)
    assert raised.value.reason == "FORCE_UNKNOWN"
    await stage.store.set_force("surrey", forces_pb2.FORCE_STATE_ACTIVE)

    async def added() -> bool:
        try:
            await client.add("surrey", nas, WHY)
        except NotFound:
            return False
        return True

    await until(added, TAKES_EFFECT_SECONDS)
    await stage.store.set_force("surrey", forces_pb2.FORCE_STATE_RETIRED)
    await stage.store.grow("surrey", 10)

    async def rest() -> bool:
        return await stage.nas.count("surrey") == 10

    await until(rest)


async def test_verbs_at_one_replica_are_obeyed_and_shown_by_the_other(stage: Stage) -> None:
    await stage.start_bridge()
    first = await stage.client()
    await stage.start_replica()
    second = await stage.client()
    for client, other in ((first, second), (second, first)):
        await client.pause("essex", "nas", WHY)
        assert [each.paused for each in await other.destinations("essex")] == [False, True]
        await until_paused(stage)
        await other.resume("essex", "nas", WHY)
        await stage.store.grow("essex", 10)
        await stage.until_delivered(seconds=TAKES_EFFECT_SECONDS)
    await check_both_have(stage)


async def test_two_replicas_share_the_lines_and_one_takes_over_what_the_other_leaves(stage: Stage) -> None:
    first = await stage.start_bridge()
    await stage.start_replica()

    async def shares() -> list[int]:
        rows = await stage.rows("select count(*) from lines where owner is not null group by owner")
        return sorted(row["count"] for row in rows)

    async def even() -> bool:
        return await shares() == [2, 2]

    async def all_at_one() -> bool:
        return await shares() == [4]

    await until(even, 15)
    began = time.monotonic()
    first.cancel()
    await asyncio.wait([first])
    await until(all_at_one, TAKES_EFFECT_SECONDS)
    assert time.monotonic() - began < TAKES_EFFECT_SECONDS
    await stage.store.grow("essex", 10)
    await stage.until_delivered()
    await check_both_have(stage)
