"""A process is ready when it reports it, is restarted when it dies, and has ended after a stop."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from suite import processes
from suite.errors import SuiteError
from suite.processes import Command, Process
from suite.restarts import RestartPolicy

DEADLINE = 20.0
Make = Callable[..., Process]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Process] = []

    def process(restarts: RestartPolicy | None = None, **environment: str) -> Process:
        command = Command(
            "stub",
            "tests.contract.suite.stub_service",
            environment={"GANTRY_GRPC__PORT_FILE": str(tmp_path / "stub.json"), **environment},
        )
        made.append(Process(command, logs=tmp_path, run=tmp_path, restarts=restarts))
        return made[-1]

    yield process
    for each in made:
        await each.stop(patience=0.1)


async def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not check():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_it_starts_logs_and_ends_cleanly(make: Make) -> None:
    process = make()
    await process.start()
    assert process.ports == {"grpc": 1}
    assert process.pid is not None
    assert "stub says hello" in process.log.read_text()
    assert await process.stop() == 0
    assert process.pid is None
    assert process.ports == {}


async def test_a_killed_process_is_restarted_each_time(make: Make) -> None:
    process = make()
    await process.start()
    supervision = asyncio.create_task(process.supervise())
    for _ in range(7):
        before = process.pid
        await process.kill()
        await process.ready()
        assert process.pid != before
    await process.stop()
    await asyncio.wait_for(supervision, DEADLINE)


async def test_one_that_has_served_and_ends_well_does_not_count(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a renewed certificate."""
    monkeypatch.setattr(processes, "_WELL_SECONDS", 0.0)
    process = make(RestartPolicy(limit=0))
    await process.start()
    supervision = asyncio.create_task(process.supervise())
    for _ in range(3):
        before = process.pid
        assert before is not None
        os.kill(before, signal.SIGTERM)
        await eventually(lambda last=before: process.pid not in {None, last})  # type: ignore[misc]
        await process.ready()
    await process.stop()
    await asyncio.wait_for(supervision, DEADLINE)


async def test_one_that_ends_well_at_once_is_given_up(make: Make) -> None:
    process = make(RestartPolicy(limit=0))
    await process.start()
    supervision = asyncio.create_task(process.supervise())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    with pytest.raises(SuiteError, match=r"stub keeps dying \(ended with exit code 0\)"):
        await asyncio.wait_for(supervision, DEADLINE)


async def test_one_that_keeps_dying_is_given_up_with_its_last_words(make: Make, tmp_path: Path) -> None:
    process = make(RestartPolicy(first=0.001), STUB_DIES_WHEN_THERE=str(tmp_path / "now"))
    await process.start()
    (tmp_path / "now").touch()
    supervision = asyncio.create_task(process.supervise())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(SuiteError, match=r"(?s)stub keeps dying \(ended with exit code 3\).*stub says hello"):
        await asyncio.wait_for(supervision, DEADLINE)


async def test_one_that_cannot_start_explains_itself(make: Make) -> None:
    with pytest.raises(SuiteError, match=r"(?s)stub did not start.*stub cannot go on"):
        await make(STUB="dies").start()


async def test_one_that_says_why_it_cannot_start_is_quoted(make: Make) -> None:
    make().log.write_text('{"message": "cannot start", "cause": "that was an earlier start."}\n')
    process = make(STUB='{"message": "cannot start", "cause": "the bucket is missing."}')
    with pytest.raises(SuiteError) as caught:
        await process.start()
    assert str(caught.value) == f"stub did not start: the bucket is missing. Its log is {process.log}"


async def test_one_that_is_not_ready_is_quoted_while_it_is_waited_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_TELL_SECONDS", 0.0)
    process = make(STUB='{"message": "readiness check failed", "cause": "AWAY", "said": "no endpoint"}')
    told: list[str] = []
    monkeypatch.setattr(process, "_say", told.append)
    waiting = asyncio.create_task(process.start())
    await eventually(lambda: bool(told))
    await process.stop()
    with pytest.raises(SuiteError):
        await waiting
    assert told == ["stub is not ready: no endpoint"]


async def test_wrong_settings_are_not_tried_again(make: Make) -> None:
    process = make(STUB="refuses")
    with pytest.raises(SuiteError, match="did not start"):
        await process.start()
    with pytest.raises(SuiteError, match="refuses its settings"):
        await process.supervise()


async def test_a_process_that_never_gets_ready_is_given_up(make: Make) -> None:
    process = make()
    await process.start()
    process.port_file.unlink()
    with pytest.raises(SuiteError, match="was not ready after 0 s"):
        await process.ready(patience=0.1)


async def test_one_that_is_deaf_is_killed(make: Make) -> None:
    process = make(STUB="deaf")
    await process.start()
    assert await process.stop(patience=0.1) == -signal.SIGKILL


async def test_stopping_during_a_restart_leaves_nothing(make: Make) -> None:
    process = make(RestartPolicy(first=0.05))
    await process.start()
    supervision = asyncio.create_task(process.supervise())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await eventually(lambda: process.pid is None)
    await process.stop()
    await asyncio.wait_for(supervision, DEADLINE)
    assert process.pid is None


OWNER = """
import asyncio, pathlib, sys
from suite.processes import Command, Process

async def main():
    folder = pathlib.Path(sys.argv[1])
    environment = {"GANTRY_GRPC__PORT_FILE": str(folder / "stub.json"), "STUB": "deaf"}
    command = Command("stub", "tests.contract.suite.stub_service", environment=environment)
    process = Process(command, logs=folder, run=folder)
    await process.start()
    print(process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_it_does_not_outlive_a_killed_owner(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, tmp_path]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220 - one short line
    with owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        assert alive(child)
        owner.send_signal(signal.SIGKILL)
    await eventually(lambda: not alive(child))


async def test_deaths_with_an_excuse_do_not_count(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.processes._EXCUSED_SECONDS", 0.01)
    excuses = ["the disk is full"]
    said: list[str] = []
    process = make(RestartPolicy(limit=1, first=0.001), STUB_DIES_WHEN_THERE=str(tmp_path / "now"))
    process._say, process._excuse = said.append, lambda: excuses[0]
    await process.start()
    (tmp_path / "now").touch()
    supervision = asyncio.create_task(process.supervise())
    os.kill(process.pid or 0, signal.SIGKILL)
    await eventually(lambda: len(said) > 5)
    assert not supervision.done()
    assert "because the disk is full" in said[-1]
    (tmp_path / "now").unlink()
    await process.ready()
    excuses[0] = ""
    await process.stop()
    await asyncio.wait_for(supervision, DEADLINE)
