"""Gantry in a fresh namespace of the cluster, by the overlay ``lab``."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suite.plan import CANARY
from tests.k8s.cluster import Namespace, kubectl
from tests.k8s.disruptions import DEPLOYMENTS
from tests.k8s.home import Home
from tests.k8s.images import REGISTRY, ROOT

FORCES: Final = ("essex", "kent")
GANTRY: Final = Namespace("gantry-test")
OUTSIDE: Final = Namespace("gantry-test-outside")
_OVERLAY: Final = ROOT / "deploy/k8s/overlays/lab"
_START_SECONDS: Final = 1200.0
_KUSTOMIZATION: Final = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %s
resources: [%s]
"""


@dataclass(frozen=True)
class Lab:
    """The served namespace, one outside it, and the folder with which people reach it."""

    namespace: Namespace
    outside: Namespace
    home: Home
    tag: str

    def image(self, name: str) -> str:
        """The full name of one of our images."""
        return f"{REGISTRY}/{name}:{self.tag}"


@asynccontextmanager
async def served(tag: str, folder: Path) -> AsyncIterator[Lab]:
    """A served Gantry. The namespaces go with the block, unless ``K8S_KEEP`` is set."""
    await _remove()
    lab = Lab(GANTRY, OUTSIDE, Home(folder / "home", FORCES), tag)
    try:
        for namespace in (GANTRY, OUTSIDE):
            await kubectl("create", "namespace", namespace.name)
        await GANTRY.apply(*lab.home.secrets())
        await _apply(tag)
        for name in (*DEPLOYMENTS, CANARY, "nas", "nadc"):
            await GANTRY.rolled_out(name, within=_START_SECONDS)
        yield lab
    finally:
        if "K8S_KEEP" not in os.environ:
            await _remove()


async def _apply(tag: str) -> None:
    """Apply the overlay as an engineer would who wants another namespace: by an overlay above it."""
    named = {"REGISTRY": REGISTRY, "TAG": tag}
    process = await asyncio.create_subprocess_exec(
        ROOT / "deploy/k8s/apply.sh", _own_overlay(), cwd=ROOT, env={**os.environ, **named}
    )
    async with asyncio.timeout(_START_SECONDS):
        assert await process.wait() == 0, "deploy/k8s/apply.sh failed; see above"


def _own_overlay() -> Path:
    own = ROOT / ".gantry/k8s/overlay"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    text = _KUSTOMIZATION % (GANTRY.name, os.path.relpath(_OVERLAY, own))
    (own / "kustomization.yaml").write_text(text, encoding="utf-8")
    return own


async def _remove() -> None:
    for namespace in (GANTRY, OUTSIDE):
        await kubectl(
            "delete", "namespace", namespace.name, "--ignore-not-found", "--timeout=180s", seconds=200
        )
