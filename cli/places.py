"""Folders and files that messages will name, perhaps in the middle of several lines."""

from pathlib import Path

from cli.exits import CliError, Exit
from cli.inert import inert


def nameable(place: Path) -> Path:
    """The place as it is absolutely. CliError when its name holds what a message could not show."""
    if not str(place).isprintable():
        raise CliError(f"{inert(str(place))}: its name holds characters that cannot be shown", Exit.USAGE)
    return place.absolute()
