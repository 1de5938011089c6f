"""Feeds in memory, camera counts, and watching the cameras of a force."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED
from gantry.store.v1.forces_pb2 import Area, Force, ForceSettings, WordList

from chassis.errors import Unavailable
from reads.canary import CANARY
from reads.columns import PLACE_UNKNOWN
from services.ingest.cameras.counts import CameraCounts, CameraKey, UnwrittenCounts, write_counts
from services.ingest.cameras.enrolment import EnrolledCamera
from services.ingest.cameras.expectation import USUAL_RULES, ForceRules
from services.ingest.cameras.feeds import FeedDirectory, feeds_from, token_key
from services.ingest.cameras.refresh import follow_forces
from services.ingest.cameras.watching import CameraWatch


def row(feed: str, camera_id: str | None, **fields: object) -> dict[str, object]:
    place = {"enabled": True, "kind": CAMERA_KIND_FIXED, "latitude": None, "longitude": None}
    return {
        "force": "essex",
        "feed": feed,
        "token_sha256": token_key(feed),
        "camera_id": camera_id,
        **place,
        **fields,
    }


def test_feeds_from_rows() -> None:
    feeds = feeds_from(
        [
            row("one", "a", latitude=51.5, longitude=-0.1),
            row("one", "b", enabled=False),
            row("two", None, enabled=None),
        ]
    )
    one, two = feeds[token_key("one")], feeds[token_key("two")]
    assert (set(one.cameras), set(one.enabled), two.cameras) == ({"a", "b"}, {"a"}, {})
    assert (one.cameras["a"].latitude_e7, one.cameras["a"].longitude_e7) == (515_000_000, -1_000_000)
    assert one.cameras["b"].latitude_e7 == PLACE_UNKNOWN


def test_a_change_is_announced() -> None:
    feeds, told = FeedDirectory(), []
    feeds.on_change(lambda: told.append(feeds.version))
    changed = feeds.changed
    assert not feeds.loaded
    feeds.replace(3, feeds_from([row("one", "a")]))
    assert told == [3]
    assert feeds.loaded
    assert changed.is_set()
    assert not feeds.changed.is_set()


def test_a_token_names_its_feed() -> None:
    feeds = FeedDirectory()
    feeds.replace(1, feeds_from([row("one", "a")]))
    caller = feeds.caller("one")
    assert caller is not None
    assert (caller.kind, caller.name, caller.forces, caller.key) == (
        "feed",
        "one",
        frozenset({"essex"}),
        token_key("one"),
    )
    assert feeds.caller("other") is None


def test_feeds_of_a_retired_force_are_left_out() -> None:
    feeds, told = FeedDirectory(), []
    feeds.on_change(lambda: told.append(set(feeds.feeds)))
    rows = [row("one", "a"), row("two", "b", force="kent")]
    feeds.replace(1, feeds_from(rows))
    feeds.retire(frozenset({"kent"}))
    assert feeds.caller("two") is None
    feeds.retire(frozenset({"kent"}))
    feeds.replace(2, feeds_from(rows))
    feeds.retire(frozenset())
    one, two = token_key("one"), token_key("two")
    assert told == [{one, two}, {one}, {one}, {one, two}]


class Directory:
    def __init__(self) -> None:
        self.forces = {code: Force(code=code) for code in ("essex", "kent")}
        self.active = {"essex", "kent"}
        self.changed = asyncio.Event()


async def test_the_directory_brings_the_settings_of_forces() -> None:
    feeds, directory = FeedDirectory(), Directory()
    rows = [row("one", "a", latitude=40.4, longitude=-3.7), row("two", "b", force="kent")]
    feeds.replace(1, feeds_from(rows))
    settings = ForceSettings(
        area=Area(south=51, west=-0.1, north=52.2, east=1.4), not_read_words=WordList(words=["No Tag"])
    )
    directory.forces["essex"] = Force(code="essex", settings=settings)
    following = asyncio.create_task(follow_forces(feeds, directory))
    directory.changed.set()
    one = token_key("one")
    async with asyncio.timeout(5):
        while feeds.feeds[one].rules == USUAL_RULES:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert feeds.feeds[one].rules.not_read_words == {"NOTAG"}
    assert feeds.feeds[one].misplaced == {"a"}
    assert feeds.feeds[token_key("two")].rules == USUAL_RULES
    feeds.replace(2, feeds_from(rows))
    assert feeds.feeds[one].misplaced == {"a"}, "a change of the registry keeps the settings"
    directory.forces["essex"] = Force(code="essex")
    directory.changed.set()
    async with asyncio.timeout(5):
        while feeds.feeds[one].rules != USUAL_RULES:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert not feeds.feeds[one].misplaced
    following.cancel()


def test_no_setting_of_a_force_refuses_its_canary() -> None:
    feeds, rules = FeedDirectory(), ForceRules(frozenset({"CANARY"}), (0, 0, 1, 1))
    feeds.replace(1, feeds_from([row(CANARY, CANARY), row("one", "a")]))
    feeds.follow({"essex": rules})
    canary, other = feeds.feeds[token_key(CANARY)], feeds.feeds[token_key("one")]
    assert (canary.canary, canary.rules) == (True, USUAL_RULES)
    assert (other.canary, other.rules) == (False, rules)


async def test_the_directory_retires_feeds() -> None:
    feeds, directory = FeedDirectory(), Directory()
    feeds.replace(1, feeds_from([row("one", "a"), row("new", "b", force="surrey")]))
    retiring = asyncio.create_task(follow_forces(feeds, directory))
    directory.active = {"kent"}
    directory.changed.set()
    async with asyncio.timeout(5):
        while feeds.caller("one") is not None:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert feeds.caller("new") is not None, "a force that the directory does not have yet is not retired"
    retiring.cancel()


class CountsTable:
    """Keeps added counts, and fails a given number of times."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.written: list[dict[CameraKey, CameraCounts]] = []

    async def add(self, counts: Mapping[CameraKey, CameraCounts]) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.written.append(dict(counts))


