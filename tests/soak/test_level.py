"""Memory, descriptors, threads, sessions and lag stay level at 2,000 reads a second for SECONDS (600).

The first third is for warming up. What counts after it is the trend over all looks, and not two of them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

import psutil
import pytest

from suite.database import SERVICES
from suite.plan import CANARY
from suite.suite import Suite, erase
from tests.chaos.load import Load, everything_arrived, loading
from tests.chaos.progress import rows
from tests.e2e.door import connected
from tests.e2e.machine import settings_in
from tests.e2e.outcome import buffer_status, destination, match_status
from tests.postgres_server import throwaway_folder

SECONDS = float(os.environ.get("SECONDS") or 600)
READS_A_SECOND = float(os.environ.get("READS_A_SECOND") or 2_000)
SAMPLES = 60
LEAST_SHARE = 0.5
"""Of the reads that were wanted: on a machine that others use the rest may not fit."""
RING_BYTES = 4 << 20
"""The store's memory of recent reads, so small that it is full before the first third is over."""
MOST_GROWTH = 0.10
ALLOWANCES: Mapping[str, float] = {"memory": 24 * 1024, "descriptors": 8, "threads": 3, "sessions": 3}
"""Growth after the warm-up that is no trend, besides 10 %: KiB for memory."""
MOST_LAG_SECONDS = 2.0
"""Of reads: half of all looks must show a shorter lag, and its trend must not rise by as much."""

pytestmark = pytest.mark.timeout(SECONDS + 600)


@dataclass(frozen=True)
class Sample:
    """One look: when, the longest lag in reads, and each figure by kind and process."""

    at: float
    lag: int
    figures: Mapping[tuple[str, str], float]


async def test_everything_stays_level(
    capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    with throwaway_folder() as folder:
        settings = settings_in(folder, ("essex", "kent"))
        settings = replace(
            settings,
            environment={**settings.environment, "store": {"GANTRY_STORE__RING_BYTES": str(RING_BYTES)}},
        )
        async with Suite(settings) as suite, connected(suite) as connection:
            async with loading(suite, connection, READS_A_SECOND) as load:
                samples = await _samples(suite)
            await everything_arrived(suite, load, within=120.0)
        await erase(settings.folder)
    warm = samples[len(samples) // 3 :]
    report = _report(load, warm)
    record_property("soak", report)
    with capsys.disabled():
        print(f"\n{report}")  # noqa: T201 - figures for whoever runs it
    assert sum(load.sent.values()) > LEAST_SHARE * READS_A_SECOND * SECONDS
    assert [_told(each, warm) for each in samples[0].figures if _rises(each, warm)] == [], report
    lags = [float(sample.lag) for sample in warm]
    assert median(lags) <= MOST_LAG_SECONDS * READS_A_SECOND, report
    assert _growth(warm, lags) <= MOST_LAG_SECONDS * READS_A_SECOND, report


async def _samples(suite: Suite) -> list[Sample]:
    ends, samples = time.monotonic() + SECONDS, list[Sample]()
    while time.monotonic() < ends:
        # The measuring interval.
        await asyncio.sleep(SECONDS / SAMPLES)
        samples.append(Sample(time.monotonic(), await _lag(suite), await _figures(suite)))
    return samples


async def _figures(suite: Suite) -> dict[tuple[str, str], float]:
    figures: dict[tuple[str, str], float] = {}
    for name in (*SERVICES, CANARY):
        pid = suite.process(name).pid
        assert pid is not None, f"{name} died"
        process = psutil.Process(pid)
        figures["memory", name] = process.memory_info().rss // 1024
        figures["descriptors", name] = process.num_fds()
        figures["threads", name] = process.num_threads()
    for row in await rows(
        suite,
        "select usename, count(*) as sessions from pg_stat_activity where usename like 'gantry%' group by 1",
    ):
        figures["sessions", row["usename"]] = row["sessions"]
    return figures


async def _lag(suite: Suite) -> int:
    lags = []
    for force in suite.settings.forces:
        head = (await buffer_status(suite, force)).head
        lags.append(head - (await match_status(suite, force)).position)
        lags += [
            head - (await destination(suite, force, name)).position for name in suite.settings.destinations
        ]
    return max(lags)


def _rises(which: tuple[str, str], warm: Sequence[Sample]) -> bool:
    values = [sample.figures.get(which, 0.0) for sample in warm]
    return _growth(warm, values) > median(values) * MOST_GROWTH + ALLOWANCES[which[0]]


def _growth(warm: Sequence[Sample], values: Sequence[float]) -> float:
    """How much a figure rises from the first look to the last by its trend: the median of all slopes."""
    slopes = [
        (values[b] - values[a]) / (warm[b].at - warm[a].at) for a, b in combinations(range(len(warm)), 2)
    ]
    return median(slopes) * (warm[-1].at - warm[0].at)


def _told(which: tuple[str, str], warm: Sequence[Sample]) -> str:
    values = [sample.figures.get(which, 0.0) for sample in warm]
    return f"{which[0]} of {which[1]}: {median(values):,.0f}, trend {_growth(warm, values):+,.1f}"


def _report(load: Load, warm: Sequence[Sample]) -> str:
    lags = [float(sample.lag) for sample in warm]
    reads = f"{sum(load.sent.values()):,} reads in {SECONDS:.0f} s; ack p99 {load.p99():.3f} s"
    lag = f"lag {median(lags):,.0f} reads, trend {_growth(warm, lags):+,.0f}"
    return "\n".join((reads, lag, *(_told(each, warm) for each in sorted(warm[-1].figures))))


def test_a_leak_is_a_trend_and_noise_is_none() -> None:
    def samples(values: Sequence[float]) -> list[Sample]:
        return [Sample(10.0 * at, 0, {("threads", "store"): value}) for at, value in enumerate(values)]

    assert _rises(("threads", "store"), samples([20 + each / 2 for each in range(40)]))
    assert not _rises(("threads", "store"), samples([20 + 8 * (each % 2) for each in range(40)]))
    assert not _rises(("threads", "store"), samples([20.0] * 39 + [90.0]))
