"""What traces cost: processor time a read of runs that alternate between traced and not traced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from statistics import median
from typing import Final

from bench.measurements import Chain, run_chain
from bench.sending import accepted_nationally, enrol, plan
from suite.suite import Suite

PRODUCT: Final = ("ingest", "store", "match", "nas_bridge", "postgres")
"""The processes whose processor time is added up. The generator and the national simulators do not count."""
_BATCH_READS: Final = 500
_STREAMS: Final = 300
_labels: Final = count()

Cost = Callable[[bool], Awaitable[float]]
"""Processor time a read of a run that is traced, or not."""


async def tracing_batches(suite: Suite, pairs: int, reads: int) -> list[float]:
    """Percent that traces add to the processor time of a read, for each pair of runs with batches."""
    feeds = await enrol(suite, f"traced-{next(_labels)}", feeds_a_force=2)
    seeds = count(100)

    async def cost(traced: bool) -> float:
        before = min((await accepted_nationally(suite)).values())
        details = {"reads": reads, "batch": _BATCH_READS, "seed": next(seeds), "traced": traced}
        return _product(await run_chain(suite, plan(suite, "batches", feeds, **details), before))

    return await _alternating(cost, pairs)


async def tracing_single_reads(suite: Suite, pairs: int, seconds: float) -> list[float]:
    """The same with streams of single reads, each acknowledged before the next."""
    feeds = await enrol(suite, f"traced-{next(_labels)}", feeds_a_force=5)
    seeds = count(100)

    async def cost(traced: bool) -> float:
        before = min((await accepted_nationally(suite)).values())
        details = {"seconds": seconds, "streams": _STREAMS, "seed": next(seeds), "traced": traced}
        return _product(await run_chain(suite, plan(suite, "single", feeds, **details), before))

    return await _alternating(cost, pairs)


async def _alternating(cost: Cost, pairs: int) -> list[float]:
    """Each second pair begins with the traced run, so that a slow change of the machine cancels out."""
    await cost(False)
    added = []
    for number in range(pairs):
        order = (False, True) if number % 2 == 0 else (True, False)
        taken = {traced: await cost(traced) for traced in order}
        added.append((taken[True] / taken[False] - 1) * 100)
    return added


def _product(chain: Chain) -> float:
    return sum(chain.processor_us[process] for process in PRODUCT)


def middle(added: Sequence[float]) -> float:
    """The median: one run that something else disturbed does not move it far."""
    return median(added)
