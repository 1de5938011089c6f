"""The `gantry` command as a person types it beside a running suite."""

import asyncio
import json
import sys
from typing import Any

from suite.suite import Suite

PROGRAM = "from cli.main import app; app()"
_SECONDS = 60.0
WHY = ("--purpose", "end-to-end test with made-up vehicles")


async def gantry(suite: Suite, person: str, *words: str, code: int = 0) -> dict[str, Any]:
    """Run a verb with ``--json`` as a person; its answer. AssertionError when it ends with another code."""
    home = str(suite.layout.folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *words, "--home", home, "--as", person, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, said = await asyncio.wait_for(process.communicate(), _SECONDS)
    except BaseException:
        process.kill()
        raise
    assert process.returncode == code, said.decode()
    answer: dict[str, Any] = json.loads(out)
    return answer
