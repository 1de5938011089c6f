"""A canary raises an alert that the canary service hears and nobody else meets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gantry.match.v1.canary_pb2 import WatchCanaryResponse
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from chassis.database import in_forces, open_pool
from chassis.errors import Fault, InvalidInput, Unavailable
from chassis.settings import DatabaseSettings, TelemetrySettings
from chassis.telemetry import telemetry
from clients.canary import CanaryClient
from following.rows import restart_line
from reads.canary import CANARY, CANARY_VRM, canary_sequence
from services.match.alerts import retention, subscriptions
from services.match.matching import step
from services.match.matching.postgres import PostgresRaising
from tests.contract.match.memory_log import MemoryLog, Seen
from tests.contract.match.replica import FORCE, alerts_of, eventually, load, load_csv, replica, until_matched
from tests.contract.match.served import WHY, Served, chunks_of, header
from tests.contract.match.test_subscribing import ask, told, until_caught_up

SEQUENCE = canary_sequence(FORCE)


@dataclass
class Heard:
    """What a stream of WatchCanary has sent."""

    read_ids: list[str] = field(default_factory=list)
    messages: list[WatchCanaryResponse] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, client: CanaryClient) -> None:
        async with aclosing(client.watch(FORCE)) as responses:
            async for response in responses:
                self.messages.append(response)
                self.read_ids += [alert.read_id for alert in response.alerts]
                self.begun.set()

    async def has(self, count: int) -> bool:
        return len(self.read_ids) >= count


@asynccontextmanager
async def listening(*clients: CanaryClient) -> AsyncIterator[list[Heard]]:
    """Streams that have begun, one a client."""
    heard = [Heard() for _ in clients]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.listen(client)) for each, client in zip(heard, clients, strict=True)]
        async with asyncio.timeout(60):
            for each in heard:
                await each.begun.wait()
        yield heard
        for task in tasks:
            task.cancel()


@pytest.fixture
async def match(served: Callable[..., Any]) -> Served:
    """A replica that is prepared, and has a list of people too."""
    replica: Served = await served()
    await load(replica.match, "AB12CDE,Stolen")
    await (await replica.canaries()).prepare(FORCE)
    return replica


async def rows(database: DatabaseSettings, table: str, force: str) -> int:
    async with open_pool(database) as pool, in_forces(pool, force) as connection:
        found: int = await connection.fetchval(f"select count(*) from {table}")
        return found


async def test_a_canary_is_heard_once_at_every_replica(match, served, log, match_database):
    other = await served()
    async with listening(await match.canaries(), await other.canaries()) as heard:
        await until_matched(match.match, log.append_canary("c1"))
        await until_matched(match.match, log.append_canary("c2"))
        for each in heard:
            await eventually(lambda each=each: each.has(2))
        assert [each.read_ids for each in heard] == [["c1", "c2"], ["c1", "c2"]]
        (alert,) = heard[0].messages[1].alerts or heard[0].messages[2].alerts
        assert abs(datetime.now(UTC) - alert.raised_at.ToDatetime(UTC)) < timedelta(minutes=1)
    kept = await alerts_of(match_database, SEQUENCE)
    assert [(alert.read.read_id, alert.hotlist, alert.read.force) for alert in kept] == [
        ("c1", CANARY, FORCE),
        ("c2", CANARY, FORCE),
    ]


async def test_people_see_nothing_of_it_and_their_numbers_have_no_gap(match, log, match_database):
    log.append(Seen("AB12CDE", read_id="a"))
    log.append_canary("c1")
    log.append(Seen("AB12CDE", read_id="b"), Seen("XX99XXX"))
    await until_matched(match.match, log.append_canary("c2"))
    alerts, hotlists = await match.alerts(), await match.hotlists()
    events = await until_caught_up(alerts, ask(earliest=True))
    assert told(events) == ["+a", "+b"]
    assert [event.number for event in events] == [1, 2, 2]
    assert [alert.alert_id async for alert in alerts.alerts(FORCE, WHY)] == ["2", "1"]
    assert (await alerts.alert(FORCE, "1", WHY)).read.read_id == "a"
    status = await alerts.status(FORCE)
    assert (status.position, status.head) == (5, 5)
    assert (status.alerts_raised, status.alerts_open, status.entries) == (2, 2, 1)
    assert [hotlist.name for hotlist in await hotlists.hotlists(FORCE)] == ["stolen"]
    assert [*match.match.indexes.entries()] == [(FORCE, 1), ("kent", 0)]
    assert len(await alerts_of(match_database, SEQUENCE)) == 2


async def test_its_sequence_is_no_force_for_anybody(match, log):
    await until_matched(match.match, log.append_canary("c1"))
    alerts, canaries = await match.alerts(), await match.canaries()
    for call in (
        alerts.alert(SEQUENCE, "1", WHY),
        alerts.acknowledge(SEQUENCE, "1", WHY),
        alerts.status(SEQUENCE),
        canaries.prepare(SEQUENCE),
        anext(canaries.watch(SEQUENCE)),
    ):
        with pytest.raises(Fault) as caught:
            await call
        assert caught.value.reason == "FORCE_INVALID"


async def test_a_vehicle_with_its_plate_raises_nothing(match, log, match_database):
    log.append(Seen(CANARY_VRM), Seen(CANARY_VRM, CANARY, "r2"), Seen("AB12CDE", read_id="a"))
    await until_matched(match.match, log.head)
    assert [alert.read.read_id for alert in await alerts_of(match_database)] == ["a"]
    assert await alerts_of(match_database, SEQUENCE) == []


async def test_a_list_of_people_with_its_plate_is_hit_by_vehicles_alone(match, log, match_database):
    await load(match.match, f"{CANARY_VRM},Stolen", name="wanted")
    log.append_canary("c1")
    log.append(Seen(CANARY_VRM, read_id="v1"))
    await until_matched(match.match, log.append_canary("c2"))
    found = await alerts_of(match_database)
    assert [(alert.hotlist, alert.read.read_id) for alert in found] == [("wanted", "v1")]
    canaries = await alerts_of(match_database, SEQUENCE)
    assert [(alert.hotlist, alert.read.read_id) for alert in canaries] == [(CANARY, "c1"), (CANARY, "c2")]


@pytest.fixture
async def prepared(match_database: DatabaseSettings) -> None:
    """A list of people and the canary's, imported by a replica that has left."""
    async with replica(match_database, MemoryLog()) as match:
        await load(match, "AB12CDE,Stolen")
        await match.canary_hotlists.prepare(FORCE)


