"""Turns of imports: few at once, shared out among the forces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.match.hotlists.turns import Turns


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Imports:
    """Imports that hold their turn until they are told to end, in the order in which they got it."""

    def __init__(self, turns: Turns) -> None:
        self.running: list[str] = []
        self.begun: list[str] = []
        self._turns = turns
        self._ends: dict[str, list[asyncio.Event]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, *forces: str) -> list[asyncio.Task[None]]:
        asked = [asyncio.create_task(self._import(force)) for force in forces]
        self._tasks += asked
        await _settle()
        return asked

    async def end(self, force: str) -> None:
        self._ends[force].pop(0).set()
        await _settle()

    async def end_all(self) -> None:
        while self.running:
            await self.end(self.running[0])
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _import(self, force: str) -> None:
        async with self._turns.of(force):
            self.begun.append(force)
            self.running.append(force)
            end = asyncio.Event()
            self._ends.setdefault(force, []).append(end)
            try:
                await end.wait()
            finally:
                self.running.remove(force)


async def test_one_force_leaves_a_turn_to_the_others():
    imports = Imports(Turns(2))
    await imports.ask("essex", "essex", "essex")
    assert imports.running == ["essex"]
    await imports.ask("kent")
    assert imports.running == ["essex", "kent"]
    await imports.end_all()


async def test_the_only_turn_goes_round():
    imports = Imports(Turns(1))
    await imports.ask("essex", "essex", "essex", "kent", "surrey", "kent")
    while imports.running:
        await imports.end(imports.running[0])
    assert imports.begun == ["essex", "essex", "kent", "surrey", "essex", "kent"]


@pytest.mark.parametrize("at_once", [1, 2])
async def test_an_import_that_is_cancelled_leaves_its_place_or_gives_back_its_turn(at_once):
    turns = Turns(at_once)
    imports = Imports(turns)
    first, waiting, last = await imports.ask("essex", "essex", "essex")
    waiting.cancel()
    await _settle()
    first.cancel()
    await _settle()
    assert not last.done()
    assert imports.begun == ["essex", "essex"]
    await imports.end_all()
    assert turns._free == at_once
    assert not turns._waiting


async def test_a_turn_that_comes_while_its_import_is_cancelled_is_given_back():
    imports = Imports(Turns(1))
    _, second, third = await imports.ask("essex", "essex", "kent")
    # Both happen before the second import runs again.
    imports._ends["essex"][0].set()
    await asyncio.sleep(0)
    second.cancel()
    await _settle()
    assert imports.running == ["kent"]
    await imports.end_all()
    assert third.done()


@given(at_once=st.integers(1, 4), forces=st.lists(st.sampled_from("abc"), max_size=20))
def test_everyone_gets_a_turn_and_never_too_many_at_once(at_once: int, forces: Sequence[str]) -> None:
    async def all_of_them() -> None:
        imports = Imports(Turns(at_once))
        await imports.ask(*forces)
        while imports.running:
            assert len(imports.running) <= at_once
            assert all(imports.running.count(force) <= max(1, at_once - 1) for force in imports.running)
            await imports.end(imports.running[-1])
        assert sorted(imports.begun) == sorted(forces)

    asyncio.run(all_of_them())
