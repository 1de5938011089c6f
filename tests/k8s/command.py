"""The `gantry` command on this machine, with the folder that leads to the cluster."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from tests.e2e.command import WHY, ran
from tests.e2e.waiting import eventually
from tests.k8s.home import OPERATOR, Home

NATIONAL: Final = {"nas": "target=nas:7000", "nadc": "url=https://nadc:7443/nadc/batches"}
"""Where the simulated national services are, in the words of their adapters."""
_SECONDS: Final = 90.0
# Every service serves a new force within five seconds. A command may take a few more on a busy machine.
_KNOWN_SECONDS: Final = 20.0


async def gantry(home: Home, *words: str) -> dict[str, Any]:
    """Run a verb as the operator; its answer. AssertionError when it fails."""
    code, answer = await _run(home, *words)
    assert code == 0, f"gantry {' '.join(words)}: {answer}"
    return answer


async def _run(home: Home, *words: str) -> tuple[int, dict[str, Any]]:
    code, out, said = await ran(home.layout.folder, OPERATOR, *words, within=_SECONDS)
    return code, json.loads(said if code else out)


async def add_force(home: Home, force: str) -> None:
    """Create a force, wait until all services serve it, and add both national services."""
    await gantry(home, "force", "add", force, "--consumer", "nas", "--consumer", "nadc")
    for verb in (("camera", "list"), ("hotlist", "list"), ("bridge", "destination", "list")):
        await eventually(partial(_knows, home, force, verb), within=_KNOWN_SECONDS, what=f"{force} in {verb}")
    for name, option in NATIONAL.items():
        words = ("bridge", "destination", "add", name, "--adapter", name, "--option", option)
        await gantry(home, *words, "--force", force, *WHY)


async def _knows(home: Home, force: str, verb: tuple[str, ...]) -> bool:
    code, answer = await _run(home, *verb, "--force", force)
    assert code == 0 or answer.get("reason") == "FORCE_UNKNOWN", answer
    return code == 0
