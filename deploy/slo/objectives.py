"""The objectives of slo.toml, and the expressions that say how much of each was bad."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

KINDS: Final[Mapping[str, frozenset[str]]] = {
    "events": frozenset({"bad", "total"}),
    "histogram": frozenset({"histogram", "within"}),
    "moments": frozenset({"bad"}),
}
"""The fields of each kind of objective, beside those of all."""

_OF_ALL: Final = frozenset({"name", "alarm", "title", "summary", "kind", "by", "target", "pages"})
BAD_NOW: Final = "gantry:objective_bad:now"


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective; slo.toml explains the fields."""

    name: str
    alarm: str
    title: str
    summary: str
    kind: str
    by: Sequence[str]
    target: float
    pages: bool
    least: int = 0
    bad: str = ""
    total: str = ""
    histogram: str = ""
    within: float = 0.0

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.target, 9)

    def bad_share(self, window: str) -> str:
        """The share that was bad in a window such as "5m"."""
        if self.kind == "moments":
            return f'avg_over_time({BAD_NOW}{{objective="{self.name}"}}[{window}])'
        events = self._summed(f"rate({self._total}[{window}])")
        if self.kind == "events":
            return f"{self._summed(f'rate({self.bad}[{window}])')} / {events}"
        within = f'{self.histogram}_bucket{{le="{self.within}"}}'
        return f"1 - {self._summed(f'rate({within}[{window}])')} / {events}"

    def enough(self, window: str) -> str | None:
        """Holds when the window has the least number of events; None when any number will do."""
        if not self.least:
            return None
        return f"{self._summed(f'increase({self._total}[{window}])')} >= {self.least}"

    @property
    def _total(self) -> str:
        return self.total or f"{self.histogram}_count"

    def _summed(self, expression: str) -> str:
        by = f" by ({', '.join(self.by)}) " if self.by else ""
        return f"sum{by}({expression})"


@dataclass(frozen=True, slots=True)
class Objectives:
    """All objectives, and the days over which they hold."""

    days: int
    all: Sequence[Objective]


def objectives_in(file: Path) -> Objectives:
    """Read slo.toml. Raises ValueError with a sentence for what it cannot mean."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return Objectives(int(content["days"]), [_objective(each) for each in content["objective"]])


def _objective(fields: Mapping[str, Any]) -> Objective:
    name, kind = fields.get("name", "without a name"), str(fields.get("kind"))
    if kind not in KINDS:
        raise ValueError(f"objective {name}: kind is {kind!r}; choose one of {', '.join(KINDS)}")
    wanted = _OF_ALL | KINDS[kind]
    if missing := sorted(wanted - fields.keys()):
        raise ValueError(f"objective {name}: {', '.join(missing)} is missing")
    if unknown := sorted(fields.keys() - wanted - {"least"}):
        raise ValueError(f"objective {name}: {', '.join(unknown)} is not a field of this kind")
    if not 0 < fields["target"] < 1:
        raise ValueError(f"objective {name}: target is {fields['target']}; it lies between 0 and 1")
    return Objective(**fields)
