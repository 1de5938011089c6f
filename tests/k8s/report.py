"""The report of a drill on a cluster, as JSON for scripts and as a page for people."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.demo.compare import Check, Findings
from tests.k8s.disruptions import Disruption
from tests.k8s.images import ROOT

_HEADING = (
    "| what was done | whole again after | slowest answer to a read sent meanwhile |",
    "| -- | --: | --: |",
)


@dataclass(frozen=True)
class Drill:
    """What was done to the cluster, and what was found afterwards."""

    seed: int
    tag: str
    cameras: Mapping[str, Any]
    disruptions: Sequence[Disruption]
    found: Findings
    checks: Sequence[Check]

    def slowest_answer(self, disruption: Disruption) -> float | None:
        """Seconds that the slowest read sent during a disruption waited for its answer."""
        place = {name: index for index, name in enumerate(self.cameras["columns"])}
        sent, answered = place["sent_at_us"], place["answered_us"]
        begin, end = disruption.began * 1e6, (disruption.began + disruption.seconds) * 1e6
        waits = [row[answered] / 1e6 for row in self.cameras["reads"] if begin <= row[sent] <= end]
        return max(waits, default=None)


def write_report(drill: Drill) -> None:
    """Write ``.gantry/k8s/report.json``, and the page beside it, or where ``K8S_REPORT`` says."""
    folder = ROOT / ".gantry/k8s"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(_told(drill), indent=2) + "\n", encoding="utf-8")
    page = Path(os.environ.get("K8S_REPORT") or folder / "report.md")
    page.write_text(_page(drill), encoding="utf-8")


def _told(drill: Drill) -> Mapping[str, Any]:
    cameras = {name: drill.cameras[name] for name in drill.cameras if name not in ("reads", "columns")}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": drill.seed,
        "images": drill.tag,
        "cameras": cameras,
        "reads_stored": len(drill.found.stored),
        "alerts_raised": len(drill.found.raised),
        "disruptions": [
            {
                "what": each.what,
                "seconds": round(each.seconds, 1),
                "slowest_answer_s": drill.slowest_answer(each),
            }
            for each in drill.disruptions
        ],
        "checks": [
            {"check": check.name, "holds": check.holds, "differences": list(check.differences)}
            for check in drill.checks
        ],
    }


def _page(drill: Drill) -> str:
    lines = ["# Drill on a Kubernetes cluster", "", *_story(drill), "", *_HEADING]
    for each in drill.disruptions:
        slowest = drill.slowest_answer(each)
        told = "no read was sent" if slowest is None else f"{slowest:.1f} s"
        lines.append(f"| {each.what} | {each.seconds:.1f} s | {told} |")
    lines += ["", "| afterwards | holds |", "| -- | -- |"]
    lines += [f"| {check.name} ({check.says}) | {'yes' if check.holds else 'NO'} |" for check in drill.checks]
    return "\n".join([*lines, ""])


def _story(drill: Drill) -> list[str]:
    cameras, ack = drill.cameras, drill.cameras["ack_ms"]
    sent, rate = f"{cameras['reads_sent']:,} reads", f"{cameras['reads_per_s']:.0f} a second"
    when = f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC"
    times = f"{ack['p50']:.0f} ms (p50), {ack['p99']:,.0f} ms (p99), {ack['max']:,.0f} ms (slowest)"
    return [
        f"{when}, `make test-k8s`, seed {drill.seed}, images `{drill.tag}`.",
        "",
        f"The simulated cameras of two forces sent {sent}, {rate}, while the parts of the cluster",
        "were killed, rolled, scaled and lost, one after the other.",
        f"Acknowledged after {times}.",
    ]
