"""The report of a drill: JSON for scripts, Markdown for docs/drills/."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.drill.load import Compared


@dataclass(frozen=True)
class Scenario:
    """What was measured. `archive_lag_s`: what the archive lacked at the loss. Limits of None are none.

    `lost_at` is in seconds since 1970.
    """

    name: str
    told: str
    reads: Compared
    lost_at: float
    rto_s: float
    rto_limit_s: float
    rpo_limit_reads: int | None
    steps: Mapping[str, float]
    replayed: Mapping[str, object]
    archive_lag_s: float | None = None
    remarks: Sequence[str] = field(default_factory=tuple)

    @property
    def rpo_s(self) -> float:
        """How long before the loss the oldest lost read was sent, in seconds; 0 when none was lost."""
        oldest = min(self.reads.lost.values(), default=None)
        return 0.0 if oldest is None else max(0.0, self.lost_at - oldest / 1e6)

    @property
    def wrong(self) -> list[str]:
        """What is not as promised."""
        found = []
        if self.rto_s > self.rto_limit_s:
            found.append(
                f"{self.name}: recovery took {self.rto_s:.1f} s, and the limit is {self.rto_limit_s:.0f} s"
            )
        if self.rpo_limit_reads is not None and len(self.reads.lost) > self.rpo_limit_reads:
            found.append(f"{self.name}: {len(self.reads.lost):,} acknowledged reads were lost")
        if self.archive_lag_s is not None and self.rpo_s > self.archive_lag_s + 1.0:
            found.append(f"{self.name}: reads older than the archive's lag were lost")
        if self.reads.unanswered:
            found.append(f"{self.name}: {self.reads.unanswered:,} reads got no answer in the end")
        return found

    def as_json(self) -> dict[str, Any]:
        """The scenario for scripts."""
        return {
            "scenario": self.name,
            "ok": not self.wrong,
            "rpo_reads": len(self.reads.lost),
            "rpo_s": round(self.rpo_s, 2),
            "archive_lag_s": None if self.archive_lag_s is None else round(self.archive_lag_s, 2),
            "rto_s": round(self.rto_s, 1),
            "rto_limit_s": self.rto_limit_s,
            "reads_sent": self.reads.sent,
            "reads_acknowledged": self.reads.acknowledged,
            "reads_found": self.reads.found,
            "reads_unanswered": self.reads.unanswered,
            "steps": dict(self.steps),
            "replayed": dict(self.replayed),
            "wrong": self.wrong,
        }


def as_json(scenarios: Sequence[Scenario], command: str) -> dict[str, Any]:
    """The whole report. The figures on top are the worst of the scenarios."""
    told = [scenario.as_json() for scenario in scenarios]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "ok": all(each["ok"] for each in told),
        "rpo_reads": max((each["rpo_reads"] for each in told), default=0),
        "rto_s": max((each["rto_s"] for each in told), default=0.0),
        "replayed": {each["scenario"]: each["replayed"] for each in told},
        "scenarios": told,
    }


def write(report: Mapping[str, Any], scenarios: Sequence[Scenario], folder: Path) -> tuple[Path, Path]:
    """Write report.json and report.md. Returns their paths."""
    as_data, as_text = folder / "report.json", folder / "report.md"
    as_data.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    as_text.write_text(_markdown(report, scenarios), encoding="utf-8")
    return as_data, as_text


def _markdown(report: Mapping[str, Any], scenarios: Sequence[Scenario]) -> str:
    lines = [
        f"# Drill of {report['at'][:10]}",
        "",
        f"`{report['command']}`, finished at {report['at']}, on {platform.machine()} with {_processors()}.",
        f"Result: {'as promised' if report['ok'] else 'NOT as promised'}.",
        "",
        "| scenario | acknowledged reads lost | limit | seconds to recovery | limit |",
        "| -- | --: | --: | --: | --: |",
    ]
    for each in scenarios:
        limit = "the archive's lag" if each.rpo_limit_reads is None else f"{each.rpo_limit_reads}"
        lost, limit_s = f"{len(each.reads.lost):,}", f"{each.rto_limit_s:,.0f}"
        lines.append(f"| {' | '.join((each.name, lost, limit, f'{each.rto_s:.1f}', limit_s))} |")
    for each in scenarios:
        lines += ["", *_section(each)]
    return "\n".join(lines) + "\n"


def _section(each: Scenario) -> list[str]:
    reads = each.reads
    lines = [
        f"## {each.name.capitalize()}",
        "",
        each.told,
        "",
        f"- Cameras sent {reads.sent:,} reads. {reads.acknowledged:,} different ones were acknowledged.",
        f"- Stored in the end: {reads.found:,}.",
        f"- Acknowledged and lost: {len(reads.lost):,}. Without an answer in the end: {reads.unanswered:,}.",
    ]
    if each.archive_lag_s is not None:
        lines.append(
            f"- The archive was complete up to {each.archive_lag_s:.1f} s before the loss. "
            f"The oldest lost read was sent {each.rpo_s:.1f} s before it."
        )
    lines += [f"- {name}: {value}" for name, value in each.steps.items()]
    lines += [f"- replayed, {name}: {_shown(value)}" for name, value in each.replayed.items()]
    return [*lines, *(f"- **{sentence}**" for sentence in each.wrong)]


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | dict) else f"{value}"


def _processors() -> str:
    return f"{os.cpu_count()} processors"
