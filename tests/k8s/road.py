"""Simulated cameras in a namespace of their own: outside Gantry's, as those of vendors are."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from cli.fleet import FleetOrder
from tests.e2e.waiting import eventually
from tests.k8s.cluster import KubectlError, Namespace
from tests.k8s.home import secret

POD = "cameras"
# The pod stays after the cameras' end, so that their report can be fetched.
_COMMAND = 'python -m simulators.cameras "$@"; echo $? > /report/exit; exec sleep 3600'
_FETCH = """
import base64, gzip, pathlib
print(base64.b64encode(gzip.compress(pathlib.Path("/report/reads.json").read_bytes())).decode())
"""


class Road:
    """The cameras of an order. They send to a door until their time is over."""

    def __init__(self, namespace: Namespace, image: str, order: FleetOrder) -> None:
        self._namespace = namespace
        self._image = image
        self._order = order

    async def start(self, door: str, *, authority: bytes, tokens: bytes) -> None:
        """Start the cameras, which send to `door` (HOST:PORT, with a certificate for ``ingest``)."""
        files = {"ca.pem": authority, "tokens.json": tokens}
        order = self._order
        assert order.seconds is not None
        arguments = [
            *("--ingest", door, "--server-name", "ingest"),
            *("--authority", "/given/ca.pem", "--tokens", "/given/tokens.json"),
            *("--forces", ",".join(order.forces), "--seed", str(order.seed), "--rate", str(order.rate)),
            *("--seconds", str(order.seconds), "--drain-seconds", "120", "--report", "/report/reads.json"),
        ]
        await self._namespace.apply(secret(POD, files), _pod(self._image, arguments))

    async def connected(self) -> None:
        """Wait until the pod runs."""

        async def runs() -> bool:
            return bool((await self._namespace.get("pod", POD))["status"].get("phase") == "Running")

        await eventually(runs, within=90, what="the start of the cameras")

    async def report(self, *, within: float) -> Mapping[str, Any]:
        """Wait for the cameras' end and fetch their report."""

        async def ended() -> bool:
            try:
                await self._namespace.execute(POD, "test", "-e", "/report/exit")
            except KubectlError:
                return False
            return True

        await eventually(ended, within=within, what="the end of the cameras")
        coded = await self._namespace.execute(POD, "python", "-c", _FETCH)
        found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(coded)))
        return found


def _pod(image: str, arguments: list[str]) -> Mapping[str, Any]:
    mounts = [{"name": "given", "mountPath": "/given"}, {"name": "report", "mountPath": "/report"}]
    container = {
        "name": "cameras",
        "image": image,
        "command": ["sh", "-c", _COMMAND, "cameras", *arguments],
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
    }
    volumes = [
        {"name": "given", "secret": {"secretName": POD, "defaultMode": 0o444}},
        {"name": "report", "emptyDir": {}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "labels": {"app.kubernetes.io/name": POD}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": volumes,
        },
    }