@pytest.mark.usefixtures("prepared")
async def test_hits_of_vehicles_in_the_same_part_are_committed_first(match_database, log, monkeypatch):
    commits: list[tuple[str, int]] = []
    for name in ("raise_alerts", "raise_canary_alerts"):
        _record(monkeypatch, name, commits)
    log.append(Seen("XX99XXX"))
    log.append_canary("c1")
    log.append(Seen("AB12CDE", read_id="a"))
    async with replica(match_database, log) as match:
        await eventually(lambda: _is(len(commits) == 2))
        await until_matched(match, 3)
    assert commits == [("raise_alerts", 1), ("raise_canary_alerts", 3)]
    assert [alert.read.read_id for alert in await alerts_of(match_database)] == ["a"]
    assert [alert.read.read_id for alert in await alerts_of(match_database, SEQUENCE)] == ["c1"]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("is_written", [False, True])
async def test_when_the_commit_of_canaries_breaks_nothing_is_missed_or_repeated(
    match_database, log, monkeypatch, is_written
):
    real, broken = PostgresRaising.raise_canary_alerts, 0

    async def broken_once(raising, move, alerts, raised_at):
        nonlocal broken
        if broken:
            return await real(raising, move, alerts, raised_at)
        broken += 1
        if is_written:
            await real(raising, move, alerts, raised_at)
        raise ConnectionResetError

    monkeypatch.setattr(PostgresRaising, "raise_canary_alerts", broken_once)
    log.append(Seen("AB12CDE", read_id="a"))
    log.append_canary("c1")
    log.append(Seen("AB12CDE", read_id="b"))
    async with replica(match_database, log) as match:
        await until_matched(match, log.append_canary("c2"))
    assert broken == 1
    found = await alerts_of(match_database)
    assert [(alert.alert_id, alert.read.read_id) for alert in found] == [("1", "a"), ("2", "b")]
    canaries = await alerts_of(match_database, SEQUENCE)
    assert [(alert.alert_id, alert.read.read_id) for alert in canaries] == [("1", "c1"), ("2", "c2")]


def _record(monkeypatch: pytest.MonkeyPatch, name: str, commits: list[tuple[str, int]]) -> None:
    real = getattr(PostgresRaising, name)

    async def recorded(raising, move, alerts, raised_at):
        numbers = await real(raising, move, alerts, raised_at)
        commits.append((name, move.new_position))
        return numbers

    monkeypatch.setattr(PostgresRaising, name, recorded)


async def test_a_canary_that_is_in_the_log_twice_raises_one_alert(match, log, match_database):
    log.append_canary("c1")
    log.append_canary("c1")
    await until_matched(match.match, log.head)
    await until_matched(match.match, log.append_canary("c1"))
    await until_matched(match.match, log.append_canary("c2"))
    found = await alerts_of(match_database, SEQUENCE)
    assert [(alert.alert_id, alert.read.read_id) for alert in found] == [("1", "c1"), ("2", "c2")]


