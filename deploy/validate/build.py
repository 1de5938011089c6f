"""Builds an overlay with whichever of `kustomize` and `kubectl` is there."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.validate.manifests import Object, Outside, Overlay

KUBERNETES: Final = Path(__file__).parents[1] / "k8s"
OVERLAYS: Final = KUBERNETES / "overlays"
BASE: Final = KUBERNETES / "base"
_OUTSIDE: Final = Path(__file__).parent / "outside.toml"


class BuildError(Exception):
    """An overlay cannot be built; one sentence that says what to do."""


def built(name: str) -> Overlay:
    """The overlay of this name. Raises BuildError."""
    folder = OVERLAYS / name
    if not folder.is_dir():
        raise BuildError(f"there is no folder {folder}; correct the name")
    told = subprocess.run(  # noqa: S603 - one of two programs, and a folder of the project
        [*_builder(), str(folder)], capture_output=True, check=False, text=True
    )
    if told.returncode != 0:
        raise BuildError(f"kustomize cannot build it: {told.stderr.strip()}")
    return Overlay(name, list(objects_in(told.stdout)), outside(name))


def base_files() -> Overlay:
    """The files of the base as they are, without kustomize."""
    files = sorted(each for each in BASE.glob("*.yaml") if each.name != "kustomization.yaml")
    found = [each for file in files for each in objects_in(file.read_text(encoding="utf-8"))]
    return Overlay("base", found, outside("base"))


def objects_in(text: str) -> Iterator[Object]:
    """The objects of a file with several documents."""
    return (each for each in yaml.safe_load_all(text) if each)


def outside(name: str) -> Outside:
    """What an overlay may refer to although it does not define it."""
    declared = _declared()
    groups = [declared["secrets"][group] for group in declared["overlays"].get(name, [])]
    return Outside(
        secrets={secret: keys for group in groups for secret, keys in group.items()},
        config_maps=declared["config_maps"].get(name, {}),
        labels=frozenset((*declared["labels"]["all"], *declared["labels"].get(name, []))),
    )


@cache
def _declared() -> dict[str, Any]:
    return tomllib.loads(_OUTSIDE.read_text(encoding="utf-8"))


def _builder() -> list[str]:
    for program, *rest in (["kustomize", "build"], ["kubectl", "kustomize"]):
        if (path := shutil.which(program)) is not None:
            return [path, *rest]
    raise BuildError(
        "neither kustomize nor kubectl is installed; install one of them, for example with "
        "`go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1`"
    )
