"""The forwarder against a scripted log, destination and records: order, repeats, refusals, stops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse

from chassis.database_faults import database_unavailable
from services.nas_bridge.destination import (
    DestinationAwayError,
    Receipt,
    Refusal,
    Submission,
    SubmissionRefusedError,
)
from services.nas_bridge.follower import LogGapError
from services.nas_bridge.forwarder import Forwarder, ForwarderLimits
from services.nas_bridge.intake import Intake, ParcelLimits
from services.nas_bridge.records import ClaimLostError, Delivery, Route, State
from services.nas_bridge.refusals import RefusalLimits
from tests.unit.nas_bridge.reads import make_batch

ROUTE = Route("essex", "nas")
LIMITS = ForwarderLimits(
    parcel=ParcelLimits(most_reads=10, most_bytes=1_000_000, gather_seconds=0),
    refusals=RefusalLimits(in_a_row=3, percent=50),
    timeout_seconds=5,
    retry_first_seconds=0.001,
    retry_most_seconds=0.002,
)


@dataclass
class ScriptedLog:
    """Follows like the real one: everything after the intake's position, then waits."""

    batches: list[ReadBatch]
    purged_to: int = 0

    async def follow(self, intake: Intake) -> None:
        if 0 < intake.position < self.purged_to:
            raise LogGapError("the store deleted reads before they were delivered", self.purged_to + 1)
        for batch in self.batches:
            if batch.positions[0] > intake.position:
                last = batch.positions[-1]
                await intake.put(TailReadsResponse(batches=[batch], position=last, head=last), 100)
        await asyncio.Event().wait()


Answer = Callable[[Submission], Receipt]


@dataclass
class ScriptedDestination:
    """Takes everything, after a list of answers or exceptions given beforehand is used up."""

    answers: list[Answer | Exception] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, submission: Submission) -> Receipt:
        self.submissions.append(submission)
        await self.open.wait()
        answer = self.answers.pop(0) if self.answers else accept_all
        if isinstance(answer, Exception):
            raise answer
        return answer(submission)


def accept_all(submission: Submission) -> Receipt:
    return Receipt(f"receipt of {submission.submission_id}", submission.count, 0)


def refuse(*indexes: int) -> Answer:
    def answer(submission: Submission) -> Receipt:
        refusals = [Refusal(index, "TOO_DARK", "Cannot be seen.") for index in indexes]
        return Receipt("r", submission.count - len(indexes), 0, refusals)

    return answer


class MemoryClaims:
    """One row, fenced as in PostgreSQL; it can lose a claim or fail a write on request."""

    def __init__(self) -> None:
        self.position = 0
        self.epoch = 0
        self.deliveries: list[Delivery] = []
        self.states: list[tuple[State, str]] = []
        self.failures: list[Exception] = []
        self.gone = asyncio.Event()
        self.held = False

    @asynccontextmanager
    async def hold(self, route: Route) -> AsyncIterator["MemoryClaim"]:
        self.epoch += 1
        self.gone = asyncio.Event()
        self.held = True
        try:
            yield MemoryClaim(self)
        finally:
            self.held = False


class MemoryClaim:
    def __init__(self, row: MemoryClaims) -> None:
        self._row, self._epoch, self._gone = row, row.epoch, row.gone
        self.position = row.position

    async def lost(self) -> None:
        await self._gone.wait()

    async def record_delivery(self, delivery: Delivery) -> None:
        self._move(delivery.before, delivery.after)
        self._row.deliveries.append(delivery)

    async def move_cursor(self, before: int, after: int, head: int) -> None:
        self._move(before, after)

    async def note_state(self, state: State, error: str, head: int) -> None:
        self._row.states.append((state, error))

    def _move(self, before: int, after: int) -> None:
        if self._row.failures:
            raise self._row.failures.pop(0)
        if (self._epoch, before) != (self._row.epoch, self._row.position):
            raise ClaimLostError("fenced off")
        self._row.position = after


class SilentReport:
    def note(self, position: int) -> None:
        pass

    async def report_forever(self) -> None:
        await asyncio.Event().wait()


class Bench:
    """A forwarder and everything around it."""

    def __init__(self) -> None:
        self.log = ScriptedLog([make_batch(1, 4), make_batch(5, 4), make_batch(12, 4)])
        self.destination: Any = ScriptedDestination()
        self.destination.open.set()
        self.claims = MemoryClaims()
        self.limits = LIMITS
        self.task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        forwarder = Forwarder(
            route=ROUTE,
            destination=self.destination,
            follower=self.log,  # type: ignore[arg-type]
            claims=self.claims,
            report=SilentReport(),  # type: ignore[arg-type]
            limits=self.limits,
        )
        self.task = asyncio.create_task(forwarder.run())
        return self.task

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():
                assert self.task is None or not self.task.done(), "the forwarder ended"
                await asyncio.sleep(0.001)

    async def until_delivered(self) -> None:
        await self.until(lambda: self.claims.position == 15)

    def recorded(self) -> list[tuple[int, int]]:
        return [(delivery.first_position, delivery.last_position) for delivery in self.claims.deliveries]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.stop()


