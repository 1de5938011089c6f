"""Cases of the field as data: the files of a folder, and the steps in its `case.toml`."""

import shlex
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

CASES: Final = Path(__file__).parent / "cases"
FORCE: Final = "essex"
_PURPOSE: Final = ("--purpose", "Field trial")
# The options that a command is given unless the case gives them itself.
_ADDED: Final = {
    ("hotlist", "import"): (("--force", FORCE), _PURPOSE),
    ("alerts", "watch"): (("--force", FORCE), _PURPOSE),
    ("camera", "list"): (("--force", FORCE),),
    ("hotlist", "list"): (("--force", FORCE),),
    ("search",): (_PURPOSE,),
    ("replay",): (("--enrol", ""), ("--speed", "max")),
}


@dataclass(frozen=True)
class Step:
    """One command, and what is expected of it."""

    words: tuple[str, ...]
    code: int
    says: tuple[str, ...]
    never: tuple[str, ...]
    soon: bool


@dataclass(frozen=True)
class Case:
    """A report from the field."""

    name: str
    about: str
    steps: tuple[Step, ...]

    def lay_out(self, folder: Path) -> None:
        """Write the input files into a folder, with the dates of today."""
        for file in (CASES / self.name).iterdir():
            if file.name != "case.toml":
                content = file.read_bytes()
                for token, value in _dates().items():
                    content = content.replace(token, value)
                (folder / file.name).write_bytes(content)


def cases() -> list[Case]:
    """All cases, by name."""
    return [read_case(path.parent) for path in sorted(CASES.glob("*/case.toml"))]


def read_case(folder: Path) -> Case:
    """The case in a folder. KeyError or TypeError for a word that is none of ours."""
    told = tomllib.loads((folder / "case.toml").read_text())
    steps = tuple(_step(folder.name, **step) for step in told["step"])
    return Case(folder.name, told["about"], steps)


def _step(
    name: str,
    *,
    run: str,
    exit: int = 0,  # noqa: A002 - the word of the file
    says: Any = (),
    never: Any = (),
    soon: bool = False,
) -> Step:
    words = shlex.split(run.replace("{case}", name))
    for verb, options in _ADDED.items():
        if tuple(words[: len(verb)]) == verb:
            words += [word for option in options if option[0] not in words for word in option if word]
    return Step(tuple(words), exit, tuple(says), tuple(never), soon)


def _dates() -> dict[bytes, bytes]:
    now = datetime.now(UTC)
    return {
        token: moment.strftime(form).encode()
        for token, moment, form in (
            (b"@TODAY@", now, "%Y-%m-%d"),
            (b"@YESTERDAY@", now - timedelta(days=1), "%Y-%m-%d"),
            (b"@TOMORROW@", now + timedelta(days=1), "%Y-%m-%d"),
            (b"@NEXT_YEAR@", now, f"{now.year + 1}"),
            (b"@HOUR_AGO@", now - timedelta(hours=1), "%Y-%m-%dT%H:%M"),
        )
    }
