"""The `gantry` command as a person types it beside a running suite."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from suite.suite import Suite

PROGRAM = "from cli.main import app; app()"
_SECONDS = 60.0
WHY = ("--purpose", "end-to-end test with made-up vehicles")


async def gantry(suite: Suite, person: str, *words: str, code: int = 0) -> dict[str, Any]:
    """Run a verb with ``--json`` as a person; its answer. AssertionError when it ends with another code."""
    ended, out, said = await ran(suite.layout.folder, person, *words)
    assert ended == code, said.decode()
    answer: dict[str, Any] = json.loads(out)
    return answer


async def ran(home: Path, person: str, *words: str, within: float = _SECONDS) -> tuple[int, bytes, bytes]:
    """The exit code of a verb with ``--json`` as a person of a home, and what it writes to both outputs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *words, "--home", str(home), "--as", person, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, said = await asyncio.wait_for(process.communicate(), within)
    except BaseException:
        process.kill()
        raise
    assert process.returncode is not None
    return process.returncode, out, said