def names(bench: Bench) -> list[str]:
    return [submission.submission_id for submission in bench.destination.submissions]


async def test_the_log_arrives_in_order_and_each_receipt_is_kept(bench: Bench) -> None:
    bench.start()
    await bench.until_delivered()
    assert bench.recorded() == [(1, 8), (12, 15)]
    assert names(bench) == ["essex/nas/1-8", "essex/nas/12-15"]
    assert [(each.before, each.after) for each in bench.claims.deliveries] == [(0, 8), (8, 15)]
    assert bench.claims.deliveries[0].receipt_id == "receipt of essex/nas/1-8"


async def test_it_goes_on_from_its_cursor(bench: Bench) -> None:
    bench.claims.position = 8
    bench.start()
    await bench.until_delivered()
    assert bench.recorded() == [(12, 15)]


@pytest.mark.parametrize(
    "trouble",
    [
        DestinationAwayError("NAS answered UNAVAILABLE"),
        lambda submission: Receipt("lies", 1, 0),
        lambda submission: Receipt("lies", submission.count - 1, 0, [Refusal(99, "R", "")]),
        lambda submission: Receipt("lies", submission.count - 2, 0, [Refusal(1, "R", "")] * 2),
        ZeroDivisionError("AB12CDE"),
    ],
)
async def test_what_gets_no_sound_receipt_is_repeated_under_its_name(
    bench: Bench, trouble: Answer | Exception
) -> None:
    bench.destination.answers = [trouble, trouble]
    bench.start()
    await bench.until_delivered()
    assert names(bench) == ["essex/nas/1-8"] * 3 + ["essex/nas/12-15"]
    assert bench.recorded() == [(1, 8), (12, 15)]
    assert [state for state, _ in bench.claims.states] == [State.RETRYING] * 2
    assert all(error and "AB12" not in error for _, error in bench.claims.states)


async def test_an_answer_that_does_not_come_is_a_failure(bench: Bench) -> None:
    bench.limits = replace(LIMITS, timeout_seconds=-0.99)
    bench.destination.open.clear()
    bench.start()
    await bench.until(lambda: len(bench.claims.states) > 1)
    assert "no answer" in bench.claims.states[0][1]


async def test_refused_reads_become_dead_letters_by_name_and_position(bench: Bench) -> None:
    bench.destination.answers = [refuse(1, 6)]
    bench.start()
    await bench.until_delivered()
    refused = bench.claims.deliveries[0].refused
    assert [(each.position, each.name.read_id, each.reason) for each in refused] == [
        (2, "r2", "TOO_DARK"),
        (7, "r7", "TOO_DARK"),
    ]
    assert refused[0].name.camera_id == "M25-J28"
    assert refused[0].name.captured_at.isoformat() == "2025-11-21T21:13:32.000008+00:00"


async def test_too_many_refusals_stop_the_line_before_they_are_written_down(bench: Bench) -> None:
    bench.destination.answers = [refuse(2, 3, 4, 5)]
    bench.start()
    await bench.until(lambda: bool(bench.claims.states))
    ((state, error),) = bench.claims.states
    assert state is State.STOPPED
    assert "in a row" in error
    assert (bench.claims.position, bench.claims.deliveries, bench.claims.held) == (0, [], True)


async def test_a_purged_log_stops_the_line(bench: Bench) -> None:
    bench.claims.position, bench.log.purged_to = 4, 11
    bench.start()
    await bench.until(lambda: bool(bench.claims.states))
    assert bench.claims.states[0][0] is State.STOPPED
    assert bench.claims.position == 4


async def test_a_purged_log_can_be_skipped_if_the_operator_says_so(bench: Bench) -> None:
    bench.limits = replace(LIMITS, skip_purged=True)
    bench.claims.position, bench.log.purged_to = 4, 11
    bench.start()
    await bench.until_delivered()
    assert bench.recorded() == [(12, 15)]


async def test_a_lost_claim_begins_again_from_the_cursor(bench: Bench) -> None:
    bench.destination.open.clear()
    bench.start()
    await bench.until(lambda: bool(bench.destination.submissions))
    bench.claims.gone.set()
    bench.destination.open.set()
    await bench.until_delivered()
    assert bench.claims.epoch == 2
    assert bench.recorded() == [(1, 8), (12, 15)]


@pytest.mark.parametrize("failure", [ClaimLostError("fenced off"), database_unavailable(), OSError("cut")])
async def test_a_receipt_that_cannot_be_kept_is_fetched_again(bench: Bench, failure: Exception) -> None:
    bench.claims.failures = [failure]
    bench.start()
    await bench.until_delivered()
    assert names(bench) == ["essex/nas/1-8"] * 2 + ["essex/nas/12-15"]
    assert bench.recorded() == [(1, 8), (12, 15)]


