"""Retries are bounded, wait with full jitter, and honour what the far side asks for."""

from __future__ import annotations

import asyncio
import time

import pytest

from chassis.client import retrying
from chassis.deadline import begin, bounded, end
from chassis.errors import Unavailable


async def test_the_far_sides_wish_is_the_least_wait():
    async def call() -> None:
        raise Unavailable("AWAY", "away", retry_after=0.05)

    began = time.monotonic()
    with pytest.raises(Unavailable):
        await retrying(call, attempts=3, first=0.0, most=0.0, on=lambda _: True)
    assert time.monotonic() - began >= 0.1


async def test_cancelling_ends_the_wait():
    async def call() -> None:
        raise Unavailable("AWAY", "away", retry_after=60)

    task = asyncio.create_task(retrying(call, attempts=3, first=1, most=1, on=lambda _: True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_that_are_no_faults_pass_at_once():
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        raise KeyError

    with pytest.raises(KeyError):
        await retrying(call, attempts=3, first=1, most=1, on=lambda _: True)
    assert calls == 1


def test_a_budget_bounds_and_ends():
    token = begin(5)
    assert 4 < bounded(10) < 5
    assert bounded(1) == 1
    end(token)
    assert bounded(10) == 10
    token = begin(0)
    assert bounded(10) == 0
    end(token)
