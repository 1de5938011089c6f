"""Reads the Dockerfile of the images, and what the project's code imports."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "deploy" / "images"
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/__main__.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = {
    Path(each).name: ROOT / each for each in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
}


@dataclass
class Stage:
    """A stage: its parent and its instructions, each as a pair such as ("USER", "10001:10001")."""

    parent: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for each, rest in self.instructions if each == word]


@cache
def stages() -> dict[str, Stage]:
    text = re.sub(r"^\s*#.*\n", "", (IMAGES / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, Stage] = {}
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            parent, _, name = rest.split()
            current = found.setdefault(name, Stage(parent))
        elif word and word != "ARG":
            current.instructions.append((word, rest.strip()))
    return found


def lineage(name: str) -> Iterator[Stage]:
    """The stage and those that it is built on."""
    while name in stages():
        yield stages()[name]
        name = stages()[name].parent


def targets() -> dict[str, list[str]]:
    """The images with the words that each starts."""
    return {
        name: json.loads(stage.all("ENTRYPOINT")[0])
        for name, stage in stages().items()
        if stage.all("ENTRYPOINT")
    }


def copied(image: str) -> Iterator[tuple[str, str]]:
    """What the image takes from other stages, as pairs of stage and path."""
    for stage in lineage(image):
        for words in map(shlex.split, stage.all("COPY")):
            yield words[0].removeprefix("--from="), words[1]


def shared() -> set[str]:
    """The rooms that every service's image holds."""
    command = next(each for each in stages()["code"].all("RUN") if "/shared" in each)
    line = next(each for each in command.split(";") if each.strip().endswith("/shared/"))
    return {word for word in line.split()[2:-1] if "*" not in word}


def rooms_in(image: str) -> set[str]:
    """The rooms in an image; a service's is like services.store."""
    found: set[str] = set()
    for stage, path in copied(image):
        if stage != "code":
            continue
        if path == "/code":
            found |= {*ROOMS, *(f"services.{name}" for name in SERVICES)} - {"services"}
        elif path == "/shared":
            found |= shared()
        else:
            found.add(path.removeprefix("/code/").replace("/", "."))
    return found


def extras_in(image: str) -> set[str]:
    """The extras whose packages the image holds."""
    stage = next(stage for stage, path in copied(image) if path == "/app/.venv")
    return set(re.findall(r"--extra (\w+)", " ".join(stages()[stage].all("RUN"))))


@cache
def imports(room: str) -> frozenset[str]:
    """The modules that any file of the room imports."""
    folder = ROOMS.get(room, ROOT / room.replace(".", "/"))
    files = list(folder.rglob("*.py"))
    assert files, room
    return frozenset(name for file in files for name in _imported(ast.parse(file.read_text())))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # `from services import store` names the room last
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "services")


def rooms_needed(room: str) -> set[str]:
    """The rooms that a room needs to be imported, itself included."""
    needed: set[str] = set()
    waiting = [room]
    while waiting:
        each = waiting.pop()
        if each not in needed:
            needed.add(each)
            waiting += filter(None, map(_room_of, imports(each)))
    return needed


def _room_of(module: str) -> str | None:
    top, _, rest = module.partition(".")
    if top == "services":
        name = rest.partition(".")[0]
        return f"services.{name}" if name in SERVICES else None
    return top if top in ROOMS else None


def packages_imported(rooms: set[str]) -> set[str]:
    """The top-level modules of other projects that the rooms import."""
    tops = {module.partition(".")[0] for room in rooms for module in imports(room)}
    return tops - set(sys.stdlib_module_names) - set(ROOMS)


def distributions(extras: set[str]) -> set[str]:
    """The packages that pyproject.toml names for these extras, and for the services."""
    optional = PROJECT["project"]["optional-dependencies"]
    named = [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in optional[extra])]
    return {match[0] for match in (re.match(r"[\w-]+", each) for each in named) if match}
