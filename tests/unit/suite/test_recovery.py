"""What a starting PostgreSQL is said to do, from the lines of its log."""

import os
from pathlib import Path

import pytest

from suite.disk import ended_for_want_of_room
from suite.recovery import end_of_wal, own_recovery, starting_sentence

MIB = 1 << 20
BEGUN = "LOG:  database system was interrupted; last known up at 2026-11-27 11:15:02 UTC\n"
SYNCING = "LOG:  syncing data directory (fsync), elapsed time: 3.01 s, current path: ./base/5/1259\n"
REDO = BEGUN + "LOG:  redo starts at 0/1000000\n"
END = 0x1000000 + 400 * MIB


def at(seconds: float, done: int) -> str:
    place = 0x1000000 + done
    return f"LOG:  redo in progress, elapsed time: {seconds:.2f} s, current LSN: 0/{place:X}\n"


@pytest.mark.parametrize(
    ("log", "end", "sentence"),
    [
        ("LOG:  starting PostgreSQL 18.1\n", None, "PostgreSQL is starting"),
        (BEGUN, END, "PostgreSQL recovers from a crash: it looks for the place where to begin"),
        (
            BEGUN + SYNCING,
            END,
            "PostgreSQL recovers from a crash: its files are being synced to disk, for 3 s",
        ),
        (REDO, END, "PostgreSQL recovers from a crash: redo begins of 400 MiB of log"),
        (
            REDO + at(1, 20 * MIB) + at(5, 100 * MIB),
            END,
            "PostgreSQL recovers from a crash: redo is at 25 % of 400 MiB of log after 5 s, about 15 s left",
        ),
        (
            REDO + at(1, 20 * MIB),
            None,
            "PostgreSQL recovers from a crash: redo has read 20 MiB of log in 1 s",
        ),
        (
            REDO + at(1, 20 * MIB) + "LOG:  redo done at 0/2000000 system usage: CPU\n",
            END,
            "PostgreSQL recovers from a crash: redo is done, and a checkpoint writes it to disk",
        ),
    ],
)
def test_the_sentence_says_how_far_it_is(log: str, end: int | None, sentence: str) -> None:
    assert starting_sentence(log, end) == sentence


def test_a_recovery_of_a_running_server_is_noticed_until_its_end() -> None:
    ready = "LOG:  database system is ready to accept connections\n"
    again = "LOG:  all server processes terminated; reinitializing\n" + REDO
    assert own_recovery(ready) == ""
    assert starting_sentence(own_recovery(ready + again + at(2, 100 * MIB)), END).endswith(
        "redo is at 25 % of 400 MiB of log after 2 s, about 6 s left"
    )
    assert own_recovery(ready + again + ready) == ""
    assert own_recovery(ready + again + ready + again) != ""


def test_the_end_is_that_of_the_segment_written_last(tmp_path: Path) -> None:
    for name, at_seconds in (("000000010000000200000003", 200), ("000000010000000200000009", 100)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at_seconds, at_seconds))
    (tmp_path / "archive_status").mkdir()
    assert end_of_wal(tmp_path) == (2 << 32) + 4 * 16 * MIB


def test_no_segments_say_nothing_of_the_end(tmp_path: Path) -> None:
    assert end_of_wal(tmp_path) is None
    assert end_of_wal(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        ('PANIC:  could not write to file "pg_wal/xlogtemp.7": No space left on device', True),
        ('FATAL:  could not write lock file "postmaster.pid": No space left on device', True),
        ('ERROR:  could not extend file "base/5/16402": No space left on device', False),
        ("PANIC:  could not locate a valid checkpoint record", False),
    ],
)
def test_only_what_ended_the_server_counts_as_a_full_disk(line: str, ended: bool) -> None:
    assert ended_for_want_of_room(f"LOG:  ready\n{line}\nLOG:  aborting\n") is ended