@pytest.mark.usefixtures("prepared")
async def test_a_line_that_is_fenced_writes_nothing(match_database, log, monkeypatch):
    real = PostgresRaising.raise_canary_alerts
    refused: list[tuple[Any, ...]] = []

    async def fenced_once(raising, move, alerts, raised_at):
        if refused:
            return await real(raising, move, alerts, raised_at)
        async with open_pool(match_database) as pool:
            async with in_forces(pool, FORCE) as connection:
                await restart_line(connection, FORCE, "match")
            numbers = await real(raising, move, alerts, raised_at)
            position = (await match.alerts.status(FORCE)).position
        refused.append((numbers, position, await rows(match_database, "alerts", SEQUENCE)))
        return numbers

    monkeypatch.setattr(PostgresRaising, "raise_canary_alerts", fenced_once)
    async with replica(match_database, log) as match:
        await until_matched(match, log.append_canary("c1"))
    assert refused == [(None, 0, 0)]
    assert [alert.alert_id for alert in await alerts_of(match_database, SEQUENCE)] == ["1"]


async def test_a_watch_begins_with_an_empty_message_and_at_the_present(match, log, monkeypatch):
    monkeypatch.setattr(subscriptions, "PROGRESS_SECONDS", 0.05)
    await until_matched(match.match, log.append_canary("past"))
    async with asyncio.timeout(60), aclosing((await match.canaries()).watch(FORCE)) as responses:
        for _ in range(5):
            assert not (await anext(responses)).alerts
        log.append_canary("present")
        found: list[str] = []
        while not found:
            found = [alert.read_id for alert in (await anext(responses)).alerts]
    assert found == ["present"]


async def test_a_stopping_server_ends_a_watch_at_once(match):
    async with asyncio.timeout(60), aclosing((await match.canaries()).watch(FORCE)) as responses:
        await anext(responses)
        stopping = asyncio.create_task(match.server.stop())
        with pytest.raises(Unavailable) as caught:
            _ = [response async for response in responses]
        assert caught.value.reason == "STOPPING"
    async with asyncio.timeout(60):
        await stopping


async def canary_list(database: DatabaseSettings) -> tuple[int, int, int, str]:
    """Version, load, entries and importer."""
    async with open_pool(database) as pool, in_forces(pool, FORCE) as connection:
        row = await connection.fetchrow(
            "select version, load_no, entries, imported_by from hotlists where name = $1", CANARY
        )
    return tuple(row)


async def test_preparing_again_or_at_once_imports_once(served, match_database):
    clients = [await (await served()).canaries() for _ in range(2)]
    await asyncio.gather(*(client.prepare(FORCE) for client in clients * 3))
    first = await canary_list(match_database)
    assert (first[0], *first[2:]) == (1, 1, CANARY)
    async with open_pool(match_database) as pool, in_forces(pool, FORCE) as connection:
        newest = "select max(load_no) from loads"
        await eventually(lambda: _is_equal(connection.fetchval(newest), first[1]))
        begun = "select last_value from pg_sequences where sequencename = 'loads_load_no_seq'"
        before = await connection.fetchval(begun)
        for client in clients:
            await client.prepare(FORCE)
        assert await connection.fetchval(begun) == before
    assert await canary_list(match_database) == first


async def test_what_is_under_its_name_is_replaced_unless_it_is_the_canary_s(served, log, match_database):
    match = await served()
    canaries = await match.canaries()
    await load(match.match, "AB12CDE,a person's of old", name=CANARY)
    await canaries.prepare(FORCE)
    assert (await canary_list(match_database))[0] == 2
    # A restore withdraws the content of a list like this.
    async with open_pool(match_database) as pool, in_forces(pool, FORCE) as connection:
        await connection.execute("update hotlists set version = 3, entries = 0 where name = $1", CANARY)
    await canaries.prepare(FORCE)
    version, _, entries, _ = await canary_list(match_database)
    assert (version, entries) == (4, 1)
    await until_matched(match.match, log.append_canary("c1"))
    assert len(await alerts_of(match_database, SEQUENCE)) == 1


@pytest.mark.parametrize("dry_run", [False, True])
async def test_nobody_imports_a_list_of_its_name(match, dry_run, match_database):
    before = await canary_list(match_database)
    with pytest.raises(InvalidInput) as caught:
        await (await match.hotlists()).import_csv(
            header(name=f" {CANARY} ", dry_run=dry_run), chunks_of(b"vrm,reason\nA1,x\n")
        )
    assert (caught.value.reason, caught.value.field) == ("HOTLIST_INVALID", "header.name")
    assert await canary_list(match_database) == before


