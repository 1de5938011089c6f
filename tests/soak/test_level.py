"""Memory and lag stay level while reads flow for SECONDS (default 600); the first third is for warming up."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import psutil
import pytest

from suite.database import SERVICES
from suite.suite import Suite
from tests.chaos.flow import Flow, flowing
from tests.e2e.door import connected
from tests.e2e.machine import fresh_suite
from tests.e2e.outcome import buffer_status, destination, match_status, settled

SECONDS = float(os.environ.get("SECONDS") or 600)
SAMPLES = 60
MOST_GROWTH = 0.10
ALLOWANCE_KIB = 24 * 1024
MOST_LAG_READS = 2_000

pytestmark = pytest.mark.timeout(SECONDS + 300)


@dataclass(frozen=True)
class Sample:
    """One look at the machine: resident memory by process in KiB, and the longest lag in reads."""

    memory: dict[str, int]
    lag: int


async def test_memory_and_lag_stay_level() -> None:
    async with fresh_suite("essex", "kent") as suite, connected(suite) as connection:
        async with flowing(suite, connection, 1, tick=0.03) as flow:
            samples = await _samples(suite, flow)
        for force in suite.settings.forces:
            await settled(suite, force, len(flow.of(force)))
            assert (await buffer_status(suite, force)).reads_stored == len(flow.of(force))
            assert (await match_status(suite, force)).alerts_raised == len(flow.alerts(force))
    warm = samples[len(samples) // 3 :]
    early, late = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    for name in SERVICES:
        before, after = _typical(early, name), _typical(late, name)
        assert after <= before * (1 + MOST_GROWTH) + ALLOWANCE_KIB, (
            f"{name} grew from {before} to {after} KiB"
        )
    assert max(sample.lag for sample in warm) <= MOST_LAG_READS


async def _samples(suite: Suite, flow: Flow) -> list[Sample]:
    ends, samples = time.monotonic() + SECONDS, []
    while time.monotonic() < ends:
        # The measuring interval.
        await asyncio.sleep(SECONDS / SAMPLES)
        samples.append(Sample(_memory(suite), await _lag(suite)))
    assert len(flow.acked) > SECONDS * 10
    return samples


def _memory(suite: Suite) -> dict[str, int]:
    return {name: _resident_kib(suite.process(name).pid) for name in SERVICES}


def _resident_kib(pid: int | None) -> int:
    assert pid is not None, "a process died"
    return int(psutil.Process(pid).memory_info().rss) // 1024


async def _lag(suite: Suite) -> int:
    lags = []
    for force in suite.settings.forces:
        head = (await buffer_status(suite, force)).head
        lags.append(head - (await match_status(suite, force)).position)
        lags += [
            head - (await destination(suite, force, name)).position for name in suite.settings.destinations
        ]
    return max(lags)


def _typical(samples: Sequence[Sample], name: str) -> float:
    return median(sample.memory[name] for sample in samples)
