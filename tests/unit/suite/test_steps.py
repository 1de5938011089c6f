"""A suite writes down what it does, and only a suite that lives is believed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from suite.steps import FILE_NAME, Phase, Steps, is_frozen, read_step


def test_the_phase_and_the_last_sentence_are_told(tmp_path: Path) -> None:
    heard: list[str] = []
    steps = Steps(tmp_path, heard.append)
    steps.begin(Phase.STARTING)
    steps.say("starting PostgreSQL")
    step = read_step(tmp_path)
    assert step is not None
    assert step.sentence == "starting, for 0 s now: starting PostgreSQL"
    assert heard == ["starting PostgreSQL"]
    steps.begin(Phase.RUNNING)
    assert (step := read_step(tmp_path)) is not None
    assert step.sentence == "running, for 0 s now"
    steps.end()
    assert read_step(tmp_path) is None


@pytest.mark.parametrize("changed", [{"born": "1"}, {"pid": 2**22 + 1}])
def test_a_suite_that_was_killed_is_not_believed(tmp_path: Path, changed: dict[str, object]) -> None:
    Steps(tmp_path, lambda _: None).begin(Phase.RUNNING)
    file = tmp_path / FILE_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    assert read_step(tmp_path) is None


def test_a_damaged_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    assert read_step(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the state of a process")
def test_a_process_that_was_stopped_by_a_signal_is_frozen() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not is_frozen(process.pid)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert is_frozen(process.pid)
        process.kill()
