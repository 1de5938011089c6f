"""The step against a scripted destination: order, repeats, refusals, stops."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from chassis.settings import TelemetrySettings
from chassis.telemetry import telemetry
from following import (
    DEFAULT_CURSOR,
    DesiredState,
    FencedError,
    Lease,
    LineStoppedError,
    Move,
    Part,
    StepFailedError,
)
from reads.appended import Appended
from services.nas_bridge.destinations.adapter import (
    DeliveryFailedError,
    Destination,
    Receipt,
    Refusal,
    Submission,
    SubmissionRefusedError,
)
from services.nas_bridge.destinations.destination import Route
from services.nas_bridge.forwarding.delivery import Delivery
from services.nas_bridge.forwarding.refusals import RefusalLimits
from services.nas_bridge.forwarding.step import DeliveryLimits, DeliveryStep
from services.nas_bridge.names import SpanName
from tests.unit.nas_bridge.reads import make_append, make_encoded

ROUTE = Route("essex", "nas")
LIMITS = DeliveryLimits(timeout_seconds=5, refusals=RefusalLimits(in_a_row=3, percent=50))
PARTS = [Part([make_append(1, 4), make_append(5, 4)], 8, 15), Part([make_append(12, 4)], 15, 15)]

Answer = Callable[[Submission], Receipt]


@dataclass
class ScriptedDestination:
    """Answers from a list, then takes everything."""

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


class MemoryDeliveries:
    """Writes deliveries down in a list; fails on request."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.moves: list[tuple[int, int]] = []
        self.failures: list[Exception] = []
        self.fenced = False

    async def record(self, move: Move, delivery: Delivery) -> bool:
        if self.failures:
            raise self.failures.pop(0)
        if self.fenced:
            return False
        self.deliveries.append(delivery)
        self.moves.append((move.old_position, move.new_position))
        return True


class MemoryProgress:
    """A cursor as the kit has it."""

    lease = Lease("essex", "nas", 1, DesiredState.LIVE)
    cursor = DEFAULT_CURSOR

    def __init__(self) -> None:
        self.position = 0

    async def commit(self, position: int, write: Callable[[Move], Awaitable[Any]]) -> Any:
        result = await write(Move("essex", "nas", 1, self.cursor, self.position, position, 15))
        if not result:
            raise FencedError("fenced")
        self.position = position
        return result


class Bench:
    """A step and everything around it; runs parts as the kit does, without its waits."""

    def __init__(self) -> None:
        self.destination: Any = ScriptedDestination()
        self.destination.open.set()
        self.deliveries = MemoryDeliveries()
        self.progress = MemoryProgress()
        self.limits = LIMITS
        self.said: list[str] = []

    async def open(self) -> Destination:
        opened: Destination = self.destination
        return opened

    async def run(self, parts: Sequence[Part[Appended]] = PARTS, most_failures: int = 50) -> None:
        step = DeliveryStep(ROUTE, self.open, self.deliveries, self.limits)
        for part in parts:
            while self.progress.position < part.position:
                try:
                    await step.run(part, self.progress)
                except StepFailedError as error:
                    self.said.append(str(error))
                    if len(self.said) >= most_failures:
                        return

    def recorded(self) -> list[tuple[int, int]]:
        return [(delivery.first_position, delivery.last_position) for delivery in self.deliveries.deliveries]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def names(bench: Bench) -> list[str]:
    return [submission.submission_id for submission in bench.destination.submissions]


async def test_parts_arrive_in_order_and_each_receipt_is_kept(bench: Bench) -> None:
    await bench.run()
    assert bench.recorded() == [(1, 8), (12, 15)]
    assert names(bench) == ["essex/nas/1-8", "essex/nas/12-15"]
    assert bench.deliveries.moves == [(0, 8), (8, 15)]
    assert bench.deliveries.deliveries[0].receipt_id == "receipt of essex/nas/1-8"


async def test_the_bytes_of_the_log_are_passed_on_as_they_came(bench: Bench) -> None:
    await bench.run()
    (first, _) = bench.destination.submissions
    assert [run.encoded for run in first.runs] == [item.encoded for item in PARTS[0].items]


