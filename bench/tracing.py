"""What traces cost: processor time a read of runs that alternate between traced and not traced.

On a machine that others use, such runs differ by more than traces cost. So the suite follows ten times as
many traces as usual, and what they add is divided by as much. The spans are counted as well, and their number
is multiplied by the measured cost of one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import accumulate, count
from math import comb
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.measurements import Chain, run_chain
from bench.sending import accepted_nationally, enrol, plan
from chassis.joint_spans import spans_following
from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry
from suite.suite import Suite

PRODUCT: Final = ("ingest", "store", "match", "nas_bridge", "postgres")
"""The processes whose processor time is added up. The generator and the national simulators do not count."""
USUAL_TRACES: Final = 20.0
"""The batches a second that ingest follows unless it is told otherwise."""
MANY_TRACES: Final = 10 * USUAL_TRACES
"""The limit of the suite in which is measured."""
_BATCH_READS: Final = 500
_TAIL: Final = 0.025
_STREAMS: Final = 300
_ROUNDS: Final = 200
_ORIGINS: Final = 10
# By then the spans of a run are in the files.
_WRITTEN_SECONDS: Final = 1.5
_labels: Final = count()

Run = Callable[[bool], Awaitable[Chain]]
"""Carries out a run that is traced, or not."""


@dataclass
class Added:
    """Percent that the usual number of traces adds to the product's processor time."""

    pairs: list[float] = field(default_factory=list)
    """By the processor time a read of each pair of runs."""
    counted: float = 0.0
    """By the number of spans, and the cost of one."""

    @property
    def middle(self) -> float:
        """The median of the pairs: one run that something else disturbed does not move it far."""
        return median(self.pairs)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true median lies with 95 percent confidence; of fewer than 6 pairs, with less."""
        below = _outside(len(self.pairs))
        ordered = sorted(self.pairs)
        return ordered[below], ordered[-1 - below]


def _outside(pairs: int) -> int:
    """How many pairs the interval leaves out at each end, by the binomial distribution with a half."""
    tails = accumulate(comb(pairs, below) for below in range(pairs + 1))
    return max(0, sum(tail <= _TAIL * (1 << pairs) for tail in tails) - 1)


async def tracing_batches(suite: Suite, pairs: int, reads: int) -> Added:
    """What traces add for gateways with batches. The suite follows up to `MANY_TRACES`."""
    return await _sending(suite, "batches", pairs, feeds_a_force=2, reads=reads, batch=_BATCH_READS)


async def tracing_single_reads(suite: Suite, pairs: int, seconds: float) -> Added:
    """What traces add for streams of single reads, each acknowledged before the next. As above."""
    return await _sending(suite, "single", pairs, feeds_a_force=5, seconds=seconds, streams=_STREAMS)


async def _sending(suite: Suite, what: str, pairs: int, *, feeds_a_force: int, **details: float) -> Added:
    """What traces add for a plan of `bench.sending` with these details."""
    feeds = await enrol(suite, f"traced-{next(_labels)}", feeds_a_force=feeds_a_force)
    seeds = count(100)

    async def run(traced: bool) -> Chain:
        before = min((await accepted_nationally(suite)).values())
        planned = plan(suite, what, feeds, **details, seed=next(seeds), traced=traced)
        return await run_chain(suite, planned, before)

    return await _alternating(suite, run, pairs)


async def _alternating(suite: Suite, run: Run, pairs: int) -> Added:
    """Each second pair begins with the traced run, so that a slow change of the machine cancels out."""
    await run(False)
    added, spans, spent = Added(), 0.0, 0.0
    for number in range(pairs):
        a_read: dict[bool, float] = {}
        for traced in (False, True) if number % 2 == 0 else (True, False):
            before, batches = _spans_written(suite), _batches_followed(suite)
            chain = await run(traced)
            a_read[traced] = sum(chain.processor_us[process] for process in PRODUCT)
            if traced:
                await asyncio.sleep(_WRITTEN_SECONDS)
                share = _usual_share(chain, _batches_followed(suite) - batches)
                spans += (_spans_written(suite) - before) * share
                spent += a_read[traced] * chain.reads
        added.pairs.append((a_read[True] / a_read[False] - 1) * 100 * share)
    added.counted = spans * await _cost_of_a_span() / spent * 100
    return added


def _usual_share(chain: Chain, followed: int) -> float:
    """The share of the batches followed that would be followed usually. Raises RuntimeError."""
    if followed <= 0:
        raise RuntimeError("ingest wrote no spans, or began its file of spans anew: measure fewer --pairs")
    a_second = followed * chain.reads_per_second / chain.reads
    return min(1.0, USUAL_TRACES / a_second)


def _batches_followed(suite: Suite) -> int:
    return _lines(suite.layout.spans / "ingest.jsonl", b'"ingest.batch"')


def _spans_written(suite: Suite) -> int:
    return sum(_lines(suite.layout.spans / f"{process}.jsonl", b"\n") for process in PRODUCT)


def _lines(file: Path, with_text: bytes) -> int:
    return file.read_bytes().count(with_text) if file.exists() else 0


async def _cost_of_a_span() -> float:
    """Microseconds of processor time for a span of ours: made, and written to a file."""
    origins = [f"00-{number:032x}-{number:016x}-01" for number in range(1, _ORIGINS + 1)]
    about: dict[str, str | int] = {
        "force": "essex",
        "destination": "nas",
        "reads": 3,
        "submission_id": "essex/nas/1-2",
    }
    with TemporaryDirectory() as folder:
        started = time.process_time()
        async with telemetry("bench", TelemetrySettings(spans_file=Path(folder) / "spans.jsonl")):
            for _ in range(_ROUNDS):
                with spans_following("bench.span", origins, about):
                    pass
        taken = time.process_time() - started
    return taken / _ROUNDS / _ORIGINS * 1e6
