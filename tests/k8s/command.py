"""The `gantry` command on this machine, with the folder that leads to the cluster."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final

from tests.e2e.command import PROGRAM, WHY
from tests.k8s.home import OPERATOR, Home

NATIONAL: Final = {"nas": "target=nas:7000", "nadc": "url=https://nadc:7443/nadc/batches"}
"""Where the simulated national services are, in the words of their adapters."""
_SECONDS: Final = 90.0


async def gantry(home: Home, *words: str) -> dict[str, Any]:
    """Run a verb as the operator; its answer. AssertionError when it fails."""
    folder = str(home.layout.folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *words, "--home", folder, "--as", OPERATOR, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, said = await asyncio.wait_for(process.communicate(), _SECONDS)
    except BaseException:
        process.kill()
        raise
    assert process.returncode == 0, f"gantry {' '.join(words)}: {said.decode()}"
    answer: dict[str, Any] = json.loads(out)
    return answer


async def add_force(home: Home, force: str) -> None:
    """Create a force with both national services as its destinations."""
    await gantry(home, "force", "add", force, "--consumer", "nas", "--consumer", "nadc")
    for name, option in NATIONAL.items():
        words = ("bridge", "destination", "add", name, "--adapter", name, "--option", option)
        await gantry(home, *words, "--force", force, *WHY)
