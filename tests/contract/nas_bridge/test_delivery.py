"""Every read reaches both national services once, whatever fails on the way."""

import asyncio
import random
from collections import Counter

import grpc
import pytest
from gantry.bridge.v1 import bridge_pb2

from chassis.errors import OutOfRange, Unavailable
from tests.contract.nas_bridge.conftest import WHY, National, Stage, until
from tests.unit.nas_bridge.reads import encoded, make_columns


async def took(national: National, count: int) -> bool:
    return await national.count() == count


async def check_both_have(stage: Stage, force: str = "essex") -> None:
    for national in (stage.nas, stage.nadc):
        accepted = Counter(identity for identity in await national.accepted() if identity[0] == force)
        assert accepted == stage.sent(force)


async def test_reads_of_both_forces_reach_both_services_once(stage: Stage) -> None:
    await stage.store.grow("essex", 300)
    await stage.start_bridge()
    await stage.store.grow("kent", 20)
    await stage.store.grow("essex", 7)
    for force in ("essex", "kent"):
        await stage.until_delivered(force)
        await check_both_have(stage, force)


async def test_the_cursor_of_a_delivery_is_reported_to_the_store(stage: Stage) -> None:
    await stage.start_bridge()
    await stage.store.grow("essex", 10)
    await until(lambda: stage.store.cursors.get(("essex", "nas")) == 10)
    await until(lambda: stage.store.cursors.get(("essex", "nadc")) == 10)


async def test_it_goes_on_where_it_was_after_a_restart(stage: Stage) -> None:
    await stage.start_bridge()
    await stage.store.grow("essex", 10)
    await stage.until_delivered()
    await stage.stop_bridges()
    await stage.store.grow("essex", 5)
    await stage.start_bridge()
    await stage.until_delivered()
    await check_both_have(stage)
    for national in (stage.nas, stage.nadc):
        assert (await national.state())["forces"]["essex"]["duplicate"] == 0


@pytest.mark.parametrize(
    "wish",
    [
        {"drop_after_accept": True, "for_next": 3},
        {"away": True, "for_next": 12},
        {"delay_ms": 2_000, "for_next": 1},
    ],
)
async def test_misbehaviour_costs_no_read_and_doubles_none(stage: Stage, wish: dict[str, object]) -> None:
    for national in (stage.nas, stage.nadc):
        await national.behave(**wish)
    await stage.store.grow("essex", 50)
    await stage.start_bridge(stage.destinations(timeout_seconds=1))
    await stage.store.grow("essex", 50)
    await stage.until_delivered()
    await check_both_have(stage)


async def test_refused_reads_are_dead_letters_and_the_rest_arrives(stage: Stage) -> None:
    for national in (stage.nas, stage.nadc):
        await national.behave(refuse_every=10, refuse_reason="TOO_DARK")
    await stage.store.grow("essex", 1_000)
    await stage.start_bridge()
    await stage.until_delivered()
    for name, national in (("nas", stage.nas), ("nadc", stage.nadc)):
        letters = await stage.rows("select * from dead_letters where destination = $1", name)
        assert {row["reason"] for row in letters} == {"TOO_DARK"}
        dead = Counter(
            ("essex", row["camera_id"], round(row["captured_at"].timestamp() * 1e6), row["read_id"])
            for row in letters
        )
        assert 50 < dead.total() < 200
        assert Counter(await national.accepted()) + dead == stage.sent()


async def test_a_read_that_spoils_submissions_does_not_hold_up_the_others(stage: Stage) -> None:
    for national in (stage.nas, stage.nadc):
        await national.behave(poison_every=200)
    await stage.store.grow("essex", 1_000)
    await stage.start_bridge()
    await stage.until_delivered()
    reasons = {"nas": "INVALID_ARGUMENT", "nadc": "BATCH_INVALID"}
    for name, national in (("nas", stage.nas), ("nadc", stage.nadc)):
        letters = await stage.rows("select * from dead_letters where destination = $1", name)
        assert {row["reason"] for row in letters} == {reasons[name]}
        dead = Counter(
            ("essex", row["camera_id"], round(row["captured_at"].timestamp() * 1e6), row["read_id"])
            for row in letters
        )
        assert 0 < dead.total() < 20
        assert Counter(await national.accepted()) + dead == stage.sent()
        assert (await national.state())["forces"]["essex"]["duplicate"] == 0
    client = await stage.client()
    for position in (1, 500, 1_000):
        receipt = await client.receipt("essex", "nas", position)
        assert receipt.first_position <= position <= receipt.last_position


async def test_a_refused_sender_is_reported_and_loses_nothing(stage: Stage) -> None:
    for national in (stage.nas, stage.nadc):
        await national.behave(forbid=True)
    await stage.store.grow("essex", 20)
    await stage.start_bridge()
    client = await stage.client()

    async def seen() -> bool:
        nadc, nas = await client.destinations("essex")
        return [(each.state, each.last_error, each.HasField("failing_since")) for each in (nadc, nas)] == [
            (bridge_pb2.FORWARDER_STATE_RETRYING, "NADC answered HTTP 403, FORBIDDEN", True),
            (bridge_pb2.FORWARDER_STATE_RETRYING, "NAS answered PERMISSION_DENIED", True),
        ]

    await until(seen)
    for national in (stage.nas, stage.nadc):
        await national.behave()
    await stage.until_delivered()
    await check_both_have(stage)
    assert not any(each.HasField("failing_since") for each in await client.destinations("essex"))


