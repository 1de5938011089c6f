"""What a seeded run did and how long each recovery took, as a report for people and as JSON."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.chaos.faults import STATED, Fault
from tests.chaos.schedule import Round

OVERLAPPING = "several that overlap"


@dataclass(frozen=True)
class Recovery:
    """How many seconds all took to go on. `when` is "despite" a fault that stands, or "after" its end."""

    what: str
    when: str
    seconds: float
    stated: float


@dataclass
class Journal:
    """The record of a run."""

    seed: int
    wanted: int
    began: float = field(default_factory=time.monotonic)
    date: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    lines: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    recoveries: list[Recovery] = field(default_factory=list)
    serving: list[float] = field(default_factory=list)
    books: dict[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @property
    def command(self) -> str:
        """How to repeat the run."""
        return f"make test-chaos FAULTS={self.wanted} SEED={self.seed}"

    def begin(self, drawn: Round) -> None:
        """A round begins."""
        self.kinds.update(fault.kind.value for fault in drawn.faults)
        self.note(str(drawn))

    def note(self, text: str) -> None:
        """Add a line with the time since the start."""
        self.lines.append(f"{time.monotonic() - self.began:8.1f} s  {text}")

    def recovered(self, faults: Sequence[Fault], when: str, seconds: float) -> None:
        """All went on after so many seconds."""
        stated = stated_for(faults, when)
        what = faults[0].kind.value if len(faults) == 1 else OVERLAPPING
        self.recoveries.append(Recovery(what, when, round(seconds, 2), stated))
        self.note(f"    all goes on, {seconds:.1f} s {when} ({stated:g} s stated)")

    @property
    def breaches(self) -> list[Recovery]:
        """Recoveries that took longer than stated."""
        return [each for each in self.recoveries if each.seconds > each.stated]

    def told(self) -> str:
        """The story so far, for whoever looks into a failure."""
        return "\n".join((f"seed {self.seed}; repeat with: {self.command}", *self.lines))

    def markdown(self) -> str:
        """The report."""
        lasted = time.monotonic() - self.began
        head = (
            f"Date: {self.date}. Command: `{self.command}`.",
            "",
            f"{sum(self.kinds.values())} faults in {lasted / 60:.1f} minutes, seed {self.seed}.",
            *((f"Left out on this machine: {', '.join(self.left_out)}.",) if self.left_out else ()),
        )
        books = (
            "| book | value |",
            "| -- | -: |",
            *(f"| {name} | {value} |" for name, value in self.books.items()),
        )
        kinds = (
            "| fault | times |",
            "| -- | -: |",
            *(f"| {kind} | {times} |" for kind, times in sorted(self.kinds.items())),
        )
        return "\n".join((*head, "", *books, "", *kinds, "", *self._table(), ""))

    def _table(self) -> Sequence[str]:
        times: dict[tuple[str, str], list[Recovery]] = defaultdict(list)
        for each in self.recoveries:
            times[each.what, each.when].append(each)
        rows = [
            f"| {what} | {when} | {len(found)} | {median(each.seconds for each in found):.1f} "
            f"| {max(each.seconds for each in found):.1f} | {max(each.stated for each in found):g} |"
            for (what, when), found in sorted(times.items())
        ]
        return (
            "| fault alone | recovery | times | p50 s | max s | stated s |",
            "| -- | -- | -: | -: | -: | -: |",
            *rows,
        )

    def write(self, folder: Path) -> None:
        """Write the report and its figures into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "seeded-faults.md").write_text(self.markdown())
        figures: Mapping[str, Any] = {
            "date": self.date,
            "command": self.command,
            "seed": self.seed,
            "faults": dict(self.kinds),
            "books": self.books,
            "recoveries": [asdict(each) for each in self.recoveries],
            "timeline": self.lines,
        }
        (folder / "seeded-faults.json").write_text(json.dumps(figures, indent=2) + "\n")


def stated_for(faults: Sequence[Fault], when: str) -> float:
    """The longest time that is stated for any of the faults."""
    return max(
        (STATED[fault.kind].despite if when == "despite" else None) or STATED[fault.kind].after
        for fault in faults
    )
