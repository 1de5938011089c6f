"""Real programs that others make, as a test starts them. A test is skipped where a program is missing."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.waiting import eventually

_START_SECONDS = 60.0
_RUN_SECONDS = 120.0
_GO_FOLDER = Path("~/go/bin").expanduser()


def program(name: str, hint: str) -> str:
    """The path of a program. Skips the test with a `hint` where to get it."""
    found = shutil.which(name) or shutil.which(name, path=str(_GO_FOLDER))
    if found is None:
        pytest.skip(f"{name} is not installed: {hint}")
    return found


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def running(
    *command: str, port: int, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """A program that listens on `port`, until the end of the block."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=file, stderr=file, env={**os.environ, **(environment or {})}
        )

    async def listens() -> bool:
        assert process.returncode is None, f"{command[0]} has ended; its log is {log}"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await eventually(listens, within=_START_SECONDS, what=f"{command[0]} listens")
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(*command: str) -> tuple[int, str]:
    """The exit code of a command, and what it writes."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _RUN_SECONDS)
    except BaseException:
        process.kill()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode()
