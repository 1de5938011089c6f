"""The outcome of a replay: counts, and the first lines that failed."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

NAMED_LINES: Final = 20
# More than are named, because several streams answer in any order.
_ODD_IDS: Final = 10_000


_ZONE_FIRST: Final = (
    "is ahead of the clock when taken as UTC, because it names no time zone: if it is local time, "
    "say --zone, such as --zone Europe/London"
)
_REMARKS: Final = {
    "IMAGE_TOO_LARGE": "kept without image, which is too large",
    "IMAGE_INVALID": "kept without image, which is no good JPEG",
    "DUPLICATE_DIFFERS": "same identity, other content: the first read was kept",
    "POSITION_UNKNOWN": "kept with its place unknown",
    "POSITION_DOUBTFUL": "kept, the place is doubtful",
    "COUNTRY_SPLIT": "kept, a country beside the plate was split off",
}
"""Remarks of ingest on reads, as the summary says them."""
# Remarks that people have to look at, line by line.
_NAMED_REMARKS: Final = frozenset(("DUPLICATE_DIFFERS", "POSITION_DOUBTFUL"))


@dataclass(frozen=True)
class Problem:
    """Why a line was left out, or what is odd about it. It never contains the plate."""

    line: int
    column: str
    message: str


@dataclass
class Tally:
    """Counts of one replay. Lines counted as broken never left this machine.

    `old`: sent reads that are older than seven days, which is what a buffer usually keeps.
    `odd_ids`: of some lines, why no camera can be enrolled under their id.
    """

    lines: int = 0
    sent: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    old: int = 0
    left_out: int = 0
    assumed_utc: bool = False
    odd_ids: dict[int, str] = field(default_factory=dict)
    named: list[Problem] = field(default_factory=list)
    cut: str = ""
    interrupted: bool = False
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """Reads that ingest has answered."""
        return self.accepted + self.duplicate + self.rejected.total()

    @property
    def rate(self) -> float:
        """Reads answered a second, once finished."""
        return self.answered / self.seconds if self.seconds else 0.0

    def break_line(self, line: int, column: str, message: str) -> None:
        """Count a line that could not be sent."""
        self.broken += 1
        self._name(line, column, message)

    def reject(self, line: int, reason: str, column: str, message: str) -> None:
        """Count a read that ingest refused."""
        self.rejected[reason] += 1
        if reason == "TIME_IN_FUTURE" and self.assumed_utc:
            message = _ZONE_FIRST
        if reason == "CAMERA_UNKNOWN":
            message = self.odd_ids.get(line, message)
        self._name(line, column, f"{message} [{reason}]")

    def note_odd_id(self, line: int, why: str) -> None:
        """Remember why no camera can be enrolled under a line's id; enrolling is then no advice."""
        if len(self.odd_ids) < _ODD_IDS:
            self.odd_ids[line] = why

    def warn(self, line: int, reason: str, column: str, message: str) -> None:
        """Count a remark of ingest on a read that was kept, or that was there before."""
        self.warnings[reason] += 1
        if reason in _NAMED_REMARKS:
            self._name(line, column, f"{message} [{reason}]")

    def finish(self) -> None:
        """Stop the clock."""
        self.seconds = time.monotonic() - self.started

    def as_json(self) -> dict[str, Any]:
        """Everything, for `--json` and for scripts."""
        return {
            "lines": self.lines,
            "sent": self.sent,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(self.rejected),
            "warnings_by_reason": dict(self.warnings),
            "broken_lines": self.broken,
            "left_out_lines": self.left_out,
            "old_reads": self.old,
            "file_cut": self.cut,
            "interrupted": self.interrupted,
            "unanswered": self.sent - self.answered,
            "seconds": round(self.seconds, 3),
            "reads_per_s": round(self.rate, 1),
            "problems": [vars(one) for one in sorted(self.named, key=lambda one: one.line)],
        }

    def rows(self) -> Sequence[tuple[str, int, str]]:
        """(text, count, style) of each line of the summary."""
        found = [
            ("accepted", self.accepted, "good"),
            ("duplicate", self.duplicate, "doubt" if self.duplicate else "dim"),
        ]
        found += [(f"rejected {reason}", count, "bad") for reason, count in self.rejected.most_common()]
        if self.broken:
            found.append(("broken lines, not sent", self.broken, "bad"))
        if self.old:
            found.append(("older than 7 days: a buffer of 7 days keeps them for one day", self.old, "doubt"))
        if self.left_out:
            found.append(("lines that are no reads (headers, totals), left out", self.left_out, "dim"))
        found += [
            (f"{_REMARKS.get(reason, 'kept, with a remark')} [{reason}]", count, "doubt")
            for reason, count in self.warnings.most_common()
        ]
        if self.sent > self.answered:
            found.append(("sent, no answer", self.sent - self.answered, "bad"))
        return found

    def _name(self, line: int, column: str, message: str) -> None:
        if len(self.named) < NAMED_LINES:
            self.named.append(Problem(line, column, message))
