"""A line against a real database: result and cursor together, restarts, verbs, gaps, what people see."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from chassis.errors import Unavailable
from chassis.logs import JsonLines
from following import (
    ActualState,
    DesiredState,
    GatherLimits,
    LineStoppedError,
    Part,
    Progress,
    SkipGaps,
    StepFailedError,
    pause_line,
    restart_line,
    resume_line,
    retire_line,
    set_line_state,
)
from following.cursor import Cursor
from tests.contract.following.conftest import Replica, World, eventually


async def test_every_read_leaves_its_result_once_and_the_cursor_is_reported(world: World) -> None:
    await world.replica()
    for _ in range(20):
        world.log().grow(7)
        await asyncio.sleep(0.002)
    await eventually(lambda: world.is_at(140))
    assert await world.results() == list(range(1, 141))
    await eventually(lambda: world.log().reported[-1:] == [140])
    assert world.log().reported == sorted(world.log().reported)


class Silent:
    """Leaves no results."""

    def __init__(self) -> None:
        self.parts: list[int] = []

    async def run(self, part: Part[Any], progress: Progress) -> None:
        self.parts.append(part.position)


async def test_reads_without_results_move_the_cursor_now_and_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves = []
    move_to = Cursor._move_to
    monkeypatch.setattr(Cursor, "_move_to", lambda self, to: moves.append(to) or move_to(self, to))
    step = Silent()
    world.make_step = lambda replica, lease: step
    await world.replica()
    await eventually(lambda: world.is_doing(ActualState.RUNNING))
    for _ in range(100):
        world.log().grow()
        await asyncio.sleep(0.01)
    await eventually(lambda: world.is_at(100))
    assert len(step.parts) > 50
    assert len(moves) < 10


async def test_a_result_and_its_move_are_one(world: World) -> None:
    """A write that fails leaves neither, and the part comes again."""
    failures = [Unavailable("DATABASE_UNAVAILABLE", "away"), OSError("cut"), TimeoutError()]

    async def fail(_replica: str, positions: Sequence[int]) -> None:
        if failures:
            raise failures.pop()

    world.before_write = fail
    replica = await world.replica()
    world.log().grow(5)
    await eventually(lambda: world.is_at(5))
    assert await world.results() == [1, 2, 3, 4, 5]
    assert replica.starts["essex"] == 4


async def test_the_line_starts_again_from_its_cursor_when_the_epoch_is_raised(world: World) -> None:
    """Results from before the new epoch that are not committed must not be committed later."""
    replica = await world.replica()
    world.log().grow(3)
    await eventually(lambda: world.is_at(3))
    release, written = asyncio.Event(), []

    async def hold(_replica: str, positions: Sequence[int]) -> None:
        written.append(list(positions))
        if len(written) == 1:
            await release.wait()

    world.before_write = hold
    world.log().grow(3)
    await eventually(lambda: bool(written))
    await world.verb(restart_line)
    release.set()
    await eventually(lambda: world.is_at(6))
    assert written == [[4, 5, 6], [4, 5, 6]]
    assert replica.starts["essex"] == 2
    assert await world.results() == [1, 2, 3, 4, 5, 6]


async def test_wake_makes_a_restart_immediate(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("following.lines.TICK_SECONDS", 3600.0)
    replica = await world.replica()
    world.log().grow()
    await eventually(lambda: world.is_at(1))
    await world.verb(restart_line)
    replica.lines.wake()
    await eventually(lambda: replica.starts["essex"] == 2, seconds=10)


async def test_pause_and_resume(world: World) -> None:
    replica = await world.replica()
    world.log().grow()
    await eventually(lambda: world.is_at(1))
    assert (await world.verb(pause_line)).actual is ActualState.PAUSED
    await eventually(lambda: not replica.lines.running)
    world.log().grow()
    await asyncio.sleep(1)
    assert await world.is_at(1)
    assert await world.owners() == {}
    assert (await world.verb(resume_line)).actual is ActualState.RUNNING
    await eventually(lambda: world.is_at(2), seconds=5)


async def test_a_pause_lets_the_step_under_way_end(world: World) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def hold(_replica: str, positions: Sequence[int]) -> None:
        begun.set()
        await release.wait()

    world.before_write = hold
    world.limits = GatherLimits(most_reads=1)
    await world.replica()
    world.log().grow(2)
    await begun.wait()
    await world.verb(pause_line)
    await asyncio.sleep(1)
    release.set()
    await eventually(lambda: world.is_at(1))
    await eventually(_unowned(world))
    assert await world.results() == [1]


async def test_a_step_that_does_not_end_is_cancelled(world: World) -> None:
    begun = asyncio.Event()

    async def hold(_replica: str, positions: Sequence[int]) -> None:
        begun.set()
        await asyncio.Event().wait()

    world.before_write = hold
    await world.replica(stop_seconds=0.3)
    world.log().grow()
    await begun.wait()
    await world.verb(pause_line)
    await eventually(_unowned(world), seconds=5)
    assert await world.results() == []


async def test_retirement_cannot_be_undone(world: World) -> None:
    await world.replica()
    world.log().grow()
    await eventually(lambda: world.is_at(1))
    assert (await world.verb(retire_line)).actual is ActualState.IDLE
    await eventually(_unowned(world))
    for verb, *values in ((resume_line,), (pause_line,), (set_line_state, DesiredState.LIVE)):
        assert (await world.verb(verb, *values)).state is DesiredState.RETIRED


@pytest.mark.parametrize("state", [DesiredState.PLANNED, DesiredState.TESTING])
async def test_a_planned_line_waits_for_its_state(world: World, state: DesiredState) -> None:
    await world.add("essex", state=state)
    await world.replica()
    world.log().grow()
    await asyncio.sleep(1)
    assert await world.is_doing(ActualState.IDLE)
    await world.verb(set_line_state, DesiredState.SHADOW)
    await eventually(lambda: world.is_at(1), seconds=5)


async def test_a_change_of_state_starts_the_line_again(world: World) -> None:
    replica = await world.replica()
    await eventually(lambda: replica.starts["essex"] == 1)
    await world.verb(set_line_state, DesiredState.DRAINING)
    await eventually(lambda: replica.starts["essex"] == 2)


async def test_a_line_that_stops_says_why_until_it_is_resumed(world: World) -> None:
    refusing = True

    async def refuse(_replica: str, positions: Sequence[int]) -> None:
        if refusing:
            raise LineStoppedError("more than 100 reads in a row were refused")

    world.before_write = refuse
    replica = await world.replica()
    world.log().grow()
    await eventually(lambda: world.is_doing(ActualState.STOPPED))
    status = await world.status()
    assert status.stopped_reason == status.last_error == "more than 100 reads in a row were refused"
    assert status.failing_since is not None
    await eventually(_unowned(world))
    assert replica.starts["essex"] == 1
    refusing = False
    await world.verb(resume_line)
    await eventually(lambda: world.is_at(1), seconds=5)
    status = await world.status()
    assert (status.actual, status.last_error, status.failing_since) == (ActualState.RUNNING, "", None)


async def test_a_step_that_fails_is_run_again_and_people_see_since_when(world: World) -> None:
    failing = True

    async def fail(_replica: str, positions: Sequence[int]) -> None:
        if failing:
            raise StepFailedError("NAS answered UNAVAILABLE")

    world.before_write = fail
    replica = await world.replica()
    world.log().grow(4)
    await eventually(lambda: world.is_doing(ActualState.RETRYING))
    first = await world.status()
    assert first.last_error == "NAS answered UNAVAILABLE"
    world.log().grow(2)
    await eventually(lambda: _head_is(world, 6))
    assert (await world.status()).failing_since == first.failing_since
    failing = False
    await eventually(lambda: world.is_at(6))
    status = await world.status()
    assert (status.actual, status.last_error, status.failing_since) == (ActualState.RUNNING, "", None)
    assert status.last_progress_at is not None
    assert replica.starts["essex"] == 1, "the same step was run again"


async def test_the_line_of_a_failed_step_names_its_trace(world: World) -> None:
    lines, handler = list[str](), logging.Handler()
    handler.emit = lambda record: lines.append(JsonLines("test").format(record))  # type: ignore[method-assign]

    async def fail(_replica: str, positions: Sequence[int]) -> None:
        raise StepFailedError("away", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")

    world.before_write = fail
    logging.getLogger("following.follow").addHandler(handler)
    try:
        await world.replica()
        world.log().grow()
        await eventually(lambda: world.is_doing(ActualState.RETRYING))
    finally:
        logging.getLogger("following.follow").removeHandler(handler)
    told = [json.loads(line) for line in lines if "a step failed" in line]
    assert {line["trace_id"] for line in told} == {"a" * 32}


async def test_a_pause_ends_a_back_off(world: World) -> None:
    async def fail(_replica: str, positions: Sequence[int]) -> None:
        raise StepFailedError("away", retry_after=3600)

    world.before_write = fail
    world.line_options["most_wait"] = 3600.0
    await world.replica()
    world.log().grow()
    await eventually(lambda: world.is_doing(ActualState.RETRYING))
    await world.verb(pause_line)
    await eventually(_unowned(world), seconds=5)


async def test_a_failure_of_the_line_is_cleared_when_nothing_is_left_to_process(world: World) -> None:
    failing = True

    def make(replica: Replica, _lease: object) -> Silent:
        if failing:
            raise Unavailable("AWAY", "away")
        return Silent()

    world.make_step = make
    await world.replica()
    await eventually(lambda: world.is_doing(ActualState.RETRYING))
    assert (await world.status()).last_error == "AWAY"
    failing = False
    await eventually(lambda: world.is_doing(ActualState.RUNNING))


async def test_a_bug_ends_the_replica(world: World) -> None:
    async def bug(_replica: str, positions: Sequence[int]) -> None:
        raise ZeroDivisionError

    world.before_write = bug
    replica = await world.replica()
    world.log().grow()
    await eventually(replica.task.done)
    assert isinstance(replica.task.exception(), ZeroDivisionError)
    assert await world.owners() == {}
    world.replicas.clear()


async def test_a_gap_stops_the_line(world: World) -> None:
    await world.replica()
    world.log().grow(3)
    await eventually(lambda: world.is_at(3))
    _tear(world)
    await eventually(lambda: world.is_doing(ActualState.STOPPED))
    assert "deleted" in (await world.status()).stopped_reason
    assert await world.is_at(3)


async def test_a_gap_is_skipped_with_an_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.gaps = SkipGaps()
    await world.replica()
    world.log().grow(3)
    await eventually(lambda: world.is_at(3))
    _tear(world)
    await eventually(lambda: world.is_at(12))
    assert await world.results() == [1, 2, 3, 9, 10, 11, 12]
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (told.reason, told.after, told.resumes_after) == ("POSITION_PURGED", 3, 8)  # type: ignore[attr-defined]


async def test_a_log_that_was_restored_from_an_old_backup_is_followed_from_its_end(world: World) -> None:
    world.gaps = SkipGaps()
    replica = await world.replica()
    world.log().grow(9)
    await eventually(lambda: world.is_at(9))
    await replica.stop()
    world.log().head = 4
    await world.replica()
    await eventually(lambda: world.is_at(4))
    await eventually(lambda: world.log().reported[-1] == 4)


async def test_a_new_line_begins_with_the_oldest_read_that_is_left(world: World) -> None:
    world.log().grow(9)
    world.log().purged_to = 5
    await world.replica()
    await eventually(lambda: world.is_at(9))
    assert await world.results() == [6, 7, 8, 9]


async def test_several_cursors_report_the_least(world: World) -> None:
    slow = asyncio.Event()

    class Lane:
        async def run(self, part: Part[Any], progress: Progress) -> None:
            if progress.cursor == "slow":
                await slow.wait()

    world.make_step = lambda replica, lease: Lane()
    world.line_options["cursors"] = ("fast", "slow")
    await world.add("essex", cursors=("fast", "slow"))
    await world.replica()
    world.log().grow(5)

    async def fast_is_ahead() -> bool:
        rows = await world.rows("select cursor, position from line_cursors where cursor <> 'main'")
        return {row["cursor"]: row["position"] for row in rows} == {"fast": 5, "slow": 0}

    await eventually(fast_is_ahead)
    await asyncio.sleep(2)
    assert set(world.log().reported) <= {0}
    slow.set()
    await eventually(lambda: world.log().reported[-1] == 5)


async def test_a_shadow_may_report_nothing(world: World) -> None:
    world.line_options["reports"] = False
    await world.replica()
    world.log().grow()
    await eventually(lambda: world.is_at(1))
    await asyncio.sleep(2.5)
    assert world.log().reported == []


async def test_an_unavailable_log_does_not_disturb_the_step(world: World) -> None:
    replica = await world.replica()
    world.log().grow()
    await eventually(lambda: world.is_at(1))
    world.log().breaks(Unavailable("STOPPING", "the server stops"))
    world.log().grow(2)
    await asyncio.sleep(0.3)
    world.log().breaks(None)
    await eventually(lambda: world.is_at(3))
    assert replica.starts["essex"] == 1


def _unowned(world: World) -> Any:
    async def check() -> bool:
        return not await world.owners()

    return check


async def _head_is(world: World, head: int) -> bool:
    return (await world.status()).head == head


def _tear(world: World) -> None:
    """Delete reads that were not processed, while the line reconnects."""
    log = world.log()
    log.breaks(Unavailable("STOPPING", "the server stops"))
    log.grow(9)
    log.purged_to = 8
    log.breaks(None)
