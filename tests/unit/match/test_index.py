"""The index finds exactly what comparing every plate with every entry finds."""

from __future__ import annotations

import numpy as np
from gantry.common.v1.read_columns_pb2 import ReadColumns
from hypothesis import given, settings
from hypothesis import strategies as st

from anpr.confusable import CLASSES, fold, folded_keys
from reads.appended import Appended, encoded_appended
from services.match.index.segments import Index, Segment
from services.match.matching.candidates import find_candidates, match
from services.match.matching.merging import Entry, merge_all

# Few characters, most of them confusable, so that exact and near matches are common.
PLATES = st.text(alphabet="0OQD1I8BA", min_size=1, max_size=4)
ANY_PLATES = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=12)
LISTS = st.lists(st.tuples(st.booleans(), st.sets(PLATES, max_size=8)), max_size=4)
RUNS = st.lists(st.lists(PLATES, max_size=6), max_size=5)


def entries_of(lists) -> list[Entry]:
    return [entry_of(number, near, vrm) for number, (near, vrms) in enumerate(lists) for vrm in sorted(vrms)]


def entry_of(number: int, near: bool, vrm: str) -> Entry:
    key = int(folded_keys([vrm])[0])
    return Entry(number, f"list {number}", near, key, vrm, 2, None, 5, "why", "", "")


def index_of(entries: list[Entry]) -> Index:
    numbers = {entry.hotlist_no for entry in entries}
    keys = {n: [entry.folded_key for entry in entries if entry.hotlist_no == n] for n in numbers}
    return Index(tuple(Segment(n, np.array(keys[n], dtype=np.uint64)) for n in sorted(numbers)))


def appends_of(runs) -> list[Appended]:
    """One append a run of plates; an append has at least one read."""
    made, position = [], 1
    for vrms in filter(None, runs):
        columns = ReadColumns(
            camera_ids=["a"],
            camera_indexes=[0] * len(vrms),
            read_ids=[f"r{position + index}" for index in range(len(vrms))],
            vrms=vrms,
            captured_at_us=[1] * len(vrms),
        )
        positions = range(position, position + len(vrms))
        made.append(Appended(encoded_appended(columns.SerializeToString(), positions, (), 0)))
        position += len(vrms)
    return made


@settings(deadline=None)
@given(LISTS, RUNS)
def test_alerts_are_those_of_comparing_everything_with_everything(lists, runs):
    entries = entries_of(lists)
    candidates = find_candidates(index_of(entries), appends_of(runs))
    keys = {candidate.folded_key for candidate in candidates}
    alerts = match(candidates, merge_all(entry for entry in entries if entry.folded_key in keys))
    found = {
        (
            alert.candidate.position,
            alert.entry.hotlist_no,
            alert.entry.vrm,
            alert.near,
        )
        for alert in alerts
    }
    assert len(found) == len(alerts)
    vrms = [vrm for run in runs for vrm in run]
    assert found == {
        (position, number, entry, entry != vrm)
        for position, vrm in enumerate(vrms, 1)
        for number, (near, plates) in enumerate(lists)
        for entry in plates
        if entry == vrm or (near and fold(entry) == fold(vrm))
    }


@settings(deadline=None)
@given(st.lists(ANY_PLATES, max_size=60), st.lists(ANY_PLATES, min_size=1, max_size=60))
def test_a_segment_finds_what_it_has_and_nothing_else(listed, read):
    segment = Segment(1, folded_keys(listed))
    folded = {fold(vrm) for vrm in listed}
    found = Index((segment,)).find(folded_keys(read)).tolist()
    assert found == [index for index, vrm in enumerate(read) if fold(vrm) in folded]


def test_candidates_are_few_beside_what_passes_by_chance():
    random = np.random.default_rng(1)
    segment = Segment(1, random.integers(0, 2**62, 100_000, dtype=np.uint64))
    others = random.integers(0, 2**62, 100_000, dtype=np.uint64)
    assert len(Index((segment,)).find(others)) == 0
    assert segment.nbytes < 100_000 * 12.5


def test_no_lists_no_candidates():
    assert find_candidates(Index(()), appends_of([["A"]])) == []
    assert find_candidates(Index((Segment(1, folded_keys([])),)), appends_of([["A"]])) == []


def test_every_confusable_class_is_near():
    for group in CLASSES:
        entry = entry_of(1, True, group[0])
        candidates = find_candidates(index_of([entry]), appends_of([list(group)]))
        assert [hit.near for hit in match(candidates, merge_all([entry]))] == [
            False,
            *[True] * (len(group) - 1),
        ]
