"""The database was recovered by CloudNativePG: the pod and the verbs for it, against the real database."""

from __future__ import annotations

import asyncio
import json
from typing import Final

import pytest
import yaml

from tests.e2e.waiting import eventually
from tests.k8s.cluster import KubectlError
from tests.k8s.command import WHY, gantry
from tests.k8s.disruptions import DEPLOYMENTS
from tests.k8s.images import ROOT
from tests.k8s.lab import FORCES, Lab

_POD: Final = "database-command"
_MANIFEST: Final = ROOT / "deploy/k8s/database-command.yaml"
_DATABASE: Final = (
    *("--host", "gantry-database-rw", "--authority", "/etc/gantry/database-ca/ca.crt"),
    *("--user-file", "/etc/gantry/superuser/username", "--password-file", "/etc/gantry/superuser/password"),
)
_FORCE: Final = "usk"
_STANDING: Final = "/tmp/standing.json"
_SECONDS: Final = 180.0


async def test_a_recovered_database_is_closed_before_services_start(lab: Lab) -> None:
    lab.home.admit((*FORCES, _FORCE))
    async with lab.home.links(lab.namespace):
        await gantry(lab.home, "force", "add", _FORCE)
    pod = yaml.safe_load(_MANIFEST.read_text())
    pod["spec"]["containers"][0]["image"] = lab.image("command")
    await lab.namespace.apply(pod)
    await lab.namespace.kubectl("wait", f"pod/{_POD}", "--for=condition=Ready", "--timeout=60s", seconds=70)
    await _database(lab, "standing", "--to", _STANDING)
    with pytest.raises(KubectlError, match="have connections to gantry: stop all services first"):
        await _database(lab, "restored", "--standing", _STANDING)
    await _scaled(lab, 0)
    await eventually(lambda: _nothing_runs(lab), within=_SECONDS, what="the end of all services")
    said = await _database(lab, "restored", "--standing", _STANDING, "--json")
    assert json.loads(said)["replayed"]["tokens"] == 0
    await lab.namespace.kubectl("delete", "pod", _POD)
    await _scaled(lab, 2)
    for name in DEPLOYMENTS:
        await lab.namespace.rolled_out(name, within=_SECONDS)
    async with lab.home.links(lab.namespace):
        await eventually(lambda: _recorded(lab), within=_SECONDS, what="the record of the restore")
        await gantry(lab.home, "alerts", "list", "--force", _FORCE, *WHY)


async def _database(lab: Lab, verb: str, *words: str) -> str:
    return await lab.namespace.execute(_POD, "gantry", "database", verb, *_DATABASE, *words)


async def _scaled(lab: Lab, replicas: int) -> None:
    deployments = (f"deployment/{name}" for name in DEPLOYMENTS)
    await lab.namespace.kubectl("scale", *deployments, f"--replicas={replicas}")


async def _nothing_runs(lab: Lab) -> bool:
    pods = await asyncio.gather(
        *(lab.namespace.get("pods", "-l", f"app.kubernetes.io/name={name}") for name in DEPLOYMENTS)
    )
    return not any(found["items"] for found in pods)


async def _recorded(lab: Lab) -> bool:
    """Whether the store has opened search, and says so in the audit trail."""
    trail = await gantry(lab.home, "audit", "list", "--force", _FORCE)
    return any(record["action"] == "restore" for record in trail["records"])
