"""Reads for measuring, made cheaply from a seed."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterator, Sequence
from typing import Final

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.common.v1.read_pb2 import ReadDetails
from gantry.ingest.v1.ingest_pb2 import StreamReadsRequest, SubmittedRead
from google.protobuf.timestamp_pb2 import Timestamp

PLATES: Final = 300_000
LATITUDE_E7: Final = 517_500_000
LONGITUDE_E7: Final = 5_500_000

_DETAILS: Final = [
    ReadDetails(lane=1 + number % 3, speed_kph=60.0 + number, plate_country="GB") for number in range(60)
]
_DETAILS_BYTES: Final = [details.SerializeToString() for details in _DETAILS]


def plates(seed: int, count: int = PLATES) -> list[str]:
    """Different plates of the current British format."""
    chance, letters = random.Random(seed), string.ascii_uppercase
    found: set[str] = set()
    while len(found) < count:
        pair, three = chance.choices(letters, k=2), chance.choices(letters, k=3)
        found.add(f"{pair[0]}{pair[1]}{chance.randrange(100):02}{''.join(three)}")
    return sorted(found)


def camera_ids(feed: str, count: int) -> list[str]:
    """Identifiers of a feed's cameras."""
    return [f"{feed}-{number:03}" for number in range(count)]


class ReadMaker:
    """Makes reads of some cameras, captured now, with identifiers that never repeat for one `name`."""

    def __init__(self, name: str, cameras: Sequence[str], pool: Sequence[str], seed: int) -> None:
        self._cameras = cameras
        self._pool = pool
        self._name = name
        self._chance = random.Random(f"{seed} {name}")
        self._made = 0

    def requests(self, count: int) -> list[SubmittedRead]:
        """The next `count` reads, as a vendor's client makes them."""
        now, choose = time.time_ns() // 1000, self._chance.choice
        first = self._made
        self._made += count
        seconds, micros = divmod(now, 1_000_000)
        return [
            SubmittedRead(
                camera_id=self._cameras[number % len(self._cameras)],
                read_id=f"{self._name}-{number:08x}",
                captured_at=Timestamp(seconds=seconds, nanos=(micros + number % 997) % 1_000_000 * 1000),
                vrm=choose(self._pool),
                confidence=0.97,
                heading=number % 360,
                details=_DETAILS[number % len(_DETAILS)],
            )
            for number in range(first, first + count)
        ]

    def batch(self, count: int) -> bytes:
        """The next `count` reads as the body of a StreamReadsRequest."""
        return StreamReadsRequest(reads=self.requests(count)).SerializeToString()

    def columns(self, count: int) -> ReadColumns:
        """The next `count` reads in the form in which services pass them on."""
        now = time.time_ns() // 1000
        numbers = range(self._made, self._made + count)
        self._made += count
        return ReadColumns(
            camera_ids=self._cameras,
            camera_indexes=[number % len(self._cameras) for number in numbers],
            read_ids=[f"{self._name}-{number:08x}" for number in numbers],
            captured_at_us=[now + number % 997 for number in numbers],
            vrms=self._chance.choices(self._pool, k=count),
            confidences=[0.97] * count,
            latitudes_e7=[LATITUDE_E7 + number % 9973 for number in numbers],
            longitudes_e7=[LONGITUDE_E7 + number % 9967 for number in numbers],
            headings=[number % 360 for number in numbers],
            details=[_DETAILS_BYTES[number % len(_DETAILS_BYTES)] for number in numbers],
        )


def in_runs(total: int, run: int) -> Iterator[int]:
    """Sizes of the runs that make up `total`."""
    while total > 0:
        yield min(run, total)
        total -= run
