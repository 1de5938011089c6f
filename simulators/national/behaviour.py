"""Faults on request: delay, refuse, drop the connection, be unavailable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_KNOWN: Final = frozenset(
    {
        "delay_ms",
        "refuse_reason",
        "refuse_every",
        "poison_every",
        "forbid",
        "drop_after_accept",
        "away",
        "for_next",
    }
)
_MOST_DELAY_MS: Final = 600_000


class OrderError(ValueError):
    """A request to behave has a field or value that is not known; one sentence."""


@dataclass(frozen=True)
class Plan:
    """How to treat one submission. `refuse_every` and `poison_every`: 0 refuses no read."""

    away: bool = False
    delay_seconds: float = 0.0
    refuse_every: int = 0
    refuse_reason: str = ""
    poison_every: int = 0
    forbid: bool = False
    drop_after_accept: bool = False


@dataclass
class _Order:
    """One fault, for the next `left` submissions. `left` None: until another request ends it."""

    value: int | str | bool
    left: int | None

    def spend(self) -> bool:
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class Behaviour:
    """The faults that were asked for, each with how many submissions it still applies to."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}

    def change(self, wish: Mapping[str, object]) -> None:
        """Apply a request (the body of POST /behave). Raises OrderError, and then changes nothing.

        A false value, 0, null or "" ends that fault. An empty request ends all.
        """
        unknown = sorted(set(wish) - _KNOWN)
        if unknown:
            raise OrderError(f"{unknown[0]} is not known; use {', '.join(sorted(_KNOWN))}")
        left = _whole(wish, "for_next", 1_000_000_000) or None
        orders = {name: value for name, value in _values(wish).items() if name in wish}
        if not wish:
            self._orders.clear()
        self._orders.update({name: _Order(value, left) for name, value in orders.items()})
        self._drop_ended()

    def next_submission(self) -> Plan:
        """The plan for the submission that was just received; counts it."""
        if self._take("away"):
            return Plan(away=True)
        refusing = self._take("refuse_every")
        return Plan(
            delay_seconds=int(self._take("delay_ms") or 0) / 1000,
            refuse_every=int(refusing or 0),
            refuse_reason=str(self._value("refuse_reason") or "REFUSED_ON_REQUEST"),
            poison_every=int(self._take("poison_every") or 0),
            forbid=bool(self._take("forbid")),
            drop_after_accept=bool(self._take("drop_after_accept")),
        )

    def shown(self) -> dict[str, dict[str, object]]:
        """The faults that apply now, for GET /state."""
        return {name: {"value": order.value, "left": order.left} for name, order in self._orders.items()}

    def _take(self, name: str) -> int | str | bool | None:
        order = self._orders.get(name)
        if order is None:
            return None
        value = order.value if order.spend() else None
        if order.left is not None and order.left <= 0:
            del self._orders[name]
        return value

    def _value(self, name: str) -> int | str | bool | None:
        order = self._orders.get(name)
        return None if order is None else order.value

    def _drop_ended(self) -> None:
        self._orders = {name: order for name, order in self._orders.items() if order.value}


def _values(wish: Mapping[str, object]) -> dict[str, int | str | bool]:
    reason = wish.get("refuse_reason") or ""
    if not isinstance(reason, str) or len(reason) > 100:
        raise OrderError("refuse_reason should be a short text")
    return {
        "delay_ms": _whole(wish, "delay_ms", _MOST_DELAY_MS),
        "refuse_reason": reason,
        "refuse_every": _whole(wish, "refuse_every", 1_000_000_000),
        "poison_every": _whole(wish, "poison_every", 1_000_000_000),
        "forbid": _flag(wish, "forbid"),
        "drop_after_accept": _flag(wish, "drop_after_accept"),
        "away": _flag(wish, "away"),
    }


def _whole(wish: Mapping[str, object], name: str, most: int) -> int:
    value = wish.get(name) or 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise OrderError(f"{name} should be a whole number from 0 to {most}")
    return value


def _flag(wish: Mapping[str, object], name: str) -> bool:
    value = wish.get(name)
    if value is not None and not isinstance(value, bool):
        raise OrderError(f"{name} should be true or false")
    return bool(value)