async def test_counts_survive_a_failed_write() -> None:
    counts, table = UnwrittenCounts(), CountsTable(OSError())
    counts.appended("essex", ["a", "b", "a"], [10, 20, 30], [2], 99)
    counts.rejected("essex", "a", 3)
    counts.warned("essex", "b", 5)
    with pytest.raises(OSError):  # noqa: PT011
        await counts.write(table)
    counts.appended("essex", ["a"], [5], [], 100)
    await counts.write(table)
    await counts.write(table)
    (written,) = table.written
    a, b = written["essex", "a"], written["essex", "b"]
    assert (a.rejected, b.warned) == ({3: 1}, {5: 1})
    assert (a.accepted, a.duplicate, a.last_received_us, a.last_captured_us) == (2, 1, 100, 5)
    assert a.rejected == {3: 1}
    assert (b.accepted, b.last_captured_us) == (1, 20)


@pytest.mark.parametrize("failures", [(), (OSError(),), (OSError(), OSError())])
async def test_counts_are_written_once_more_at_the_end(failures: tuple[Exception, ...]) -> None:
    """The loop ends by its cancellation also when the database is unavailable."""
    counts, table = UnwrittenCounts(), CountsTable(*failures)
    writing = asyncio.create_task(write_counts(counts, table, every=60))
    await asyncio.sleep(0)
    counts.appended("essex", ["a"], [10], [], 99)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert len(table.written) == (not failures)


class Cameras:
    """The registry of one force, as a watch reads it."""

    def __init__(self) -> None:
        self.revision, self.reads = 1, 0
        self.cameras = [EnrolledCamera("a", "A12", CAMERA_KIND_FIXED, 51.5, 0.25, "gateway")]

    async def snapshot(self, force: str) -> tuple[int, list[EnrolledCamera]]:
        self.reads += 1
        return self.revision, list(self.cameras)


async def test_a_watch_sends_all_cameras_at_first_and_after_each_change() -> None:
    feeds, cameras, stopping = FeedDirectory(), Cameras(), asyncio.Event()
    feeds.replace(1, {})
    responses = CameraWatch(cameras, feeds, stopping, progress_seconds=0.001).watch("essex")
    first = await anext(responses)
    assert (first.revision, [camera.camera_id for camera in first.cameras.cameras]) == (1, ["a"])
    assert first.cameras.cameras[0].position.latitude == 51.5
    for _ in range(3):
        assert (await anext(responses)).HasField("progress")
    assert cameras.reads == 1, "without a change the database is not read again"
    cameras.revision, cameras.cameras = 2, []
    feeds.replace(2, {})
    second = await anext(responses)
    assert (second.revision, len(second.cameras.cameras), second.HasField("cameras")) == (2, 0, True)
    feeds.replace(3, {})
    cameras.revision = 3
    third = await anext(responses)
    assert (third.revision, third.HasField("progress")) == (3, True), "another force's cameras have changed"
    stopping.set()
    feeds.wake()
    with pytest.raises(Unavailable, match="STOPPING"):
        await anext(responses)


async def test_a_watch_ends_at_once_when_the_server_stops() -> None:
    feeds, stopping = FeedDirectory(), asyncio.Event()
    feeds.replace(1, {})
    responses = CameraWatch(Cameras(), feeds, stopping, progress_seconds=60).watch("essex")
    await anext(responses)
    waiting = asyncio.ensure_future(anext(responses))
    await asyncio.sleep(0)
    stopping.set()
    feeds.wake()
    with pytest.raises(Unavailable, match="STOPPING"):
        async with asyncio.timeout(5):
            await waiting
