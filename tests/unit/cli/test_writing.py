"""A full disk under the output is told as that, and not as a fault of the suite."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.live import show
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
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=terminate, daemon=True)
    ending.start()
    said = gantry("alerts", "watch", *LOOK, code=Exit.INTERRUPTED).stderr
    ending.join()
    assert "go on from here: --force essex" in said
