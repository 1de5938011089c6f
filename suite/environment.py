"""Decides, where our environment and the suite both set a variable, which value a process gets."""

from collections.abc import Iterable, Mapping
from typing import Final

from suite.processes import Command

OBEYED: Final = (
    "GANTRY_STORE__IMAGES",
    "GANTRY_BRIDGE__IDENTITIES",
    "GANTRY_TELEMETRY__TRACES_PER_SECOND",
    "GANTRY_INGEST__TRACES_PER_SECOND",
)
"""Set by the suite only where our environment does not. Any other value of the suite comes first."""


def obeyed(environ: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The suite's own values, with those of the environment that come before them."""
    return {name: (environ.get(name) or value) if name in OBEYED else value for name, value in own.items()}


def told_of(environ: Mapping[str, str], commands: Iterable[Command]) -> list[str]:
    """A sentence each about the variables that are obeyed and ignored; none when there are none."""
    given = [
        (name, environ[name] == value)
        for command in commands
        for name, value in command.environment.items()
        if environ.get(name)
    ]
    taken = sorted({name for name, same in given if same and name in OBEYED})
    ignored = sorted({name for name, same in given if not same})
    sentences = []
    if taken:
        sentences.append(f"taken from the environment instead of the suite's own values: {', '.join(taken)}")
    if ignored:
        sentences.append(f"ignored in the environment, because the suite sets them: {', '.join(ignored)}")
    return sentences
