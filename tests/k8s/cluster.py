"""One namespace of a Kubernetes cluster, through kubectl."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.waiting import eventually

_KUBECTL = os.environ.get("KUBECTL") or "kubectl"
_CALL_SECONDS = 60.0


class KubectlError(AssertionError):
    """kubectl failed. The text holds the command and what kubectl said."""


async def kubectl(*words: str, given: str | None = None, seconds: float = _CALL_SECONDS) -> str:
    """Run kubectl and return what it prints. Raises KubectlError."""
    process = await asyncio.create_subprocess_exec(
        _KUBECTL,
        *words,
        stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(None if given is None else given.encode())
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise KubectlError(f"kubectl {' '.join(words)}: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


async def why_not() -> str | None:
    """Why no cluster can be tested with, or None."""
    if (missing := unset(os.environ)) is not None:
        return missing
    if shutil.which(_KUBECTL) is None:
        return "kubectl is not installed"
    try:
        await kubectl("version", "--request-timeout=5s")
    except KubectlError as error:
        return f"the cluster does not answer ({error})"
    try:
        await kubectl("get", "crd", "clusters.postgresql.cnpg.io")
    except KubectlError:
        return "CloudNativePG is not installed in the cluster"
    return None


def unset(environment: Mapping[str, str]) -> str | None:
    """Which variable is missing without which no cluster can be tested with, or None."""
    if not environment.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    if not environment.get("GANTRY_POSTGRES_IMAGE"):
        return "GANTRY_POSTGRES_IMAGE names no image of PostgreSQL that the cluster has or can pull"
    if not environment.get("K8S_TAG") and not environment.get("K8S_IMPORT"):
        return (
            "K8S_IMPORT names no command that loads image archives into the cluster, "
            "and K8S_TAG no images that it has"
        )
    return None


@dataclass(frozen=True)
class Namespace:
    """A namespace by name."""

    name: str

    async def kubectl(self, *words: str, given: str | None = None, seconds: float = _CALL_SECONDS) -> str:
        """Run kubectl in the namespace. Raises KubectlError."""
        return await kubectl("-n", self.name, *words, given=given, seconds=seconds)

    async def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects. Raises KubectlError."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        await self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=json.dumps(items))

    async def get(self, *words: str) -> dict[str, Any]:
        """Objects as JSON."""
        found: dict[str, Any] = json.loads(await self.kubectl("get", "-o", "json", *words))
        return found

    async def pods(self, name: str) -> list[str]:
        """The running pods of a service that are not being deleted, by ``app.kubernetes.io/name``."""
        found = await self.get("pods", "-l", f"app.kubernetes.io/name={name}")
        return [
            pod["metadata"]["name"]
            for pod in found["items"]
            if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") == "Running"
        ]

    async def rolled_out(self, deployment: str, *, within: float) -> None:
        """Wait until all replicas of a deployment are new and ready. Raises KubectlError."""
        await self.kubectl(
            "rollout", "status", f"deployment/{deployment}", f"--timeout={within:.0f}s", seconds=within + 10
        )

    async def replaced(self, pod: str, deployment: str, *, within: float) -> None:
        """Wait until a killed pod is gone and the deployment has all its replicas ready again."""

        async def whole() -> bool:
            found = await self.get("deployment", deployment)
            wanted, status = found["spec"]["replicas"], found["status"]
            ready = status.get("readyReplicas", 0)
            return ready == wanted == status.get("replicas", 0) and pod not in await self.pods(deployment)

        await eventually(whole, within=within, what=f"replacing {pod}")

    async def execute(self, pod: str, *command: str, seconds: float = _CALL_SECONDS) -> str:
        """Run a command in a pod. Raises KubectlError, also when the command fails."""
        return await self.kubectl("exec", pod, "--", *command, seconds=seconds)

    @asynccontextmanager
    async def forwarded(self, target: str, *ports: int) -> AsyncIterator[tuple[int, ...]]:
        """Ports of a pod, or of a pod of a service, on this machine's loopback while the block lasts."""
        process = await asyncio.create_subprocess_exec(
            *(_KUBECTL, "-n", self.name, "port-forward", "--address", "127.0.0.1", target),
            *(f":{port}" for port in ports),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield await _forwarded_to(process, ports)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _forwarded_to(process: asyncio.subprocess.Process, ports: Sequence[int]) -> tuple[int, ...]:
    assert process.stdout is not None
    found: dict[int, int] = {}
    said: list[str] = []
    deadline = time.monotonic() + _CALL_SECONDS
    while len(found) < len(ports):
        async with asyncio.timeout(deadline - time.monotonic()):
            line = (await process.stdout.readline()).decode(errors="replace")
        if not line:
            raise KubectlError(f"port-forward ended: {' '.join(said)}")
        said.append(line.strip())
        # For example: Forwarding from 127.0.0.1:40123 -> 7001
        here, _, there = line.removeprefix("Forwarding from 127.0.0.1:").partition(" -> ")
        if there:
            found[int(there)] = int(here)
    return tuple(found[port] for port in ports)
