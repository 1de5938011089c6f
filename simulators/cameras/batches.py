"""From simulated reads to batches for a feed, prepared off the event loop a little before they are due."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gantry.common.v1.read_pb2 import DIRECTION_APPROACHING, DIRECTION_DEPARTING, ReadDetails
from gantry.ingest.v1.ingest_pb2 import SubmittedRead
from gantry_sdk import PreparedBatch, prepare, read
from opentelemetry.trace import INVALID_SPAN, Span

from simulators.cameras.traffic import SimulatedRead

FeedKey = tuple[str, str]
"""Force and name of a feed."""
MOST_READS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class SentRead:
    """A read that was sent, the expected answer and the answer of ingest."""

    force: str
    camera_id: str
    read_id: str
    captured_at_us: int
    plan: str
    verdict: str = ""
    """In the words of the plan; empty while there is no answer."""
    sent_at_us: int = 0
    answered_us: int = 0
    """Microseconds from its first sending to its answer."""


@dataclass(slots=True)
class Batch:
    """Reads of one feed that are sent together."""

    feed: FeedKey
    due: float
    """Wall seconds after the start of the run."""
    sent: list[SentRead]
    prepared: PreparedBatch
    span: Span = field(default=INVALID_SPAN)


class Schedule:
    """Turns the reads of a run into batches, slot of time by slot of time."""

    def __init__(self, reads: Iterator[SimulatedRead]) -> None:
        self._reads = reads
        self._next = next(reads, None)

    @property
    def done(self) -> bool:
        """Whether everything has been taken."""
        return self._next is None

    def take(self, until: float) -> list[Batch]:
        """The batches of all reads that are due before `until`. Takes time: run it in a thread."""
        slot: dict[tuple[FeedKey, bool], list[SimulatedRead]] = {}
        while self._next is not None and self._next.send_at < until:
            # Resent reads have batches of their own, so that an acknowledgement's counts are unambiguous.
            key = (self._next.force, self._next.feed), self._next.plan == "duplicate"
            slot.setdefault(key, []).append(self._next)
            self._next = next(self._reads, None)
        return [
            _batch(feed, reads[start : start + MOST_READS])
            for (feed, _), reads in slot.items()
            for start in range(0, len(reads), MOST_READS)
        ]


def _batch(feed: FeedKey, reads: Sequence[SimulatedRead]) -> Batch:
    sent = [_sent(simulated) for simulated in reads]
    return Batch(feed, reads[0].send_at, sent, prepare([_message(simulated) for simulated in reads]))


def _sent(simulated: SimulatedRead) -> SentRead:
    micros = captured_us(simulated)
    return SentRead(simulated.force, simulated.camera_id, simulated.read_id, micros, simulated.plan)


def captured_us(simulated: SimulatedRead) -> int:
    """The read's capture time in microseconds since 1970-01-01T00:00:00Z."""
    since = simulated.captured_at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _message(simulated: SimulatedRead) -> SubmittedRead:
    approaching = simulated.direction == "approaching"
    details = ReadDetails(
        lane=simulated.lane,
        direction=DIRECTION_APPROACHING if approaching else DIRECTION_DEPARTING,
        speed_kph=simulated.speed_kph,
        plate_country=simulated.country,
        vehicle_make=simulated.make,
        vehicle_colour=simulated.colour,
        vehicle_class=simulated.vehicle_class,
    )
    return read(
        camera_id=simulated.camera_id,
        read_id=simulated.read_id,
        captured_at=captured_us(simulated),
        vrm=simulated.vrm_seen,
        confidence=simulated.confidence,
        latitude=simulated.latitude if simulated.mobile else None,
        longitude=simulated.longitude if simulated.mobile else None,
        heading=simulated.heading,
        details=details,
        plate_patch=simulated.patch or b"",
        overview=simulated.overview or b"",
        force=simulated.force,
    )
