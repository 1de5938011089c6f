"""The hotlist finds vehicles that will be seen, and the oracle follows the contract of matching."""

import csv
import stat
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from simulators.cameras.hotlist import Entry, choose_entries, expected_alerts, fold, write_csv
from simulators.cameras.traffic import Run, SimulatedRead, simulate
from simulators.cameras.world import World

_TODAY = date(2026, 3, 1)
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def reads() -> list[SimulatedRead]:
    run = Run(seed=6, start=_START, rate=60, seconds=40, images=False)
    return list(simulate(World.build(6), run))


@pytest.fixture(scope="module")
def entries(reads: list[SimulatedRead]) -> tuple[Entry, ...]:
    return choose_entries(reads, force="kent", seed=6, today=_TODAY, seen=60, unseen=300)


def _entry(vrm: str, weed_date: date = date(2026, 6, 1)) -> Entry:
    return Entry(vrm, "Stolen vehicle", 2, (), "", weed_date)


def _seen(read: SimulatedRead, vrm: str) -> SimulatedRead:
    return replace(read, force="kent", vrm_seen=vrm, vrm_true=vrm, plan="accept")


def test_a_list_raises_exact_and_near_alerts_and_is_mostly_unseen(
    reads: list[SimulatedRead], entries: tuple[Entry, ...]
) -> None:
    alerts = list(expected_alerts(entries, reads, force="kent"))
    kinds = Counter(alert.kind for alert in alerts)
    assert kinds["exact"] > 20
    assert kinds["near"] > 3
    assert len({alert.entry_vrm for alert in alerts}) < len(entries) / 4
    assert len(set(alerts)) == len(alerts)


def test_each_mark_is_listed_once_and_some_have_expired(entries: tuple[Entry, ...]) -> None:
    marks = [entry.vrm for entry in entries]
    assert len(set(marks)) == len(marks)
    assert any(entry.weed_date < _TODAY for entry in entries)
    assert all(1 <= entry.priority <= 9 and 3 <= len(entry.reason) <= 500 for entry in entries)


def test_the_seed_settles_the_list(reads: list[SimulatedRead], entries: tuple[Entry, ...]) -> None:
    assert choose_entries(reads, force="kent", seed=6, today=_TODAY, seen=60, unseen=300) == entries
    assert choose_entries(reads, force="essex", seed=6, today=_TODAY, seen=60, unseen=300) != entries


def test_another_force_resent_and_refused_reads_raise_nothing(reads: list[SimulatedRead]) -> None:
    read = _seen(reads[0], "AB12CDE")
    quiet = [
        replace(read, force="essex"),
        replace(read, plan="duplicate"),
        replace(read, plan="reject:VRM_EMPTY"),
    ]
    assert list(expected_alerts([_entry("AB12CDE")], quiet, force="kent")) == []


def test_look_alikes_match_near_unless_that_is_switched_off(reads: list[SimulatedRead]) -> None:
    read = _seen(reads[0], "A812CDE")
    (alert,) = expected_alerts([_entry("AB12CDE")], [read], force="kent")
    assert (alert.kind, alert.entry_vrm) == ("near", "AB12CDE")
    assert list(expected_alerts([_entry("AB12CDE")], [read], force="kent", near_matches=False)) == []


def test_every_entry_that_matches_raises_its_own_alert(reads: list[SimulatedRead]) -> None:
    both = [_entry("AB12CDE"), _entry("A812CDE")]
    alerts = list(expected_alerts(both, [_seen(reads[0], "AB12CDE")], force="kent"))
    assert Counter(alert.kind for alert in alerts) == {"exact": 1, "near": 1}


def test_an_entry_past_its_weed_date_raises_no_alert(reads: list[SimulatedRead]) -> None:
    read = _seen(reads[0], "AB12CDE")
    assert list(expected_alerts([_entry("AB12CDE", date(2026, 2, 27))], [read], force="kent")) == []


def test_folding_follows_the_classes_of_the_contract() -> None:
    assert fold("OQD0") == "0000"
    assert fold("IL1") == "111"
    assert fold("Z2S5G6B8") == "22556688"
    assert fold("ACEFHJKMNPRTUVWXY3479") == "ACEFHJKMNPRTUVWXY3479"


def test_the_file_has_the_columns_that_the_import_takes(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    target = tmp_path / "kent.csv"
    target.touch(mode=0o644)
    write_csv(target, entries)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600, "plates are nobody else's business"
    with target.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert set(rows[0]) == {"vrm", "reason", "priority", "markers", "instruction", "weed_date"}
    assert [row["vrm"].replace(" ", "") for row in rows] == [entry.vrm for entry in entries]
    assert {date.fromisoformat(row["weed_date"]) for row in rows} == {entry.weed_date for entry in entries}
