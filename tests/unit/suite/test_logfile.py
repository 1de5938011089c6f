"""Logs are cut while their writer keeps appending."""

import stat
from pathlib import Path

from suite.logfile import last_lines, reason_in, rotate


def test_a_large_log_is_kept_once_and_goes_on_from_nothing(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        log.chmod(0o600)
        writer.write(b"old\n" * 10)
        rotate(log, largest=20)
        writer.write(b"new\n")
    assert log.read_text() == "new\n"
    assert (tmp_path / "a.log.1").read_text() == "old\n" * 10
    assert stat.S_IMODE((tmp_path / "a.log.1").stat().st_mode) == 0o600


def test_a_small_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    rotate(log)
    log.write_text("few\n")
    rotate(log)
    assert [file.name for file in tmp_path.iterdir()] == ["a.log"]


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_lines(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert last_lines(log, 2) == "line 998\nline 999"


def test_the_newest_reason_is_found_whatever_else_is_logged() -> None:
    older = '{"message": "readiness check failed", "cause": "CODE", "said": "no space"}'
    newer = '{"message": "cannot start", "cause": "wrong key."}'
    assert reason_in(f"{older}\n{newer}\nplain text\n") == "wrong key"
    assert reason_in(f'{newer}\n{older}\n{{"message": "readiness check fai') == "no space"
    assert reason_in('{"message": "cannot start"}\n["cannot start"]\n"cannot start"') == ""
