"""The simulator as a program: what it sends through the SDK, what it reports, and how it stops."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.cameras.batches import captured_us
from simulators.cameras.enrolment import enrolments
from simulators.cameras.report import COLUMNS, run_of
from simulators.cameras.traffic import simulate
from simulators.cameras.world import World
from suite.certificates import Authority
from tests.unit.simulators.cameras.door import Door, open_door

_WORLD = World.build(11)
_ROOT = Path(__file__).parents[4]


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, dict[str, str]]:
    by_force: dict[str, dict[str, str]] = {"essex": {}, "kent": {}}
    for feed in _WORLD.feeds:
        by_force[feed.force][feed.name] = f"gf_{feed.force}_{feed.name}"
    (tmp_path / "tokens.json").write_text(json.dumps(by_force))
    return by_force


@pytest.fixture
def door(tokens: dict[str, dict[str, str]]) -> Door:
    return Door({token for feeds in tokens.values() for token in feeds.values()})


async def _start(target: str, pki: Authority, folder: Path, *words: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.cameras", "--ingest", target,
        "--authority", str(pki.certificate), "--tokens", str(folder / "tokens.json"),
        "--seed", "11", "--report", str(folder / "out.json"), *words,
        cwd=_ROOT, stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip


async def _finish(process: Process) -> tuple[int, str]:
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(45):
        while not holds():  # noqa: ASYNC110 - what is polled is told by another process
            await asyncio.sleep(0.02)


def _report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    assert tuple(found["columns"]) == COLUMNS
    found["rows"] = [dict(zip(COLUMNS, row, strict=True)) for row in found["reads"]]
    return found


async def test_a_run_arrives_whole_and_is_reported_read_by_read(
    pki: Authority, door: Door, tmp_path: Path
) -> None:
    spans = tmp_path / "spans.jsonl"
    async with open_door(door, pki.issue_service("ingest")) as target:
        process = await _start(
            target, pki, tmp_path, "--rate", "200", "--seconds", "2.5", "--spans", str(spans)
        )
        status, said = await _finish(process)
    assert status == 0, said
    report = _report(tmp_path)
    assert all(row["verdict"] == row["plan"] for row in report["rows"])
    assert report["reads_sent"] == len(report["rows"]) > 300
    assert report["accepted"] == len(door.reads)
    assert report["unanswered"] == report["image_warnings"] == 0
    assert 0 < report["ack_ms"]["p50"] <= report["ack_ms"]["p99"] <= report["ack_ms"]["max"]
    assert any(door.traceparents)
    assert all("camera.send" in line for line in spans.read_text().splitlines())


async def test_the_report_lets_the_run_be_drawn_again_to_the_last_byte(
    pki: Authority, door: Door, tmp_path: Path
) -> None:
    async with open_door(door, pki.issue_service("ingest")) as target:
        process = await _start(target, pki, tmp_path, "--rate", "80", "--seconds", "2")
        assert (await _finish(process))[0] == 0
    report = _report(tmp_path)
    again = {
        (read.camera_id, read.read_id, captured_us(read)): read
        for read in simulate(_WORLD, run_of(report, images=True))
        if read.plan == "accept"
    }
    assert again.keys() == door.reads.keys()
    for identity, sent in door.reads.items():
        read = again[identity]
        assert (sent.plate_patch, sent.overview, sent.vrm) == (read.patch, read.overview, read.vrm_seen)
        assert sent.confidence == pytest.approx(read.confidence)
        assert sent.force == read.force
        assert sent.HasField("position") == read.mobile


async def test_each_feed_carries_its_own_cameras_only(
    pki: Authority, door: Door, tokens: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    async with open_door(door, pki.issue_service("ingest")) as target:
        words = "--rate", "300", "--seconds", "2", "--no-images"
        assert (await _finish(await _start(target, pki, tmp_path, *words)))[0] == 0
    for feed in _WORLD.feeds:
        own = {site.camera_id for site in feed.cameras}
        assert door.feeds.get(tokens[feed.force][feed.name], set()) <= own
    assert len(door.feeds) > 20
    assert not any(read.overview for read in door.reads.values())


async def test_a_stop_waits_for_the_answers_and_ends_cleanly(
    pki: Authority, door: Door, tmp_path: Path
) -> None:
    async with open_door(door, pki.issue_service("ingest")) as target:
        process = await _start(target, pki, tmp_path, "--rate", "80")
        await _until(lambda: len(door.reads) > 60)
        process.send_signal(signal.SIGTERM)
        status, said = await _finish(process)
    assert status == 0, said
    report = _report(tmp_path)
    assert report["run"]["seconds"] is None
    assert report["unanswered"] == 0
    assert report["accepted"] == len(door.reads)


async def test_a_server_that_never_answers_does_not_block_the_stop(
    pki: Authority, door: Door, tmp_path: Path
) -> None:
    door.mute = True
    async with open_door(door, pki.issue_service("ingest")) as target:
        words = "--rate", "80", "--seconds", "1.5", "--no-images", "--drain-seconds", "0.5"
        status, said = await _finish(await _start(target, pki, tmp_path, *words))
    assert status == 1
    assert "got no answer within 0.5 s" in said
    report = _report(tmp_path)
    assert report["unanswered"] == report["reads_sent"] > 0
    assert {row["verdict"] for row in report["rows"]} == {""}


async def test_a_refused_token_is_named_by_its_feed(pki: Authority, door: Door, tmp_path: Path) -> None:
    door.tokens.discard("gf_kent_knt-gw-2")
    async with open_door(door, pki.issue_service("ingest")) as target:
        status, said = await _finish(await _start(target, pki, tmp_path, "--seconds", "2"))
    assert status == 1
    assert "feed knt-gw-2 of kent" in said
    assert "gf_kent" not in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{}", "no token for 29 feeds"),
        ("[]", "no token for 29 feeds"),
        ("{", "not JSON"),
        (None, "cannot be read"),
    ],
)
async def test_a_token_file_that_does_not_serve_is_one_sentence(
    pki: Authority, tmp_path: Path, content: str | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "tokens.json").write_text(content)
    status, said = await _finish(await _start("localhost:1", pki, tmp_path))
    assert status == 2
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_enrolment_covers_every_camera_once() -> None:
    requests = list(enrolments(_WORLD))
    cameras = [camera for request in requests for camera in request.cameras]
    assert len(cameras) == len({camera.camera_id for camera in cameras}) == len(_WORLD.cameras)
    assert len({request.request_id for request in requests}) == len(requests) == len(_WORLD.feeds)
    for request in requests:
        for camera in request.cameras:
            site = _WORLD.camera(camera.camera_id)
            assert (site.force, site.feed) == (request.force, request.feed)
            assert camera.HasField("position") == (site.kind == "fixed")
