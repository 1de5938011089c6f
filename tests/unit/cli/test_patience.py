"""Waiting for a service has an end, and is worth it only for what may pass."""

import asyncio

import grpc
import pytest

from chassis.errors import InvalidInput, NotFound, Unavailable
from cli import patience as patience_module
from cli.exits import CliError, Exit
from cli.patience import Patience

UNKNOWN = NotFound("FORCE_UNKNOWN", "there is no such force")
AWAY = Unavailable("UNAVAILABLE", "away")
NOT_RUNNING = CliError("store is not running", Exit.UNREACHABLE)


async def test_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    patience = Patience(lambda: ["store"], "store", said.append, seconds=0.2)
    tries = [0]
    with pytest.raises(Unavailable):
        await for_ever(patience, tries)
    assert tries[0] >= 2
    assert said == ["store is not answering, trying for 0 s"]


async def for_ever(patience: Patience, tries: list[int]) -> None:
    while True:
        tries[0] += 1
        await patience.wait(AWAY)


async def test_an_answer_makes_it_whole_again() -> None:
    said: list[str] = []
    patience = Patience(lambda: ["store"], "store", said.append, seconds=0.2)
    for _ in range(2):
        await patience.wait(AWAY)
        patience.answered()
    assert len(said) == 2


@pytest.mark.parametrize(
    ("running", "error"),
    [
        ([], NOT_RUNNING),
        (["store"], CliError("wrong", Exit.USAGE)),
        (["store"], InvalidInput("VRM_INVALID", "no")),
        (["store"], UNKNOWN),
        (
            ["store"],
            grpc.aio.AioRpcError(grpc.StatusCode.DEADLINE_EXCEEDED, grpc.aio.Metadata(), grpc.aio.Metadata()),
        ),
    ],
    ids=["no suite", "wrong words", "refused", "no such force", "had its time"],
)
async def test_an_error_that_is_not_transient_is_raised_at_once(running: list[str], error: Exception) -> None:
    said: list[str] = []
    with pytest.raises(type(error)):
        await Patience(lambda: running, "store", said.append, seconds=0.2).wait(error)
    assert said == []


async def test_a_force_may_not_be_there_yet_while_the_suite_starts() -> None:
    starting, said = [True], list[str]()
    patience = Patience(lambda: True, "match", said.append, seconds=60, starting=lambda: starting[0])
    await patience.wait(UNKNOWN)
    assert said == ["match is not answering, trying for 60 s"]
    starting[0] = False
    with pytest.raises(NotFound):
        await patience.wait(UNKNOWN)


async def test_a_service_that_answers_is_not_called_silent() -> None:
    said: list[str] = []
    refusal = Unavailable("AUDIT_UNAVAILABLE", "the audit record could not be written")
    await Patience(lambda: True, "match", said.append, seconds=60).wait(refusal)
    assert said == ["match cannot do it now (the audit record could not be written); trying for 60 s"]


async def test_a_later_try_that_hangs_ends_with_the_time_and_the_first_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience_module, "_SHORTEST_TRY_SECONDS", 0.1)
    patience, tries = Patience(lambda: True, "store", lambda _: None, seconds=0.5), 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise AWAY
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="away"):
        await asyncio.wait_for(patience_module._repeated(work, patience, 3.0), 30)
    assert tries == 2


async def test_a_time_out_of_the_work_itself_is_not_taken_for_the_end_of_patience() -> None:
    patience = Patience(lambda: True, "store", lambda _: None, seconds=60)
    await patience.wait(AWAY)

    async def work() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await patience.try_again(work)


@pytest.mark.parametrize(
    ("answers", "told"), [(True, []), (False, ["store is slow to answer, still waiting"])]
)
async def test_a_service_that_has_answered_is_not_called_slow(answers: bool, told: list[str]) -> None:
    said: list[str] = []
    patience, answered = Patience(lambda: True, "store", said.append, seconds=60), asyncio.Event()

    async def work() -> None:
        if answers:
            answered.set()
        await asyncio.sleep(0.2)

    await patience_module._repeated(work, patience, 0.05, answered)
    assert said == told
