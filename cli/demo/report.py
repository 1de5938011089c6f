"""The demo's report: one file for scripts, one screen for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.demo.compare import KEPT, Check, Findings, percentile
from cli.output import Marked, say


@dataclass(frozen=True)
class Outcome:
    """The outcome of a demo run."""

    findings: Findings
    checks: Sequence[Check]
    cameras: Mapping[str, Any]
    alert_ms: Sequence[float]
    seed: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return all(check.holds for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The report."""
        found, sent = self.findings, self.findings.sent
        ack = self.cameras["ack_ms"]
        acked = sum(read.verdict in KEPT for read in sent)
        return {
            "ok": self.ok,
            "seed": self.seed,
            "seconds": self.seconds,
            "reads_sent": len(sent),
            "reads_acked": acked,
            # Repeated reads. When an answer is lost, the first sending, too, is answered as a duplicate.
            "duplicates": acked - len(found.accepted),
            "rejected": sum(read.verdict.startswith("reject") for read in sent),
            "reads_stored": len(found.stored),
            **{f"{name}_accepted": len(reads) for name, reads in found.destinations.items()},
            "alerts_expected": len(found.expected),
            "alerts_raised": len(found.raised),
            "ack_ms": {"p50": ack["p50"], "p99": ack["p99"]},
            "alert_ms": {"p50": _rounded(self.alert_ms, 0.5), "p99": _rounded(self.alert_ms, 0.99)},
            "reads_per_s": self.cameras["reads_per_s"],
            "checks": [
                {"check": check.name, "holds": check.holds, "differences": list(check.differences)}
                for check in self.checks
            ],
        }


def write_report(outcome: Outcome, path: Path) -> None:
    """Write the report for scripts."""
    path.write_text(json.dumps(outcome.as_json(), indent=2) + "\n", encoding="utf-8")


def show_outcome(outcome: Outcome, path: Path) -> None:
    """Print one screen."""
    numbers = _numbers(outcome.as_json())
    widest = max(len(value) for _, value in numbers)
    for what, value in numbers:
        say(Marked(f"{value:>{widest}}", "bold"), f"  {what}")
    say()
    for check in outcome.checks:
        mark = Marked("✓", "good") if check.holds else Marked("✗", "error")
        say(mark, f" {check.name} ", Marked(f"({check.says})", "dim"))
        for difference in check.differences:
            say(Marked(f"    {difference}", "bad"))
    say()
    say(Marked(f"report: {path}", "dim"))


def _numbers(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    national = [
        (f"accepted by {name.removesuffix('_accepted').upper()}", f"{told[name]:,}")
        for name in told
        if name.endswith("_accepted")
    ]
    return [
        (f"reads sent, {told['reads_per_s']:,.0f} a second", f"{told['reads_sent']:,}"),
        (
            f"acknowledged, {told['duplicates']:,} of them as duplicates; {told['rejected']:,} rejected",
            f"{told['reads_acked']:,}",
        ),
        ("stored", f"{told['reads_stored']:,}"),
        *national,
        (f"alerts raised, {told['alerts_expected']:,} expected", f"{told['alerts_raised']:,}"),
        (f"ms to acknowledge (p50), p99 {_shown(told['ack_ms']['p99'])}", _shown(told["ack_ms"]["p50"])),
        (f"ms to alert (p50), p99 {_shown(told['alert_ms']['p99'])}", _shown(told["alert_ms"]["p50"])),
    ]


def _rounded(values: Sequence[float], share: float) -> float | None:
    found = percentile(values, share)
    return None if found is None else round(found, 2)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
