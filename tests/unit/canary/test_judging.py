"""Which canaries are heard and missed."""

from __future__ import annotations

from services.canary.judging import Judge


def sent(judge: Judge, read_id: str, at: float) -> None:
    judge.begin(read_id, at)
    judge.send(read_id, at)


def test_a_heard_canary_ends_the_row() -> None:
    judge = Judge(30)
    for number in range(3):
        sent(judge, f"lost-{number}", 60.0 * number)
    assert judge.settle(151) == ["lost-0", "lost-1", "lost-2"]
    assert judge.missed == 3
    sent(judge, "good", 180)
    assert judge.hear("good", 180.25) == 0.25
    assert (judge.due, judge.heard, judge.missed) == (4, 1, 0)


def test_a_late_alert_ends_no_row() -> None:
    judge = Judge(30)
    sent(judge, "late", 0)
    assert judge.settle(29.9) == []
    assert judge.settle(30) == ["late"]
    assert judge.hear("late", 31) is None
    assert (judge.heard, judge.missed) == (0, 1)


def test_an_alert_counts_once_and_only_for_our_own() -> None:
    judge = Judge(30)
    sent(judge, "mine", 0)
    assert judge.hear("mine", 1) == 1
    assert judge.hear("mine", 2) is None
    assert judge.hear("of another process", 3) is None
    assert judge.heard == 1


def test_an_earlier_one_that_is_lost_begins_no_row_once_a_later_one_was_heard() -> None:
    judge = Judge(30)
    sent(judge, "lost", 0)
    sent(judge, "good", 1)
    judge.hear("good", 2)
    assert judge.settle(30) == ["lost"]
    assert judge.missed == 0


def test_the_time_counts_from_the_first_attempt() -> None:
    judge = Judge(30)
    judge.begin("slow", 0)
    judge.send("slow", 4)
    judge.send("slow", 9)
    assert judge.hear("slow", 10) == 6


def test_one_that_was_not_sent_is_missed_too() -> None:
    judge = Judge(30)
    judge.begin("unsent", 0)
    judge.settle(30)
    assert (judge.due, judge.missed) == (1, 1)


def test_after_a_freeze_those_under_way_are_not_judged() -> None:
    judge = Judge(30)
    sent(judge, "under way", 0)
    judge.forget()
    assert judge.settle(100) == []
    assert judge.hear("under way", 101) is None
    assert (judge.heard, judge.missed) == (0, 0)
