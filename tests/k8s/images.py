"""Builds the images of this commit and loads them into the cluster."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
REGISTRY = "gantry.local"
IMAGES = ("ingest", "store", "match", "nas-bridge", "canary", "command", "simulators")


async def built_and_loaded(folder: Path) -> str:
    """Build all images, write them as archives to `folder`, load them. Returns their tag.

    ``K8S_TAG`` names images that the cluster has already, and nothing is built.
    """
    if present := os.environ.get("K8S_TAG"):
        return present
    commit = subprocess.run(  # noqa: ASYNC221 - before anything runs
        ("git", "rev-parse", "--short=12", "HEAD"), cwd=ROOT, check=True, capture_output=True, text=True
    )
    tag = f"test-{commit.stdout.strip()}"
    await _run("make", "images", f"TAG={tag}", f"REGISTRY={REGISTRY}", f"ARCHIVES={folder}")
    await _run(*shlex.split(os.environ["K8S_IMPORT"]), *(str(folder / f"{name}.tar") for name in IMAGES))
    return tag


async def _run(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT)
    assert await process.wait() == 0, f"{words[0]} failed; see above"
