"""A run has the given rate, faults and order, and the same seed gives the same run."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from math import inf

import pytest

from simulators.cameras.traffic import Run, SimulatedRead, simulate
from simulators.cameras.world import World

_WORLD = World.build(3)
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_RUN = Run(seed=3, start=_START, rate=400, seconds=30, images=False)


@pytest.fixture(scope="module")
def reads() -> list[SimulatedRead]:
    return list(simulate(_WORLD, _RUN))


def test_reads_come_in_the_order_of_sending_within_the_run(reads: list[SimulatedRead]) -> None:
    assert all(one.send_at <= later.send_at for one, later in pairwise(reads))
    assert reads[0].send_at >= 0
    assert reads[-1].send_at <= 30


def test_the_rate_is_about_what_was_asked(reads: list[SimulatedRead]) -> None:
    assert 0.85 * 400 * 30 < len(reads) < 1.15 * 400 * 30


def test_identities_are_unique_but_for_what_is_resent(reads: list[SimulatedRead]) -> None:
    firsts = [_identity(read) for read in reads if read.plan != "duplicate"]
    assert len(set(firsts)) == len(firsts)
    assert len({(camera_id, read_id) for _, camera_id, _, read_id in firsts}) == len(firsts)


def test_a_resent_read_is_a_duplicate(reads: list[SimulatedRead]) -> None:
    sent: dict[object, SimulatedRead] = {}
    for read in reads:
        if read.plan == "duplicate":
            first = sent[_identity(read)]
            assert first.plan == "accept"
            assert replace(read, plan="accept", send_at=first.send_at) == first
        sent[_identity(read)] = read
    assert 0.005 < sum(read.plan == "duplicate" for read in reads) / len(reads) < 0.02


def test_misreads_are_few_and_the_camera_is_less_sure_of_them(reads: list[SimulatedRead]) -> None:
    good = [read for read in reads if read.plan == "accept" and read.vrm_seen == read.vrm_true]
    wrong = [read for read in reads if read.plan == "accept" and read.vrm_seen != read.vrm_true]
    assert 0.02 < len(wrong) / len(reads) < 0.04
    assert max(read.confidence for read in wrong) < 0.82 < min(read.confidence for read in good)


def test_some_reads_are_bound_to_be_refused_each_for_its_reason(reads: list[SimulatedRead]) -> None:
    plans = Counter(read.plan for read in reads)
    assert set(plans) == {
        "accept",
        "duplicate",
        "reject:TIME_IN_FUTURE",
        "reject:VRM_EMPTY",
        "reject:VRM_INVALID",
        "reject:VRM_NOT_READ",
    }
    for read in reads:
        ahead = read.captured_at - (_START + timedelta(seconds=read.send_at))
        assert (read.plan == "reject:TIME_IN_FUTURE") == (ahead > timedelta(minutes=5))


def test_no_read_id_contains_a_mark(reads: list[SimulatedRead]) -> None:
    assert all(read.vrm_true not in read.read_id.upper().replace("-", "") for read in reads)


def test_a_short_run_shows_vehicles_going_from_camera_to_camera(reads: list[SimulatedRead]) -> None:
    seen = defaultdict(set)
    for read in reads:
        seen[read.vrm_true].add(read.camera_id)
    assert sum(len(cameras) >= 3 for cameras in seen.values()) > 300
    good = [read.captured_at for read in reads if read.plan == "accept"]
    assert min(good) > _START - timedelta(minutes=20)
    assert max(good) < _START + timedelta(seconds=35)


def test_cameras_that_were_offline_send_late_and_in_one_go(reads: list[SimulatedRead]) -> None:
    together = Counter((read.camera_id, read.send_at) for read in reads if read.plan != "duplicate")
    spells = [camera_id for (camera_id, _), count in together.items() if count >= 5]
    assert len(spells) >= 4
    assert any("MOB" in camera_id for camera_id in spells)


def test_some_clocks_are_off_by_seconds() -> None:
    live = replace(_RUN, rate=120, warp=1.0)
    lags = defaultdict(list)
    for read in simulate(_WORLD, live):
        if read.plan == "accept":
            lags[read.camera_id].append(
                (_START + timedelta(seconds=read.send_at) - read.captured_at).total_seconds()
            )
    fastest = [min(own) for own in lags.values()]
    assert sum(lag < -0.1 for lag in fastest) >= 3
    assert sum(lag > 0.6 for lag in fastest) >= 3
    assert min(fastest) > -5


def test_both_forces_mobile_units_and_foreign_plates_occur(reads: list[SimulatedRead]) -> None:
    assert {read.force for read in reads} == {"essex", "kent"}
    assert {read.country for read in reads} >= {"GB", "FR", "DE", "PL"}
    mobile = [read for read in reads if read.mobile]
    assert len({(read.latitude, read.longitude) for read in mobile}) > len(mobile) / 2


def test_the_seed_settles_a_run_with_its_images() -> None:
    run = Run(seed=9, start=_START, rate=40, seconds=5)
    one, same = list(simulate(_WORLD, run)), list(simulate(_WORLD, run))
    assert one == same
    assert all(read.patch and read.overview for read in one)
    assert len({read.overview for read in one if read.plan != "duplicate"}) == sum(
        read.plan != "duplicate" for read in one
    )
    other = list(simulate(_WORLD, replace(run, seed=10)))
    assert [read.vrm_true for read in one] != [read.vrm_true for read in other]


def test_a_later_start_moves_the_times_and_nothing_else() -> None:
    later = timedelta(days=1)
    run = Run(seed=9, start=_START, rate=40, seconds=5, images=False)
    moved = list(simulate(_WORLD, replace(run, start=_START + later)))
    assert [replace(read, captured_at=read.captured_at - later) for read in moved] == list(
        simulate(_WORLD, run)
    )


def test_a_run_without_end_goes_on_at_true_pace() -> None:
    endless = Run(seed=4, start=_START, rate=40, seconds=inf, images=False)
    reads = list(islice(simulate(_WORLD, endless), 3000))
    assert endless.pace == 1.0
    assert 50 < reads[-1].send_at < 100
    assert {read.plan.partition(":")[0] for read in reads} == {"accept", "duplicate", "reject"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"seconds": 0.5},
        {"warp": 0.5},
        {"warp": 2, "seconds": inf},
        {"start": _START.replace(tzinfo=None)},
    ],
)
def test_a_run_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|needs|zone"):
        replace(_RUN, **wrong)


def _identity(read: SimulatedRead) -> tuple[str, str, datetime, str]:
    return read.force, read.camera_id, read.captured_at, read.read_id
