"""Which feed's token carries which camera; what --enrol and --move do."""

import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED, CAMERA_KIND_MOBILE, Camera

from cli.exits import CliError, Exit
from cli.replay.feeds import Arranger, Feeds
from cli.replay.scan import Scan, Sighting
from cli.tokens import TokenFile


class FakeRegistry:
    def __init__(self, **feeds: str) -> None:
        self.feeds = dict(feeds)
        self.enrolments: list[tuple[str, list[str], bool]] = []
        self.made: dict[str, Camera] = {}
        self._known_feeds = set(feeds.values())

    async def cameras(self, force: str) -> Sequence[Camera]:
        return [Camera(camera_id=camera, feed=feed) for camera, feed in self.feeds.items()]

    async def enrol(self, force: str, feed: str, cameras: Sequence[Camera], *, new_token: bool) -> str:
        self.enrolments.append((feed, [camera.camera_id for camera in cameras], new_token))
        self.made |= {camera.camera_id: camera for camera in cameras}
        self.feeds |= {camera.camera_id: feed for camera in cameras}
        made = new_token or feed not in self._known_feeds
        self._known_feeds.add(feed)
        return f"token-{feed}-{len(self.enrolments)}" if made else ""


@pytest.fixture
def store(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "secrets" / "feed-tokens.json")


def found(*cameras: str) -> Scan:
    return Scan(reads={("essex", camera): Sighting(1) for camera in cameras})


async def arrange(
    registry: FakeRegistry, store: TokenFile, scan: Scan, *, enrol: bool = True, move: bool = False
) -> Feeds:
    return await Arranger(registry, store, scan, feed="replay", enrol=enrol, move=move).arrange(["essex"])


async def test_unknown_cameras_are_enrolled_and_the_token_kept(store: TokenFile, tmp_path: Path) -> None:
    registry = FakeRegistry()
    feeds = await arrange(registry, store, found("C1", "C2", "no such name!"))
    assert registry.enrolments == [("replay", ["C1", "C2"], True)]
    assert feeds.enrolled == 2
    assert set(feeds.tokens.values()) == {"token-replay-1"}, (
        "an impossible name goes along, so ingest answers it"
    )
    kept = tmp_path / "secrets" / "feed-tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert TokenFile(kept).get("essex", "replay") == "token-replay-1"


async def test_a_second_replay_enrols_nothing_and_uses_the_token(store: TokenFile) -> None:
    registry = FakeRegistry(C1="replay")
    store.keep("essex", "replay", "kept")
    feeds = await arrange(registry, store, found("C1"))
    assert registry.enrolments == []
    assert feeds.tokens == {("essex", "C1"): "kept"}


async def test_a_lost_token_is_made_anew(store: TokenFile) -> None:
    registry = FakeRegistry(C1="replay")
    feeds = await arrange(registry, store, found("C1"))
    assert registry.enrolments == [("replay", ["C1"], True)]
    assert feeds.enrolled == 0
    assert feeds.tokens == {("essex", "C1"): "token-replay-1"}
    assert registry.made["C1"] == Camera(camera_id="C1"), "its name, kind and place stay as they are"


async def test_cameras_of_a_feed_whose_token_is_here_stay_on_it(store: TokenFile) -> None:
    registry = FakeRegistry(C1="gateway")
    store.keep("essex", "gateway", "theirs")
    feeds = await arrange(registry, store, found("C1", "C2"))
    assert registry.enrolments == [("replay", ["C2"], True)]
    assert feeds.tokens == {("essex", "C1"): "theirs", ("essex", "C2"): "token-replay-1"}


async def test_cameras_of_others_are_not_taken_unasked(store: TokenFile) -> None:
    registry = FakeRegistry(C1="gateway")
    with pytest.raises(CliError, match="--move takes them over") as caught:
        await arrange(registry, store, found("C1"))
    assert caught.value.code == Exit.REFUSED
    feeds = await arrange(registry, store, found("C1"), move=True)
    assert registry.feeds == {"C1": "replay"}
    assert feeds.enrolled == 1


async def test_without_enrol_unknown_cameras_are_said_and_sent_for_ingest_to_refuse(store: TokenFile) -> None:
    registry = FakeRegistry(C1="replay")
    store.keep("essex", "replay", "kept")
    feeds = await arrange(registry, store, found("C1", "C2"), enrol=False)
    assert feeds.remarks == [
        "1 camera of essex not enrolled: its reads will be rejected; --enrol enrols cameras"
    ]
    assert feeds.tokens[("essex", "C2")] == "kept"
    with pytest.raises(CliError, match="--enrol enrols them"):
        await arrange(FakeRegistry(), TokenFile(Path("absent")), found("C1"), enrol=False)


async def test_a_camera_is_enrolled_where_its_reads_are(store: TokenFile) -> None:
    scan = found("STAYS", "MOVES", "UNPLACED")
    for north in (51.0, 51.0001):
        scan.reads["essex", "STAYS"].add(str(north), "0.5")
    for north in (51.0, 51.5):
        scan.reads["essex", "MOVES"].add(north, 0.5)
    registry = FakeRegistry()
    await arrange(registry, store, scan)
    stays, moves, unplaced = (registry.made[name] for name in ("STAYS", "MOVES", "UNPLACED"))
    assert (stays.kind, stays.position.latitude) == (CAMERA_KIND_FIXED, 51.0)
    assert (moves.kind, moves.HasField("position")) == (CAMERA_KIND_MOBILE, False)
    assert (unplaced.kind, unplaced.HasField("position")) == (CAMERA_KIND_FIXED, False)


async def test_an_id_that_cannot_be_enrolled_is_named_and_stops_no_other(store: TokenFile) -> None:
    registry = FakeRegistry()
    feeds = await arrange(registry, store, found("C1", "CAM 1", "12-Mar", "1E+05", "\x1b[31m"))
    assert registry.enrolments == [("replay", ["C1"], True)]
    (remark,) = feeds.remarks
    assert "4 camera ids of essex that cannot be enrolled" in remark
    assert "1 to 64 letters" in remark
    assert "a date" in remark
    assert "\x1b" not in remark


async def test_enrolling_is_not_advised_when_it_was_asked_for(store: TokenFile) -> None:
    with pytest.raises(CliError) as caught:
        await arrange(FakeRegistry(), store, found("CAM 1"))
    assert "--enrol" not in caught.value.message
    assert "repair their ids" in caught.value.message


async def test_a_new_camera_far_from_the_others_is_remarked_on(store: TokenFile) -> None:
    scan = found("C1", "C2", "C3", "SWAPPED", "FAR")
    places = ((51.7, 0.5), (51.8, 0.4), (51.6, 0.6), (0.5, 51.7), (10.0, 10.0))
    for sighting, (north, east) in zip(scan.reads.values(), places, strict=True):
        sighting.add(str(north), str(east))
    feeds = await arrange(FakeRegistry(), store, scan)
    assert sorted(remark.split()[1] for remark in feeds.remarks) == ["FAR", "SWAPPED"]
    assert [("swapped it would" in remark) for remark in sorted(feeds.remarks)] == [False, True]


async def test_two_cameras_far_from_each_other_are_both_shown(store: TokenFile) -> None:
    scan = found("C1", "C2")
    for sighting, (north, east) in zip(scan.reads.values(), ((51.7, 0.5), (0.5, 51.7)), strict=True):
        sighting.add(str(north), str(east))
    assert len((await arrange(FakeRegistry(), store, scan)).remarks) == 2
