"""The ring has the newest part of a log without a gap, and answers None for older entries."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.store.log.ring import LogEntry, Ring


def entry(after: int, last: int, *, received_at_us: int = 0, body: bytes = b"x") -> LogEntry:
    return LogEntry(after, last, last - after, body, received_at_us)


def filled(*lasts: int, capacity: int = 1_000_000) -> Ring:
    ring = Ring(capacity)
    after = 0
    for last in lasts:
        ring.add(after, [entry(after, last)])
        after = last
    return ring


def lasts(ring: Ring, position: int, most: int = 100) -> list[int] | None:
    found = ring.after(position, most)
    return None if found is None else [each.last for each in found]


def test_a_follower_gets_what_follows_its_position() -> None:
    ring = filled(3, 5, 9)
    assert lasts(ring, 0) == [3, 5, 9]
    assert lasts(ring, 3) == [5, 9]
    assert lasts(ring, 9) == []


def test_a_position_inside_an_append_is_the_databases_business() -> None:
    assert lasts(filled(3, 5), 4) is None


def test_a_ring_that_begins_later_does_not_answer_for_what_was_before() -> None:
    ring = Ring(1_000_000, head=10)
    assert lasts(ring, 10) == []
    assert lasts(ring, 7) is None
    ring.add(10, [entry(10, 12)])
    assert lasts(ring, 10) == [12]
    assert lasts(ring, 7) is None


def test_most_reads_bounds_a_part_but_never_splits_an_append() -> None:
    ring = filled(3, 5, 9)
    assert lasts(ring, 0, most=5) == [3, 5]
    assert lasts(ring, 0, most=1) == [3]
    assert lasts(ring, 5, most=1) == [9]


def test_entries_of_another_replica_are_missed_until_they_are_added() -> None:
    ring = filled(3)
    with ring.followed():
        ring.announce(8)
        assert ring.missing.is_set()
        # Nothing yet, and no reason to ask the database: the entries will be added.
        assert lasts(ring, 3) == []
        ring.add(8, [entry(8, 10)])
        assert lasts(ring, 3) == []
        assert lasts(ring, 8) == []
        ring.add(3, [entry(3, 8)])
        assert lasts(ring, 3) == [8, 10]
        assert not ring.missing.is_set()


def test_entries_that_come_twice_are_kept_once() -> None:
    ring = filled(3)
    with ring.followed():
        # From the database, before the commit is announced, and with a gap that duplicates left.
        ring.add(3, [entry(3, 5), entry(5, 7)])
        ring.add(3, [entry(3, 5), entry(5, 6), entry(6, 9)])
        assert lasts(ring, 0) == [3, 5, 7, 9]
        assert [each.after for each in ring.after(3, 100) or ()] == [3, 5, 7]


def test_without_followers_nothing_is_missed() -> None:
    ring = filled(3)
    ring.announce(8)
    assert not ring.missing.is_set()
    assert lasts(ring, 3) is None
    assert lasts(ring, 8) == []
    ring.add(9, [entry(9, 10)])
    assert lasts(ring, 8) is None
    assert lasts(ring, 9) == [10]


def test_a_ring_that_misses_too_much_starts_anew() -> None:
    ring = filled(3)
    with ring.followed():
        ring.announce(1_000_000)
        assert not ring.missing.is_set()
        assert lasts(ring, 3) is None
        ring.add(2_000_000, [entry(2_000_000, 2_000_001)])
        assert lasts(ring, 2_000_000) == [2_000_001]
        assert lasts(ring, 1_000_000) is None


def test_an_older_head_changes_nothing() -> None:
    ring = filled(3, 5)
    ring.announce(2)
    ring.add(0, [entry(0, 3)])
    assert lasts(ring, 0) == [3, 5]


def test_a_full_ring_drops_its_oldest_entries() -> None:
    ring = filled(*range(1, 1001), capacity=10 * 401)
    assert lasts(ring, 989) is None
    assert lasts(ring, 990) == list(range(991, 1001))
    assert ring.start == 990


def test_what_is_old_is_forgotten() -> None:
    ring = Ring(1_000_000)
    for number in range(10):
        ring.add(number, [entry(number, number + 1, received_at_us=number)])
    ring.forget(before_us=7)
    assert lasts(ring, 6) is None
    assert lasts(ring, 7) == [8, 9, 10]
    ring.forget(before_us=100)
    assert lasts(ring, 9) is None
    assert lasts(ring, 10) == []


def test_a_canary_takes_a_position_and_no_place_among_the_most_reads() -> None:
    ring = filled(3)
    for number in range(3, 6):
        ring.add(number, [LogEntry(number, number + 1, 0, b"x", 0, canary=True)])
    ring.add(6, [entry(6, 8)])
    assert lasts(ring, 0, most=3) == [3, 4, 5, 6]
    assert lasts(ring, 3, most=2) == [4, 5, 6, 8]
    assert lasts(ring, 6, most=1) == [8]
    assert [each.canary for each in ring.after(3, 100) or ()] == [True, True, True, False]


async def test_no_change_is_missed_between_looking_and_waiting() -> None:
    ring = filled(3)
    changed = ring.changed
    assert ring.after(3, 1) == []
    ring.add(3, [entry(3, 4)])
    async with asyncio.timeout(1):
        await changed.wait()
    assert not ring.changed.is_set()


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=60
    ),
    st.integers(0, 4000),
)
def test_whatever_happens_a_ring_skips_nothing(
    steps: list[tuple[int, bool, bool, int]], capacity: int
) -> None:
    """Reading the log itself where the ring refuses, and the ring elsewhere, misses nothing."""
    ring, log, head = Ring(capacity), [], 0
    followers = [0, 0]
    seen: list[list[int]] = [[], []]

    def fill() -> None:
        while ring.end < ring.head:
            ring.add(ring.end, [each for each in log if each.last > ring.end][:3])

    def follow(number: int) -> None:
        while followers[number] < head:
            found = ring.after(followers[number], 7)
            if found is None:
                found = [each for each in log if each.last > followers[number]][:1]
            if not found:
                assert ring.missing.is_set()
                return
            for each in found:
                assert each.after == followers[number]
                seen[number].append(each.last)
                followers[number] = each.last

    with ring.followed():
        for size, ours, filled_now, follower in steps:
            new = entry(head, head + size, received_at_us=len(log))
            if size == 1:
                new = replace(new, reads=0, canary=True)
            log.append(new)
            if ours:
                ring.add(head, [new])
            else:
                ring.announce(head + size)
            head += size
            ring.forget(before_us=len(log) - 10)
            if filled_now:
                fill()
            if follower:
                follow(follower % 2)
        fill()
        for number in range(2):
            follow(number)
    assert seen == [[each.last for each in log]] * 2
