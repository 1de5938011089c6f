"""Turns: nobody waits alone, forces share evenly, feeds share within a force."""

from __future__ import annotations

import asyncio
from collections import Counter

from chassis.turns import Turns


async def _work(turns: Turns, done: list[str], force: str, feed: str, cost: int, times: int) -> None:
    for _ in range(times):
        await turns.take(force, feed, cost)
        done.append(f"{force}/{feed}")


async def _loops(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_within_its_share_a_force_does_not_wait() -> None:
    turns = Turns(100)
    assert all(turns.try_take("essex", 10) for _ in range(10))
    assert not turns.try_take("essex", 10)
    assert turns.try_take("kent", 10)
    await _loops(2)
    assert turns.try_take("essex", 10)


async def test_a_large_slice_lets_the_loop_run_once_and_nobody_pays_alone() -> None:
    turns = Turns(100)
    done: list[str] = []
    await turns.take("essex", "a", 10_000)
    task = asyncio.create_task(_work(turns, done, "essex", "a", 10_000, 3))
    await _loops(6)
    assert len(done) == 3
    await task


async def test_a_flood_leaves_the_others_their_rounds() -> None:
    """However many streams one force has, another waits for one slice at most."""
    turns = Turns(100)
    done: list[str] = []
    flood = [asyncio.create_task(_work(turns, done, "essex", str(n), 100, 50)) for n in range(40)]
    await _loops(3)
    for _ in range(20):
        before = len(done)
        await turns.take("kent", "b", 10)
        assert len(done) - before <= 2
        await _loops(1)
    await asyncio.gather(*flood)
    assert len(done) == 2_000


async def test_two_floods_get_the_same_whatever_the_size_of_their_slices() -> None:
    turns = Turns(100)
    done: list[str] = []
    small = [asyncio.create_task(_work(turns, done, "essex", "a", 50, 10_000)) for _ in range(3)]
    large = [asyncio.create_task(_work(turns, done, "kent", "b", 1_000, 10_000)) for _ in range(9)]
    await _loops(3_000)
    served = Counter(done)
    assert 0.8 < (served["essex/a"] * 50) / (served["kent/b"] * 1_000) < 1.25
    for task in (*small, *large):
        task.cancel()


async def test_feeds_of_a_force_take_turns() -> None:
    turns = Turns(100)
    done: list[str] = []
    many = [asyncio.create_task(_work(turns, done, "essex", "many", 100, 100)) for _ in range(30)]
    one = asyncio.create_task(_work(turns, done, "essex", "one", 100, 100))
    await _loops(150)
    served = Counter(done)
    assert served["essex/one"] >= served["essex/many"] - 35
    for task in (*many, one):
        task.cancel()


async def test_a_turn_that_nobody_waits_for_any_more_is_not_charged() -> None:
    turns = Turns(100)
    await turns.take("essex", "a", 100)
    gone = asyncio.create_task(turns.take("essex", "a", 10**9))
    await _loops(1)
    gone.cancel()
    async with asyncio.timeout(1):
        await turns.take("essex", "a", 10)
        await turns.take("essex", "a", 10)