async def test_a_destination_that_refuses_all_stops_its_own_line_only_until_it_is_resumed(
    stage: Stage,
) -> None:
    await stage.nas.behave(refuse_every=1)
    await stage.store.grow("essex", 500)
    await stage.start_bridge()
    client = await stage.client()

    async def nas_stopped() -> bool:
        nadc, nas = await client.destinations("essex")
        return nas.state == bridge_pb2.FORWARDER_STATE_STOPPED and nadc.delivered == 500

    await until(nas_stopped)
    assert await stage.rows("select * from dead_letters") == []
    _, nas = await client.destinations("essex")
    assert "in a row" in nas.stopped_reason
    await stage.nas.behave()
    resumed = await client.resume("essex", "nas", WHY)
    assert (resumed.stopped_reason, resumed.state) == ("", bridge_pb2.FORWARDER_STATE_RETRYING)
    await stage.until_delivered()
    await check_both_have(stage)


async def test_one_services_absence_does_not_hold_the_other(stage: Stage) -> None:
    await stage.nas.behave(away=True)
    await stage.start_bridge()
    await stage.store.grow("essex", 20)
    await until(lambda: took(stage.nadc, 20))
    client = await stage.client()

    async def nas_retrying() -> bool:
        _, nas = await client.destinations("essex")
        return (
            nas.state == bridge_pb2.FORWARDER_STATE_RETRYING and nas.last_error == "NAS answered UNAVAILABLE"
        )

    await until(nas_retrying)
    await stage.nas.behave()
    await stage.until_delivered()
    _, nas = await client.destinations("essex")
    assert (nas.state, nas.last_error) == (bridge_pb2.FORWARDER_STATE_RUNNING, "")


async def test_a_log_that_stutters_is_followed_without_gap(stage: Stage) -> None:
    await stage.start_bridge()
    stage.store.tail_faults = [Unavailable("STOPPING", "stopping") for _ in range(20)]
    for _ in range(10):
        await stage.store.grow("essex", 3)
        stage.store.cut_tails()
        await asyncio.sleep(0)
    await stage.until_delivered()
    await check_both_have(stage)


async def test_a_purged_log_stops_the_line_with_a_sentence(stage: Stage) -> None:
    purged = OutOfRange("POSITION_PURGED", "gone", metadata={"first_position": "7"})
    stage.store.tail_faults = [purged] * 4
    await stage.start_bridge()
    client = await stage.client()

    async def stopped() -> bool:
        states = [each for force in ("essex", "kent") for each in await client.destinations(force)]
        return all(
            each.state == bridge_pb2.FORWARDER_STATE_STOPPED and each.stopped_reason for each in states
        )

    await until(stopped)


async def test_images_go_as_configured(stage: Stage) -> None:
    both = make_columns(
        ["r1", "r2"], plate_patches=[b"\xff\xd8p", b""], overviews=[b"\xff\xd8o", b"\xff\xd8o"]
    )
    await stage.store.append("essex", encoded(both, [1, 2]))
    nas, nadc = stage.destinations()
    nas.images = bridge_pb2.DESTINATION_IMAGES_PLATE_PATCH
    await stage.start_bridge([nas, nadc])
    await stage.until_delivered()
    shown = [(await each.state())["forces"]["essex"] for each in (stage.nas, stage.nadc)]
    assert [(each["plate_patches"], each["overviews"]) for each in shown] == [(1, 0), (1, 2)]
    wanted = {request.consumer: request.include_images for request in stage.store.requests}
    assert wanted == {"nas": True, "nadc": True}


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_faults_lose_and_double_nothing(stage: Stage, seed: int) -> None:
    dice = random.Random(seed)
    await stage.start_bridge()
    for _ in range(12):
        await stage.store.grow("essex", dice.randrange(1, 40))
        trouble = dice.choice(["drop", "away", "cut", "bridge", "none"])
        national = dice.choice([stage.nas, stage.nadc])
        if trouble == "drop":
            await national.behave(drop_after_accept=True, for_next=dice.randrange(1, 4))
        elif trouble == "away":
            await national.behave(away=True, for_next=dice.randrange(1, 8))
        elif trouble == "cut":
            stage.store.cut_tails()
        elif trouble == "bridge":
            await stage.stop_bridges()
            await stage.start_bridge()
    await stage.until_delivered()
    await check_both_have(stage)
    rows = await stage.rows(
        "select delivered, sum(accepted + duplicate) as receipted from delivery_counts join receipts"
        " using (force, destination) group by destination, delivered"
    )
    assert [tuple(row) for row in rows] == [(stage.store.head("essex"), stage.store.head("essex"))] * 2


async def test_a_caller_without_our_certificate_is_refused_by_the_services(stage: Stage) -> None:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{stage.nas.port}")
    with pytest.raises(grpc.aio.AioRpcError):
        await channel.unary_unary("/gantry.nas.v1.NationalAnprService/SubmitReads")(b"", timeout=5)
    await channel.close()