@pytest.mark.parametrize(
    "trouble",
    [
        DeliveryFailedError("NAS answered UNAVAILABLE"),
        lambda submission: Receipt("lies", 1, 0),
        lambda submission: Receipt("lies", submission.count - 1, 0, [Refusal(99, "R", "")]),
        lambda submission: Receipt("lies", submission.count - 2, 0, [Refusal(1, "R", "")] * 2),
        ZeroDivisionError("AB12CDE"),
    ],
)
async def test_a_submission_without_a_sound_receipt_is_repeated_under_its_name(
    bench: Bench, trouble: Answer | Exception
) -> None:
    bench.destination.answers = [trouble, trouble]
    await bench.run()
    assert names(bench) == ["essex/nas/1-8"] * 3 + ["essex/nas/12-15"]
    assert bench.recorded() == [(1, 8), (12, 15)]
    assert len(bench.said) == 2
    assert all(said and "AB12" not in said for said in bench.said)


async def test_how_long_the_destination_asked_to_wait_is_passed_on(bench: Bench) -> None:
    bench.destination.answers = [DeliveryFailedError("later", retry_after=7)]
    step = DeliveryStep(ROUTE, bench.open, bench.deliveries, LIMITS)
    with pytest.raises(StepFailedError) as raised:
        await step.run(PARTS[0], bench.progress)
    assert raised.value.retry_after == 7


async def test_a_destination_that_does_not_answer_has_failed(bench: Bench) -> None:
    bench.limits = replace(LIMITS, timeout_seconds=-0.99)
    bench.destination.open.clear()
    await bench.run(most_failures=1)
    assert "no answer" in bench.said[0]


async def test_a_destination_that_cannot_be_opened_has_failed_and_is_opened_again(bench: Bench) -> None:
    errors: list[Exception] = [DeliveryFailedError("the destination cannot be opened: OSError")]

    async def open_later() -> Destination:
        if errors:
            raise errors.pop()
        opened: Destination = bench.destination
        return opened

    bench.open = open_later  # type: ignore[method-assign]
    await bench.run()
    assert bench.said == ["the destination cannot be opened: OSError"]
    assert bench.recorded() == [(1, 8), (12, 15)]


async def test_refused_reads_become_dead_letters_by_identity_and_position(bench: Bench) -> None:
    bench.destination.answers = [refuse(1, 6)]
    await bench.run()
    refused = bench.deliveries.deliveries[0].refused
    assert [(each.position, each.identity.read_id, each.reason) for each in refused] == [
        (2, "r2", "TOO_DARK"),
        (7, "r7", "TOO_DARK"),
    ]
    assert refused[0].identity == ("M25-J28", 1_763_759_612_000_008, "r2")


async def test_too_many_refusals_stop_the_line_before_they_are_written_down(bench: Bench) -> None:
    bench.destination.answers = [refuse(2, 3, 4, 5)]
    with pytest.raises(LineStoppedError, match=r"in a row.*resume the destination"):
        await bench.run()
    assert (bench.progress.position, bench.deliveries.deliveries) == (0, [])


async def test_a_receipt_that_cannot_be_written_down_leaves_the_cursor(bench: Bench) -> None:
    bench.deliveries.failures = [OSError("cut")]
    with pytest.raises(OSError, match="cut"):
        await bench.run()
    assert bench.progress.position == 0
    await bench.run()
    assert names(bench) == ["essex/nas/1-8"] * 2 + ["essex/nas/12-15"]
    assert bench.recorded() == [(1, 8), (12, 15)]


async def test_a_fenced_step_writes_nothing(bench: Bench) -> None:
    bench.deliveries.fenced = True
    with pytest.raises(FencedError):
        await bench.run()
    assert bench.deliveries.deliveries == []


class Poisoned(ScriptedDestination):
    """Refuses every submission that holds one of these reads."""

    def __init__(self, *read_ids: str, divisible: bool = True) -> None:
        super().__init__()
        self.open.set()
        self.poison = set(read_ids)
        self.divisible = divisible

    async def deliver(self, submission: Submission) -> Receipt:
        receipt = await super().deliver(submission)
        if self.poison & {read_id for run in submission.runs for read_id in run.columns.read_ids}:
            raise SubmissionRefusedError("NAS answered X", reason="X", divisible=self.divisible)
        return receipt


