"""A full disk under the output is told as that, and not as a fault of the suite."""

import os
import signal
import subprocess
import sys
import threading
import time
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.live import show
from cli.main import app
from cli.output import say
from tests.unit.cli.fake_suite import LOOK, Command, World

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("write", [say, write_json, show])
def test_what_cannot_be_written_is_said(write: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(write)
    with FULL.open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(CliError, match=r"the output cannot be written .*: no space left on device"):
            write("an answer")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.close()


def test_a_termination_ends_a_watch_as_ctrl_c_does(gantry: Command, world: World) -> None:
    def terminate() -> None:
        # Before the verb hears of it, the signal would end the tests.
        while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            time.sleep(0.01)
        # The second subscription of the force comes when the first one has been shown to its end.
        while sum(one.force == "essex" for one in world.subscriptions) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=terminate, daemon=True)
    ending.start()
    said = gantry("alerts", "watch", *LOOK, code=Exit.INTERRUPTED).stderr
    ending.join()
    assert "go on from here: --force essex" in said


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["--version"]])
def test_help_meets_a_full_disk(words: list[str]) -> None:
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", "from cli.main import app; app()", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == Exit.FAILED
    assert ended.stderr.count("\n") == 1
    assert "the output cannot be written" in ended.stderr


@pytest.mark.parametrize("words", [[], ["audit"], ["bridge", "destination"]])
def test_a_group_without_a_verb_shows_its_help_in_lines(words: list[str]) -> None:
    said = CliRunner().invoke(app, words).output
    assert "\n\nCommands:\n" in said
    assert "\ufffd" not in said


def test_a_terminal_without_unicode_gets_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    with TextIOWrapper(BytesIO(), encoding="latin-1") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        show("● store: café")
        say("● store: café")
        monkeypatch.undo()
        terminal.seek(0)
        assert terminal.read() == "? store: café\n" * 2
