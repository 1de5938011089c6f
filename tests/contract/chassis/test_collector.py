"""A collector that is away or hangs costs a process nothing: no time, and one line of log."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.joint_spans import spans_following
from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry

PARENTS = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 101)]
# More than the queue of spans holds.
ROUNDS = 250
LEAVING_SECONDS = 15.0


@asynccontextmanager
async def collector() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A collector as a process of its own, and its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.chassis.collector"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = (await process.stdout.readline()).decode().strip()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def work(rounds: int) -> float:
    """Make spans; microseconds of this thread's processor time a span."""
    started = time.thread_time()
    for _ in range(rounds):
        with spans_following("work", PARENTS, {"force": "essex"}):
            pass
    return (time.thread_time() - started) / rounds / len(PARENTS) * 1e6


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged from a warning up."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("state", ["away", "hanging"])
@pytest.mark.timeout(180)
async def test_a_collector_that_takes_nothing_costs_nothing(
    state: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with collector() as (process, endpoint):
        async with telemetry("test", TelemetrySettings(otlp_endpoint=endpoint, otlp_metrics=False)):
            usual = work(20)
            await asyncio.sleep(1)
            process.send_signal(signal.SIGSTOP if state == "hanging" else signal.SIGKILL)
            # The SDK gives up an export after 5 s.
            for _ in range(3):
                hampered = work(ROUNDS // 3)
                await asyncio.sleep(2.5)
            left = time.monotonic()
        taken = time.monotonic() - left
    assert taken < LEAVING_SECONDS
    assert hampered < 3 * usual
    assert lines(caplog) == ["the collector takes nothing; it is tried again without further lines"]


async def test_what_is_left_is_flushed_to_a_collector_that_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    async with collector() as (_, endpoint):
        async with telemetry("test", TelemetrySettings(otlp_endpoint=endpoint, otlp_metrics=False)):
            work(20)
            left = time.monotonic()
        assert time.monotonic() - left < LEAVING_SECONDS
    assert lines(caplog) == []