def settled(bench: Bench) -> tuple[list[str], list[int]]:
    """The reads that the destination took, in its order, and the positions of dead letters."""
    refused = [each.position for delivery in bench.deliveries.deliveries for each in delivery.refused]
    dead = {f"r{position}" for position in refused}
    submissions = bench.destination.submissions
    known = {name for one in submissions for run in one.runs for name in run.columns.read_ids}
    return sorted(known - dead, key=lambda name: int(name[1:])), refused


@pytest.mark.parametrize("poison", [("r1",), ("r8",), ("r3", "r4"), ("r6", "r13"), ("r12", "r15")])
async def test_a_read_that_spoils_its_submission_is_found_and_the_rest_arrives(
    bench: Bench, poison: tuple[str, ...]
) -> None:
    bench.destination = Poisoned(*poison)
    await bench.run()
    taken, dead = settled(bench)
    assert dead == [int(name[1:]) for name in poison]
    assert {f"r{position}" for position in (*range(1, 9), *range(12, 16))} == {*taken, *poison}
    moves = bench.deliveries.moves
    assert [old for old, _ in moves] == [0, *(new for _, new in moves[:-1])]
    deliveries = bench.deliveries.deliveries
    covered = sum(each.accepted + each.duplicate + len(each.refused) for each in deliveries)
    assert covered == 12
    letters = [letter for each in deliveries for letter in each.refused]
    assert {letter.reason for letter in letters} == {"X"}
    assert [letter.identity.read_id for letter in letters] == list(poison)


async def test_a_refusal_is_logged_once_and_the_whole_is_tried_before_its_reads_are_suspected(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination = Poisoned("r2")
    await bench.run()
    assert names(bench)[:5] == ["essex/nas/1-8"] * 4 + ["essex/nas/1-4"]
    assert bench.said == ["NAS answered X"] * 3
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert told.reason == "X"  # type: ignore[attr-defined]


async def test_a_refused_sender_loses_no_read_and_it_is_logged_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.destination = Poisoned("r2", divisible=False)
    await bench.run(most_failures=7)
    assert set(names(bench)) == {"essex/nas/1-8"}
    assert bench.deliveries.deliveries == []
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    bench.destination.poison.clear()
    await bench.run()
    assert settled(bench)[1] == []


async def test_a_destination_that_refuses_everything_causes_no_dead_letters(bench: Bench) -> None:
    bench.destination = Poisoned(*(f"r{position}" for position in range(1, 9)))
    await bench.run(most_failures=9)
    assert any("in a row" in said for said in bench.said)
    assert (bench.progress.position, bench.deliveries.deliveries) == (0, [])
    bench.destination.poison.clear()
    await bench.run()
    assert settled(bench)[1] == []


async def test_a_failure_during_the_search_repeats_only_what_is_not_settled(bench: Bench) -> None:
    bench.destination = Poisoned("r4")
    unavailable = DeliveryFailedError("NAS answered UNAVAILABLE")
    # Three times whole and once more, then 1-4, 1-2 (taken), and a failure.
    bench.destination.answers = [*[accept_all] * 6, unavailable]
    await bench.run()
    assert settled(bench)[1] == [4]
    assert names(bench)[6:9] == ["essex/nas/3-4", "essex/nas/3-8", "essex/nas/3-5"]


async def test_a_failure_names_the_trace_of_the_delivery(bench: Bench, tmp_path: Path) -> None:
    spans, traceparent = tmp_path / "spans.jsonl", f"00-{'1' * 32}-{'2' * 16}-01"
    bench.destination.answers = [DeliveryFailedError("NAS answered UNAVAILABLE")]
    step = DeliveryStep(ROUTE, bench.open, bench.deliveries, bench.limits)
    async with telemetry("nas_bridge", TelemetrySettings(spans_file=spans)):
        with pytest.raises(StepFailedError) as failed:
            await step.run(Part([Appended(make_encoded(1, 4, traceparent))], 4, 4), bench.progress)
    (span,) = [json.loads(line) for line in spans.read_text().splitlines()]
    assert (span["name"], span["status"]) == (SpanName.BRIDGE_FORWARD, "ERROR")
    assert failed.value.traceparent == f"00-{'1' * 32}-{span['span_id']}-01"
