"""The reads of a run and ingest's answers, without plates, for a check after the run."""

import json
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

from gantry_sdk import Receipt, reason_name

from simulators.cameras.batches import Batch, SentRead
from simulators.cameras.traffic import Run

COLUMNS = (
    "force", "camera_id", "read_id", "captured_at_us", "verdict", "plan", "sent_at_us", "answered_us",
)  # fmt: skip


class Report:
    """Notes batches and receipts as they come. With `keep`, remembers every read for `write`."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._reads: list[SentRead] = []
        self._seconds = array("d")
        self.sent = 0
        self.image_warnings = 0
        self.verdicts: Counter[str] = Counter()

    @property
    def unanswered(self) -> int:
        """Reads that were sent and not acknowledged."""
        return self.sent - self.verdicts.total()

    def note_sent(self, batch: Batch, at_us: int) -> None:
        """Note that a batch is about to be sent, at microseconds since 1970-01-01T00:00:00Z."""
        self.sent += len(batch.sent)
        for read in batch.sent:
            read.sent_at_us = at_us
        if self._keep:
            self._reads += batch.sent

    def note_receipt(self, receipt: Receipt) -> None:
        """Ingest has answered; the receipt's tag is the batch."""
        assert isinstance(receipt.tag, Batch), "every batch is sent with itself as its tag"
        reads = receipt.tag.sent[receipt.offset : receipt.offset + receipt.reads]
        for read in reads:
            read.verdict = _kept(read, receipt)
            read.answered_us = round(receipt.seconds * 1e6)
        for rejection in receipt.rejections:
            reads[rejection.index].verdict = f"reject:{reason_name(rejection)}"
        self.verdicts.update(read.verdict for read in reads)
        self.image_warnings += len(receipt.warnings)
        if self._keep:
            self._seconds.extend([receipt.seconds] * len(reads))
        receipt.tag.span.end()

    def summary(self) -> dict[str, Any]:
        """Counts and latencies, as JSON will have them."""
        accepted, duplicates = self.verdicts["accept"], self.verdicts["duplicate"]
        return {
            "reads_sent": self.sent,
            "accepted": accepted,
            "duplicates": duplicates,
            "rejected": self.verdicts.total() - accepted - duplicates,
            "unanswered": self.unanswered,
            "image_warnings": self.image_warnings,
            "ack_ms": _latencies(self._seconds),
        }

    def write(self, path: Path, run: Run) -> None:
        """Write everything as JSON, at once or not at all."""
        content = {
            "run": _run(run),
            **self.summary(),
            "reads_per_s": self._reads_per_s(),
            "columns": COLUMNS,
            "reads": [[getattr(read, name) for name in COLUMNS] for read in self._reads],
        }
        draft = path.with_name(f"{path.name}.draft")
        draft.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
        draft.replace(path)

    def _reads_per_s(self) -> float:
        if len(self._reads) < 2:
            return 0.0
        micros = self._reads[-1].sent_at_us - self._reads[0].sent_at_us
        return round(len(self._reads) / max(micros / 1e6, 0.001), 1)


def run_of(report: Mapping[str, Any], *, images: bool = False) -> Run:
    """The run that a report (as parsed JSON) is about, to draw its reads again with `simulate`."""
    told = report["run"]
    seconds = inf if told["seconds"] is None else float(told["seconds"])
    warp = None if told["seconds"] is None else float(told["warp"])
    start = datetime.fromisoformat(told["start"])
    return Run(told["seed"], start, float(told["rate"]), seconds, warp, images)


def _run(run: Run) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "start": run.start.isoformat(),
        "rate": run.rate,
        "seconds": None if run.seconds == inf else run.seconds,
        "warp": run.pace,
        "images": run.images,
    }


def _kept(read: SentRead, receipt: Receipt) -> str:
    """Accepted or duplicate; a receipt with both does not say which, so then what was planned."""
    if not receipt.duplicate:
        return "accept"
    return "duplicate" if not receipt.accepted or read.plan == "duplicate" else "accept"


def _latencies(seconds: Sequence[float]) -> dict[str, float | None]:
    ordered = sorted(seconds)
    places = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {name: round(ordered[place] * 1000, 2) if ordered else None for name, place in places.items()}
