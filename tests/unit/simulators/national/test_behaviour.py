"""Misbehaviour on request: each kind, how often, and unusable requests."""

import pytest

from simulators.national.behaviour import Behaviour, OrderError, Plan


def test_it_behaves_well_unless_asked() -> None:
    assert Behaviour().next_submission() == Plan(refuse_reason="REFUSED_ON_REQUEST")


def test_an_order_holds_for_the_next_submissions_only() -> None:
    behaviour = Behaviour()
    behaviour.change({"delay_ms": 250, "drop_after_accept": True, "for_next": 2})
    plans = [behaviour.next_submission() for _ in range(3)]
    assert [plan.delay_seconds for plan in plans] == [0.25, 0.25, 0.0]
    assert [plan.drop_after_accept for plan in plans] == [True, True, False]
    assert behaviour.shown() == {}


def test_without_a_count_it_holds_until_ended() -> None:
    behaviour = Behaviour()
    behaviour.change({"away": True})
    assert all(behaviour.next_submission().away for _ in range(100))
    behaviour.change({"away": False})
    assert not behaviour.next_submission().away


def test_going_away_does_not_use_up_other_orders() -> None:
    behaviour = Behaviour()
    behaviour.change({"refuse_every": 5, "refuse_reason": "TOO_DARK", "for_next": 1})
    behaviour.change({"away": True, "for_next": 3})
    assert [behaviour.next_submission().away for _ in range(3)] == [True] * 3
    plan = behaviour.next_submission()
    assert (plan.refuse_every, plan.refuse_reason) == (5, "TOO_DARK")


def test_it_can_spoil_submissions_and_forbid_them() -> None:
    behaviour = Behaviour()
    behaviour.change({"poison_every": 7, "forbid": True, "for_next": 1})
    plan = behaviour.next_submission()
    assert (plan.poison_every, plan.forbid) == (7, True)
    assert behaviour.next_submission() == Plan(refuse_reason="REFUSED_ON_REQUEST")


def test_an_empty_wish_ends_all() -> None:
    behaviour = Behaviour()
    behaviour.change({"away": True, "delay_ms": 5})
    behaviour.change({})
    assert behaviour.shown() == {}


@pytest.mark.parametrize(
    "wish",
    [
        {"delay_ms": -1},
        {"delay_ms": "5"},
        {"delay_ms": True},
        {"away": 1},
        {"refuse_reason": 7},
        {"for_next": 1.5, "away": True},
        {"dance": True},
    ],
)
def test_a_wish_that_is_none_changes_nothing(wish: dict[str, object]) -> None:
    behaviour = Behaviour()
    behaviour.change({"delay_ms": 10})
    with pytest.raises(OrderError):
        behaviour.change(wish)
    assert behaviour.shown() == {"delay_ms": {"value": 10, "left": None}}
