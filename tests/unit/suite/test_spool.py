"""The growing segment of the write-ahead log is archived as it is at each look."""

import io
import os
from pathlib import Path

import pyrage
import pytest

from suite.backup.archive import Archive
from suite.backup.lsn import SEGMENT_BYTES, Segment
from suite.backup.wal import Spool, archived

PAGE = 8_192


class Receiver:
    """Writes a segment as pg_receivewal does: into a file of full size that holds zeros."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        self.file = folder / f"{segment.name}.partial"
        self.file.write_bytes(bytes(SEGMENT_BYTES))
        self.received = b""

    def receive(self, data: bytes) -> None:
        with self.file.open("r+b") as file:
            file.seek(len(self.received))
            file.write(data)
        self.received += data


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    made.make()
    return made


@pytest.fixture
def spool(tmp_path: Path, archive: Archive) -> Spool:
    made = Spool(tmp_path / "spool", archive)
    made.open()
    return made


def content(archive: Archive, segment: Segment, identity: pyrage.x25519.Identity) -> bytes:
    """What the archive has of a growing segment."""
    target = io.BytesIO()
    length, file = archived(archive).parts[segment]
    file.open_into(target, [identity])
    assert len(target.getvalue()) == length
    return target.getvalue()


def test_a_part_has_what_was_received_also_of_a_page_that_was_written_in_two_steps(
    spool: Spool, archive: Archive, identity: pyrage.x25519.Identity
) -> None:
    segment = Segment(1, 3)
    receiver = Receiver(spool.folder, segment)
    for size in (100, 200, PAGE, 5 * PAGE + 7, 3, 3 << 20, PAGE - 1):
        receiver.receive(b"\1" + os.urandom(size) + b"\1")
        spool.ship([identity.to_public()])
        assert content(archive, segment, identity) == receiver.received


def test_the_next_segment_and_one_that_is_received_anew_begin_at_their_first_byte(
    spool: Spool, archive: Archive, identity: pyrage.x25519.Identity
) -> None:
    first, second = Segment(1, 3), Segment(2, 3)
    for segment in (first, second):
        receiver = Receiver(spool.folder, segment)
        receiver.receive(b"\1" * (4 * PAGE))
        spool.reached = 0
        spool.ship([identity.to_public()])
        assert content(archive, segment, identity) == receiver.received
    spool.forget_growing()
    receiver = Receiver(spool.folder, second)
    receiver.receive(b"\2" * (6 * PAGE))
    spool.reached = 0
    spool.ship([identity.to_public()])
    assert content(archive, second, identity) == receiver.received
