"""Reads in = reads stored = reads at NAS = reads at NADC, alerts exactly once, pictures byte for byte."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from gantry.store.v1 import search_pb2, search_pb2_grpc

from chassis.errors import fault_from
from simulators.cameras.hotlist import Entry, ExpectedAlert, choose_entries, expected_alerts, write_csv
from simulators.cameras.traffic import Run, SimulatedRead, simulate
from simulators.cameras.world import World
from suite.suite import Suite
from tests.e2e.door import connected
from tests.e2e.hotlists import import_csv
from tests.e2e.journey import Answers, FeedKey, deliver, details_of, enrol_world, identity, varied
from tests.e2e.marks import SHARED_SUITE
from tests.e2e.outcome import (
    PURPOSE,
    LogEntry,
    alerts_of,
    buffer_status,
    log_of,
    national_counts,
    nationally_accepted,
    search_for,
    settled,
)

pytestmark = SHARED_SUITE

SEED = 20261121
SECONDS = 12.0
RATE = 60.0
FORCES = ("essex", "kent")
IMAGES_AT_ONCE = 16


@dataclass
class Traffic:
    """The reads sent and the receipts. All reads are stored, matched and delivered."""

    world: World
    tokens: dict[FeedKey, str]
    sent: list[SimulatedRead]
    entries: dict[str, Sequence[Entry]]
    answers: Answers

    def kept(self, force: str) -> list[SimulatedRead]:
        """The reads of a force that had to be kept, each once."""
        return [read for read in self.sent if read.force == force and read.plan == "accept"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traffic(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    """A run of the simulated cameras of both forces, sent flat out."""
    world = World.build(SEED)
    tokens = await enrol_world(suite, world)
    sent = await asyncio.to_thread(_drawn, world)
    lists = tmp_path_factory.mktemp("hotlists")
    entries = {force: await _import(suite, force, sent, lists) for force in FORCES}
    async with connected(suite) as connection:
        answers = await deliver(connection, tokens, sent)
    drawn = Traffic(world, tokens, sent, entries, answers)
    for force in FORCES:
        await settled(suite, force, len(drawn.kept(force)))
    return drawn


def _drawn(world: World) -> list[SimulatedRead]:
    start = datetime.now(UTC) - timedelta(seconds=SECONDS)
    run = Run(SEED, start, rate=RATE, seconds=SECONDS)
    return [varied(number, read) for number, read in enumerate(simulate(world, run))]


async def _import(suite: Suite, force: str, sent: Sequence[SimulatedRead], folder: Path) -> Sequence[Entry]:
    today = datetime.now(UTC).date()
    entries = choose_entries(sent, force=force, seed=SEED, today=today)
    path = folder / f"{force}.csv"
    write_csv(path, entries)
    answer = await import_csv(suite, force, path.read_bytes())
    assert (answer.entries + answer.expired_lines, answer.rejected_lines) == (len(entries), 0)
    return entries


async def test_every_read_is_answered_as_planned(traffic: Traffic) -> None:
    answers, plans = traffic.answers, Counter(read.plan for read in traffic.sent)
    assert answers.surprises == []
    assert answers.accepted == plans["accept"] > 0
    assert answers.duplicate == plans["duplicate"] > 0
    assert len(answers.rejected) == len(traffic.sent) - plans["accept"] - plans["duplicate"] > 0


@pytest.mark.parametrize("force", FORCES)
async def test_every_read_is_stored_and_delivered_once(suite: Suite, traffic: Traffic, force: str) -> None:
    wanted = sorted(identity(read) for read in traffic.kept(force))
    assert len(set(wanted)) == len(wanted)
    assert sorted(entry.identity for entry in await log_of(suite, force)) == wanted
    assert (await buffer_status(suite, force)).reads_stored == len(wanted)
    for name in suite.settings.destinations:
        assert sorted(await nationally_accepted(suite, name, force)) == wanted, name
        assert (await national_counts(suite, name, force))["accepted"] == len(wanted), name


@pytest.mark.parametrize("force", FORCES)
async def test_nothing_is_altered_on_the_way(suite: Suite, traffic: Traffic, force: str) -> None:
    sent = {identity(read): read for read in traffic.kept(force)}
    for entry in await log_of(suite, force):
        read = sent[entry.identity]
        assert entry.vrm == read.vrm_seen
        assert entry.confidence == pytest.approx(read.confidence, abs=1e-6)
        assert (entry.latitude_e7, entry.longitude_e7) == _place(read)
        assert entry.heading == read.heading
        assert entry.details == details_of(read).SerializeToString()


def _place(read: SimulatedRead) -> tuple[int, int]:
    return round(read.latitude * 1e7), round(read.longitude * 1e7)


@pytest.mark.parametrize("force", FORCES)
async def test_each_camera_s_reads_keep_their_order(suite: Suite, traffic: Traffic, force: str) -> None:
    ranks = {identity(read): rank for rank, read in enumerate(traffic.kept(force))}
    order: dict[str, list[int]] = {}
    for entry in await log_of(suite, force):
        order.setdefault(entry.identity[1], []).append(ranks[entry.identity])
    assert all(ranks == sorted(ranks) for ranks in order.values())


@pytest.mark.parametrize("force", FORCES)
async def test_each_alert_is_raised_exactly_once(suite: Suite, traffic: Traffic, force: str) -> None:
    wanted = sorted(map(_expected, expected_alerts(traffic.entries[force], traffic.sent, force=force)))
    assert {kind for *_, kind in wanted} == {"exact", "near"}
    alerts = await alerts_of(suite, force)
    assert sorted(map(_raised, alerts)) == wanted
    listed = {entry.vrm: entry for entry in traffic.entries[force]}
    for alert in alerts:
        entry = listed[alert.entry_vrm]
        assert (alert.reason, alert.priority, alert.hotlist) == (entry.reason, entry.priority, "e2e")
        assert (tuple(alert.markers), alert.instruction) == (entry.markers, entry.instruction)


def _expected(alert: ExpectedAlert) -> tuple[str, str, str, str]:
    return alert.camera_id, alert.read_id, alert.entry_vrm, alert.kind


def _raised(alert: object) -> tuple[str, str, str, str]:
    read, kind = alert.read, {1: "exact", 2: "near"}[alert.kind]  # type: ignore[attr-defined]
    return read.camera_id, read.read_id, alert.entry_vrm, kind  # type: ignore[attr-defined]


@pytest.mark.parametrize("force", FORCES)
async def test_every_picture_is_kept_byte_for_byte(suite: Suite, traffic: Traffic, force: str) -> None:
    sent = {identity(read): read for read in traffic.kept(force)}
    few = asyncio.Semaphore(IMAGES_AT_ONCE)
    wrong: list[str] = []

    async def compare(entry: LogEntry, kind: str, wanted: bytes | None) -> None:
        async with few:
            if await _image(search, force, entry.position, kind) != wanted:
                wrong.append(f"{kind} of {entry.identity[1]}/{entry.identity[3]}")

    async with search_for(suite) as search, asyncio.TaskGroup() as views:
        for entry in await log_of(suite, force):
            read = sent[entry.identity]
            views.create_task(compare(entry, "PLATE_PATCH", read.patch))
            views.create_task(compare(entry, "OVERVIEW", read.overview))
    assert wrong == []


async def _image(
    search: search_pb2_grpc.SearchServiceAsyncStub, force: str, position: int, kind: str
) -> bytes | None:
    request = search_pb2.GetImageRequest(
        force=force,
        purpose=PURPOSE,
        position=position,
        kind=search_pb2.ImageKind.Value(f"IMAGE_KIND_{kind}"),
    )
    try:
        return (await search.GetImage(request, timeout=20)).jpeg
    except grpc.aio.AioRpcError as error:
        if fault_from(error).reason == "IMAGE_ABSENT":
            return None
        raise


@pytest.mark.parametrize("force", FORCES)
async def test_every_picture_arrives_at_nas(suite: Suite, traffic: Traffic, force: str) -> None:
    kept = traffic.kept(force)
    counts = await national_counts(suite, "nas", force)
    assert counts["plate_patches"] >= sum(read.patch is not None for read in kept) > 0
    assert counts["overviews"] >= sum(read.overview is not None for read in kept) > 0


async def test_sending_all_of_it_again_changes_nothing(suite: Suite, traffic: Traffic) -> None:
    again = [read for read in traffic.sent if read.plan == "accept"]
    before = {force: await _counts(suite, force) for force in FORCES}
    async with connected(suite) as connection:
        answers = await deliver(connection, traffic.tokens, again, batch_reads=50)
    assert (answers.accepted, answers.duplicate) == (0, len(again))
    for force in FORCES:
        await settled(suite, force, len(traffic.kept(force)))
        assert await _counts(suite, force) == before[force]


async def _counts(suite: Suite, force: str) -> tuple[int, ...]:
    nas, nadc = [await national_counts(suite, name, force) for name in ("nas", "nadc")]
    stored = (await buffer_status(suite, force)).reads_stored
    return stored, nas["accepted"], nadc["accepted"], len(await alerts_of(suite, force))