async def test_only_the_canary_service_may_call(match):
    for tls in (match.pki.issue_service("ingest"), match.pki.issue_person("ana", ("essex",))):
        client = CanaryClient(await match.channel(tls))
        for call in (client.prepare(FORCE), anext(client.watch(FORCE))):
            with pytest.raises(Fault) as caught:
                await call
            assert caught.value.reason == "CALLER_NOT_ALLOWED"


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """The instruments of match in a provider of their own."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    meter = provider.get_meter("match")
    monkeypatch.setattr(step, "_reads", meter.create_counter("reads"))
    monkeypatch.setattr(step, "_alerts", meter.create_counter("alerts"))
    monkeypatch.setattr(step, "_seconds", meter.create_histogram("seconds"))
    monkeypatch.setattr(retention, "_deleted", meter.create_counter("deleted"))
    monkeypatch.setattr(subscriptions, "_subscribers", meter.create_up_down_counter("subscribers"))
    yield reader
    provider.shutdown()


def counted(reader: InMemoryMetricReader) -> dict[tuple[str, ...], float]:
    """What is not 0, by name and labels; of a histogram how many."""
    data = reader.get_metrics_data()
    return {
        (metric.name, *(point.attributes or {}).values()): getattr(point, "value", None) or point.count
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if getattr(point, "value", None) != 0
    }


async def test_nothing_counts_it(metrics, match, log):
    async with listening(await match.canaries()) as (heard,):
        log.append_canary("c1")
        log.append(Seen("AB12CDE"), Seen("XX99XXX"))
        await until_matched(match.match, log.append_canary("c2"))
        await eventually(lambda: heard.has(2))
        await until_matched(match.match, 4, "kent")
        assert counted(metrics) == {
            ("reads", FORCE): 2,
            ("reads", "kent"): 2,
            ("alerts", FORCE, "exact"): 1,
            ("seconds",): 1,
        }


@pytest.mark.usefixtures("prepared")
async def test_its_trace_goes_to_the_alert_and_shows_no_plate(match_database, log, tmp_path):
    spans, trace_id = tmp_path / "spans.jsonl", "a" * 32
    async with (
        telemetry("match", TelemetrySettings(spans_file=spans)),
        replica(match_database, log) as match,
    ):
        await until_matched(match, log.append_canary("c1", traceparent=f"00-{trace_id}-{'b' * 16}-01"))
    text = spans.read_text()
    found = {
        span["name"]: span for span in map(json.loads, text.splitlines()) if span["trace_id"] == trace_id
    }
    assert found["match.alert"]["parent_span_id"] == found["match.reads"]["span_id"]
    assert found["match.alert"]["attributes"] == {"force": FORCE, "position": 1, "alerts": 1}
    assert CANARY_VRM not in text


async def test_its_alerts_are_deleted_when_their_days_are_over(metrics, match_database, log):
    now = datetime(2025, 3, 1, 12, tzinfo=UTC)
    async with replica(match_database, log, clock=lambda: now) as match:
        await match.canary_hotlists.prepare(FORCE)
        await until_matched(match, log.append_canary("old"))
        now += timedelta(days=40)
        await until_matched(match, log.append_canary("new"))
        await match.retention.delete_due()
    assert [alert.read.read_id for alert in await alerts_of(match_database, SEQUENCE)] == ["new"]
    assert await rows(match_database, "alert_events", SEQUENCE) == 1
    assert "deleted" not in {name for name, *_ in counted(metrics)}


async def test_it_is_matched_in_a_force_that_has_no_hotlist_yet(match_database, log):
    async with replica(match_database, log) as match:
        await match.canary_hotlists.prepare(FORCE)
        log.append(Seen("AB12CDE"))
        await until_matched(match, log.append_canary("c1"))
        status = await match.alerts.status(FORCE)
        assert (status.entries, status.alerts_raised) == (0, 0)
        assert [*match.indexes.entries()] == [(FORCE, 0)]
        await load_csv(match, b"vrm,reason\nAB12CDE,Stolen\n")
        log.append(Seen("AB12CDE", read_id="a"))
        await until_matched(match, log.append_canary("c2"))
    assert [alert.alert_id for alert in await alerts_of(match_database)] == ["1"]
    assert [alert.alert_id for alert in await alerts_of(match_database, SEQUENCE)] == ["1", "2"]


async def _is(true: bool) -> bool:
    return true


async def _is_equal(asked: Any, wanted: object) -> bool:
    return bool(await asked == wanted)
