"""Forces, destinations and consumers are rows: what a person changes takes effect in a suite that runs."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from gantry.bridge.v1 import bridge_pb2

from chassis.client import open_channel
from clients.bridge import BridgeClient
from clients.ingest import CameraClient
from clients.match import AlertClient
from clients.store import BufferClient
from suite.suite import Suite, erase
from tests.e2e.command import WHY, gantry
from tests.e2e.door import EnrolledFeed, ReadMaker, enrol, public_channel, submit_reads
from tests.e2e.machine import settings_in
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import Identity, arrived, buffer_status, destination, nationally_accepted
from tests.e2e.waiting import eventually
from tests.postgres_server import throwaway_folder

pytestmark = SHARED_SUITE

FORCE, NEW = "thames", "wye"
OWNER = "owner"
PLATE = "WV59KXT"
EFFECTIVE_WITHIN = 10.0


@pytest_asyncio.fixture(loop_scope="session")
async def owner(suite: Suite) -> str:
    """A person who works for the force of this file, and for the one that it adds."""
    suite.person(OWNER, [FORCE, NEW])
    return OWNER


async def test_a_force_that_is_added_is_served_by_all_at_once(
    suite: Suite, owner: str, tmp_path: Path
) -> None:
    pids = {name: process.pid for name, process in suite.processes.items()}
    added = await gantry(suite, owner, "force", "add", NEW, "--name", "Wye Police", "--consumer", "nas")
    assert (added["force"], added["name"], added["state"]) == (NEW, "Wye Police", "active")
    await asyncio.gather(*(ask(suite) for ask in _ASKED))
    target = suite.address("nas")
    words = ("bridge", "destination", "add", "nas", "--adapter", "nas", "--option", f"target={target}")
    await gantry(suite, owner, *words, "--force", NEW, *WHY)
    plates = tmp_path / "plates.csv"
    plates.write_text(f"vrm,reason\n{PLATE},wanted in a test\n")
    await gantry(suite, owner, "hotlist", "import", str(plates), "--force", NEW, *WHY)
    enrolled = await gantry(suite, owner, "camera", "enrol", "wye-1", "--feed", "wye", "--force", NEW)
    sent = await _send(suite, EnrolledFeed(NEW, "wye", enrolled["token"], ("wye-1",)))
    await arrived(suite, sent, at=["nas"])

    async def alerted() -> bool:
        answer = await gantry(suite, owner, "alerts", "list", "--force", NEW, *WHY)
        return [alert["read"]["read_id"] for alert in answer["alerts"]] == [each[3] for each in sent]

    await eventually(alerted, within=EFFECTIVE_WITHIN, what="the alert of the new force")
    traced = await gantry(suite, owner, "trace", sent[0][3], "--force", NEW, *WHY)
    assert traced["receipts"]["nas"]["receipt_id"]
    assert {name: process.pid for name, process in suite.processes.items()} == pids


async def _ask_store(suite: Suite) -> None:
    async with open_channel(suite.address("store"), suite.person(OWNER, [FORCE, NEW])) as channel:
        await BufferClient(channel).status(NEW)


async def _ask_ingest(suite: Suite) -> None:
    async with open_channel(suite.address("ingest"), suite.person(OWNER, [FORCE, NEW])) as channel:
        assert [camera async for camera in CameraClient(channel).cameras(NEW)] == []


async def _ask_match(suite: Suite) -> None:
    async with open_channel(suite.address("match"), suite.person(OWNER, [FORCE, NEW])) as channel:
        await AlertClient(channel).status(NEW)


async def _ask_bridge(suite: Suite) -> None:
    async with open_channel(suite.address("nas_bridge"), suite.person(OWNER, [FORCE, NEW])) as channel:
        await BridgeClient(channel).destinations(NEW)


_ASKED = (_ask_store, _ask_ingest, _ask_match, _ask_bridge)


async def test_a_destination_is_paused_resumed_and_retired_by_the_command(suite: Suite, owner: str) -> None:
    feed = await enrol(suite, FORCE, "riverside")
    change = ("--force", FORCE, *WHY)
    paused = await gantry(suite, owner, "bridge", "destination", "pause", "nas", *change)
    assert paused["paused"] is True
    await _becomes(suite, bridge_pb2.FORWARDER_STATE_PAUSED)
    sent = await _send(suite, feed)
    await arrived(suite, sent, at=["nadc"])
    assert await nationally_accepted(suite, "nas", FORCE) == []
    await gantry(suite, owner, "bridge", "destination", "resume", "nas", *change)
    await arrived(suite, sent, at=["nas"])
    await _becomes(suite, bridge_pb2.FORWARDER_STATE_RUNNING)
    await gantry(suite, owner, "bridge", "destination", "retire", "nas", *change)
    await _becomes(suite, bridge_pb2.FORWARDER_STATE_IDLE)
    listed = await gantry(suite, owner, "bridge", "destination", "list", "--force", FORCE)
    assert {one["name"]: one["desired_state"] for one in listed["destinations"]} == {
        "nadc": "live",
        "nas": "retired",
    }
    later = await _send(suite, feed)
    await arrived(suite, later, at=["nadc"])
    assert sorted(await nationally_accepted(suite, "nas", FORCE)) == sorted(sent)
    consumers = {one.consumer for one in (await buffer_status(suite, FORCE)).consumers}
    assert consumers == {"match", "nadc"}
    trail = await gantry(suite, owner, "audit", "list", "--force", FORCE)
    changes = [record for record in trail["records"] if record["action"] == "change_destinations"]
    assert [record["person"] for record in changes[:3]] == [OWNER] * 3


async def _becomes(suite: Suite, wanted: bridge_pb2.ForwarderState.ValueType) -> None:
    """Wait until the forwarder to nas is in a state."""

    async def is_so() -> bool:
        return (await destination(suite, FORCE, "nas")).state == wanted

    name = bridge_pb2.ForwarderState.Name(wanted)
    await eventually(is_so, within=EFFECTIVE_WITHIN, what=f"the forwarder's {name}")


async def _send(suite: Suite, feed: EnrolledFeed, **details: object) -> list[Identity]:
    """Send one read; its identity."""
    read = ReadMaker(feed).one(PLATE, **details)
    async with public_channel(suite) as channel:
        ack = (await submit_reads(channel, feed.token, [read])).ack
    assert ack.accepted == 1
    micros = read.captured_at.seconds * 1_000_000 + read.captured_at.nanos // 1000
    return [(feed.force, read.camera_id, micros, read.read_id)]


@pytest.mark.timeout(300)
async def test_a_retired_consumer_stops_holding_back_purging() -> None:
    """A day that is over age once retention is shortened waits for an unavailable destination."""
    old = datetime.now(UTC) - timedelta(days=3)
    shorter = {"GANTRY_STORE__RETENTION_DAYS": "1", "GANTRY_STORE__RETENTION_INTERVAL_SECONDS": "0.5"}
    with throwaway_folder() as folder:
        away = replace(settings_in(folder, (FORCE,)), misbehaviour={"nas": {"away": True}})
        async with Suite(away) as suite:
            feed = await enrol(suite, FORCE, "late")
            await _send(suite, feed, captured_at=int(old.timestamp() * 1e6))
        over_age = replace(away, environment={**away.environment, "store": shorter})
        async with Suite(over_age) as suite:
            await _purges_once_nas_is_retired(suite, old.date())
        await erase(away.folder)


async def _purges_once_nas_is_retired(suite: Suite, day: date) -> None:
    suite.person(OWNER, [FORCE])

    async def overdue() -> list[str]:
        return list((await buffer_status(suite, FORCE)).overdue_days)

    assert await eventually(overdue, within=EFFECTIVE_WITHIN, what="a day over age") == [day.isoformat()]
    await gantry(suite, OWNER, "bridge", "destination", "retire", "nas", "--force", FORCE, *WHY)

    async def purged() -> list[tuple[str, int]]:
        async with open_channel(suite.address("store"), suite.person()) as channel:
            found = BufferClient(channel).purge_certificates(FORCE)
            return [(each.day, each.reads) async for each in found]

    assert await eventually(purged, within=EFFECTIVE_WITHIN, what="a purge") == [(day.isoformat(), 1)]
    assert await overdue() == []
