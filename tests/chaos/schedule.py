"""Draws faults from a seed: rounds of one fault that stands alone, or of several that overlap."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suite.plan import service_of
from tests.chaos.faults import COLLECTOR, IMAGES, NATIONAL, POSTGRES, VENDORS, Fault, Kind
from tests.chaos.wiring import PROCESSES

_CALLERS = tuple(process for process in PROCESSES if service_of(process) != "store")
_STORES = tuple(process for process in PROCESSES if service_of(process) == "store")
_WEIGHTS = {
    Kind.KILL: 8,
    Kind.FREEZE: 4,
    Kind.RESTART: 6,
    Kind.POSTGRES_FAST: 2,
    Kind.POSTGRES_IMMEDIATE: 2,
    Kind.POSTGRES_KILL: 2,
    Kind.POSTGRES_FREEZE: 2,
    Kind.CUT_FROM_STORE: 4,
    Kind.CUT_FROM_POSTGRES: 4,
    Kind.CUT_FROM_VENDORS: 1,
    Kind.SLOW_DISK: 2,
    Kind.FULL_DISK: 2,
    Kind.IMAGES_GONE: 2,
    Kind.CLOCK_JUMP: 4,
    Kind.COLLECTOR_HANGS: 1,
    Kind.COLLECTOR_AWAY: 1,
    Kind.NATIONAL_AWAY: 1,
    Kind.NATIONAL_SLOW: 1,
    Kind.NATIONAL_REFUSES: 1,
    Kind.NATIONAL_LOSES: 1,
}
TARGETS: dict[Kind, Sequence[str]] = {
    Kind.KILL: (*PROCESSES, *NATIONAL),
    Kind.FREEZE: (*PROCESSES, *NATIONAL),
    Kind.RESTART: PROCESSES,
    Kind.CUT_FROM_STORE: _CALLERS,
    Kind.CUT_FROM_POSTGRES: PROCESSES,
    Kind.CUT_FROM_VENDORS: (VENDORS,),
    Kind.SLOW_DISK: (POSTGRES, POSTGRES, *_STORES),
    Kind.FULL_DISK: (IMAGES,),
    Kind.IMAGES_GONE: (IMAGES,),
    Kind.CLOCK_JUMP: (*PROCESSES, POSTGRES),
    Kind.COLLECTOR_HANGS: (COLLECTOR,),
    Kind.COLLECTOR_AWAY: (COLLECTOR,),
    Kind.NATIONAL_AWAY: NATIONAL,
    Kind.NATIONAL_SLOW: NATIONAL,
    Kind.NATIONAL_REFUSES: NATIONAL,
    Kind.NATIONAL_LOSES: NATIONAL,
}
_MOMENTS = {
    Kind.KILL,
    Kind.RESTART,
    Kind.POSTGRES_FAST,
    Kind.POSTGRES_IMMEDIATE,
    Kind.POSTGRES_KILL,
}
WITH_CONTROLS = frozenset({Kind.SLOW_DISK, Kind.CLOCK_JUMP})
"""Kinds that need `tests.chaos.controls`."""
WITH_A_SMALL_DISK = frozenset({Kind.FULL_DISK})
_ALONE_SHARE = 0.4
_MOST_AT_ONCE = 4
_LONGEST_SECONDS = 8.0
_MOST_STAGGER_SECONDS = 2.0
_MOST_CLOCK_SECONDS = 120.0
"""Ingest refuses a read that seems to come from more than five minutes ahead."""


@dataclass(frozen=True)
class Round:
    """Faults that begin one after the other, each so many seconds after the one before."""

    faults: tuple[Fault, ...]
    after: tuple[float, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.faults))


def rounds(seed: int, faults: int, without: frozenset[Kind] = frozenset()) -> Iterator[Round]:
    """Rounds with so many faults in all, the same ones for the same arguments."""
    chance = random.Random(seed)
    kinds = [kind for kind in Kind if kind not in without]
    # Each kind comes once before chance decides.
    due = chance.sample(kinds, len(kinds))
    left = faults
    while left > 0:
        wanted = 1 if chance.random() < _ALONE_SHARE else chance.randint(2, _MOST_AT_ONCE)
        drawn: list[Fault] = []
        for _ in range(min(wanted, left)):
            kind = due.pop() if due else chance.choices(kinds, [_WEIGHTS[each] for each in kinds])[0]
            fault = _fault(chance, kind, {each.target for each in drawn})
            if fault is None:
                due.append(kind)
                break
            drawn.append(fault)
        left -= len(drawn)
        if drawn:
            gaps = [chance.uniform(0.0, _MOST_STAGGER_SECONDS) for _ in drawn[1:]]
            yield Round(tuple(drawn), (0.0, *gaps))


def _fault(chance: random.Random, kind: Kind, taken: set[str]) -> Fault | None:
    """A fault of a kind; None when all its targets are taken: one target has one fault at a time."""
    free = [target for target in TARGETS.get(kind, (POSTGRES,)) if target not in taken]
    if not free:
        return None
    return Fault(
        kind,
        chance.choice(free),
        seconds=0.0 if kind in _MOMENTS else round(chance.uniform(1.0, _LONGEST_SECONDS), 1),
        amount=_amount(chance, kind),
        breaks=kind in {Kind.CUT_FROM_STORE, Kind.CUT_FROM_POSTGRES} and chance.random() < 0.5,
    )


def _amount(chance: random.Random, kind: Kind) -> float:
    if kind is Kind.CLOCK_JUMP:
        return round(chance.uniform(1.0, _MOST_CLOCK_SECONDS) * chance.choice((-1, 1)), 1)
    if kind is Kind.SLOW_DISK:
        return round(chance.uniform(0.1, 1.5), 2)
    if kind is Kind.NATIONAL_SLOW:
        return float(chance.randint(500, 5_000))
    return 0.0
