"""What the gauges of the bridge show while its destinations are away, held, or run by another replica."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chassis.database import open_pool
from chassis.metrics import Gauge
from following import ShownLines
from services.nas_bridge.gauges import BridgeGauges, _failing_seconds, _held, _lag_reads
from tests.contract.nas_bridge.conftest import WHY, Stage, until

Shown = dict[tuple[str, ...], float]


async def shown(stage: Stage, gauge: Gauge, replica: str) -> Shown:
    """What a replica shows of the force essex, by the other labels."""

    async def heads(forces: Collection[str]) -> Mapping[str, int]:
        return {force: stage.store.head(force) for force in forces}

    async with open_pool(stage.database) as pool:
        gauges = BridgeGauges(ShownLines(pool, replica, heads), lambda: ["essex", "kent"])
        values = (await gauges.compute()).get(gauge, ())
    return {
        tuple(word for label, word in labels.items() if label != "force"): value
        for value, labels in values
        if labels["force"] == "essex"
    }


async def owner(stage: Stage) -> str:
    """The replica that runs the lines."""
    rows = await stage.rows("select replica from replicas where expires_at > now() order by replica")
    return str(rows[0]["replica"])


async def test_the_lag_grows_while_nas_is_away_and_more_waits_than_is_gathered(stage: Stage) -> None:
    await stage.start_bridge(stage.destinations(most_reads=10))
    await stage.store.grow("essex", 10)
    await stage.until_delivered()
    replica = await owner(stage)
    assert await shown(stage, _lag_reads, replica) == {("nas",): 0, ("nadc",): 0}
    await stage.nas.behave(away=True)
    for _ in range(20):  # far more than one part, after which nothing is taken from the log
        await stage.store.grow("essex", 10)

    async def only_nas_lags() -> bool:
        return await shown(stage, _lag_reads, replica) == {("nas",): 200, ("nadc",): 0}

    await until(only_nas_lags)
    await stage.store.grow("essex", 7)

    async def it_grows() -> bool:
        return await shown(stage, _lag_reads, replica) == {("nas",): 207, ("nadc",): 0}

    await until(it_grows)
    failing = await shown(stage, _failing_seconds, replica)
    assert failing["nas",] > 0
    assert failing["nadc",] == 0


async def test_a_held_destination_is_shown_with_its_lag_though_no_replica_runs_it(stage: Stage) -> None:
    await stage.start_bridge()
    client = await stage.client()
    await client.pause("essex", "nas", WHY)
    await stage.rows("update lines set stopped_reason = 'refused' where line = 'nadc' returning 1")

    async def none_runs_it() -> bool:
        return not await stage.rows("select from lines where force = 'essex' and owner is not null")

    await until(none_runs_it)
    await stage.store.grow("essex", 30)
    replica = await owner(stage)

    async def both_wait() -> bool:
        return await shown(stage, _lag_reads, replica) == {("nas",): 30, ("nadc",): 30}

    await until(both_wait)
    assert await shown(stage, _held, replica) == {
        ("nas", "paused"): True,
        ("nas", "stopped"): False,
        ("nadc", "paused"): False,
        ("nadc", "stopped"): True,
    }


async def test_each_destination_is_shown_by_one_replica(stage: Stage) -> None:
    await stage.start_bridge()
    await stage.start_replica()

    async def shared() -> bool:
        return len(await stage.rows("select from lines group by owner")) == 2

    await until(shared)
    rows = await stage.rows("select replica from replicas where expires_at > now()")
    of_replicas = [set(await shown(stage, _lag_reads, row["replica"])) for row in rows]
    assert sorted(name for names in of_replicas for (name,) in names) == ["nadc", "nas"]
    assert await shown(stage, _lag_reads, "a replica that has lost its leases") == {}
