"""The previous release: the tree of the commit whose contracts were taken as released."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.postgres_server import throwaway_folder

ROOT = Path(__file__).parents[2]
COMMIT_FILE = ROOT / "protos" / "released.commit"
_SOURCES = (".", "gen", "sdk/python")
_NEW_SETTINGS = ("GANTRY_MATCH__INGEST",)


@contextmanager
def released_tree() -> Iterator[Path]:
    """The tree in a temporary folder. Skips the test where the commit is not in git's history."""
    commit = COMMIT_FILE.read_text().strip()
    if not _has(commit):
        pytest.skip(f"the history here lacks the released commit {commit[:12]}: a shallow clone, or no clone")
    with throwaway_folder() as folder:
        archive = folder / "released.tar"
        subprocess.run(["git", "archive", "--output", archive, commit], cwd=ROOT, check=True)
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "tree", filter="data")
        yield folder / "tree"


def environment_of(tree: Path) -> dict[str, str]:
    """Variables with which Python runs the sources of a tree instead of ours, with our libraries.

    Settings that the released services refuse as misspelt are left out.
    """
    paths = os.pathsep.join(str(tree / each) for each in _SOURCES)
    return {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1", **dict.fromkeys(_NEW_SETTINGS, "")}


def runs_its_own_code(tree: Path) -> bool:
    """Whether these variables have the wanted effect."""
    modules = ("services.store", "chassis.server", "gantry.store.v1.log_pb2")
    program = "".join(f"import {module}; print({module}.__file__);" for module in modules)
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment_of(tree)},
        capture_output=True,
        text=True,
        check=True,
    )
    return all(tree in Path(line).parents for line in found.stdout.splitlines())


def _has(commit: str) -> bool:
    try:
        found = subprocess.run(
            ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
        )
    except OSError:
        return False
    return found.returncode == 0