async def test_a_bug_ends_the_forwarder_for_everyone_to_see(bench: Bench) -> None:
    bench.claims.failures = [KeyError("a bug")]
    with pytest.raises(KeyError):
        await bench.start()


class Poisoned(ScriptedDestination):
    """Refuses every submission that holds one of these reads."""

    def __init__(self, *read_ids: str, divisible: bool = True) -> None:
        super().__init__()
        self.open.set()
        self.poison = set(read_ids)
        self.divisible = divisible

    async def deliver(self, submission: Submission) -> Receipt:
        receipt = await super().deliver(submission)
        if self.poison & {read_id for run in submission.runs for read_id in run.read_ids}:
            raise SubmissionRefusedError("NAS answered X", reason="X", divisible=self.divisible)
        return receipt


def settled(bench: Bench) -> tuple[list[str], list[int]]:
    """The reads that the destination took, in its order, and the positions of dead letters."""
    refused = [each.position for delivery in bench.claims.deliveries for each in delivery.refused]
    dead = {f"r{position}" for position in refused}
    known = {name for one in bench.destination.submissions for run in one.runs for name in run.read_ids}
    return sorted(known - dead, key=lambda name: int(name[1:])), refused


@pytest.mark.parametrize("poison", [("r1",), ("r8",), ("r3", "r4"), ("r6", "r13"), ("r12", "r15")])
async def test_a_read_that_spoils_its_submission_is_found_and_the_rest_arrives(
    bench: Bench, poison: tuple[str, ...]
) -> None:
    bench.destination = Poisoned(*poison)
    bench.start()
    await bench.until_delivered()
    taken, dead = settled(bench)
    assert dead == [int(name[1:]) for name in poison]
    assert {f"r{position}" for position in (*range(1, 9), *range(12, 16))} == {*taken, *poison}
    deliveries = bench.claims.deliveries
    assert [each.before for each in deliveries] == [0, *(each.after for each in deliveries[:-1])]
    covered = sum(each.accepted + each.duplicate + len(each.refused) for each in deliveries)
    assert covered == 12
    letters = [letter for each in deliveries for letter in each.refused]
    assert {letter.reason for letter in letters} == {"X"}
    assert [letter.name.read_id for letter in letters] == list(poison)


async def test_it_is_told_once_and_the_whole_is_tried_before_its_reads_are_suspected(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination = Poisoned("r2")
    bench.start()
    await bench.until_delivered()
    assert names(bench)[:5] == ["essex/nas/1-8"] * 4 + ["essex/nas/1-4"]
    assert bench.claims.states == [(State.RETRYING, "NAS answered X")] * 3
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert told.reason == "X"  # type: ignore[attr-defined]


async def test_a_refused_sender_loses_no_read_and_is_told_of_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination = Poisoned("r2", divisible=False)
    bench.start()
    await bench.until(lambda: len(bench.claims.states) > 6)
    assert set(names(bench)) == {"essex/nas/1-8"}
    assert bench.claims.deliveries == []
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    bench.destination.poison.clear()
    await bench.until_delivered()
    assert settled(bench)[1] == []


async def test_a_destination_that_refuses_everything_gets_no_dead_letters_out_of_it(bench: Bench) -> None:
    bench.destination = Poisoned(*(f"r{position}" for position in range(1, 9)))
    bench.start()
    await bench.until(lambda: any("in a row" in error for _, error in bench.claims.states))
    assert (bench.claims.position, bench.claims.deliveries) == (0, [])
    bench.destination.poison.clear()
    await bench.until_delivered()
    assert settled(bench)[1] == []


async def test_going_away_in_the_middle_of_the_search_repeats_only_what_is_not_settled(bench: Bench) -> None:
    bench.destination = Poisoned("r4")
    away = DestinationAwayError("NAS answered UNAVAILABLE")
    # Three times whole and once more, then 1-4, 1-2 (taken), and away.
    bench.destination.answers = [*[accept_all] * 6, away]
    bench.start()
    await bench.until_delivered()
    assert settled(bench)[1] == [4]
    assert names(bench)[6:9] == ["essex/nas/3-4", "essex/nas/3-8", "essex/nas/3-5"]


async def test_stopping_brings_a_delivery_to_its_end(bench: Bench) -> None:
    bench.destination.open.clear()
    task = bench.start()
    await bench.until(lambda: bool(bench.destination.submissions))
    task.cancel()
    await asyncio.sleep(0)
    bench.destination.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.recorded() == [(1, 8)]
    assert not bench.claims.held


async def test_stopping_twice_does_not_wait(bench: Bench) -> None:
    bench.destination.open.clear()
    task = bench.start()
    await bench.until(lambda: bool(bench.destination.submissions))
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.recorded() == []
