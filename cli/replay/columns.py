"""The columns of a file of reads."""

from collections.abc import Sequence

from cli.exits import CliError, Exit
from tables.columns import folded, suggestions
from tables.columns import parse_map as parsed
from tables.faults import TableError
from tables.layouts import READS, UTC_TIMES


def parse_map(pairs: Sequence[str]) -> dict[str, str]:
    """`--map ours=theirs` as a mapping. CliError for a pair that names none of our columns."""
    try:
        return parsed(pairs, READS)
    except TableError as fault:
        raise CliError(fault.message, Exit.USAGE) from None


def parse_forces(pairs: Sequence[str]) -> dict[str, str]:
    """`--force-map old=new`: force codes of the file and ours. CliError for a pair that is none."""
    codes: dict[str, str] = {}
    for pair in pairs:
        old, found, new = (part.strip().casefold() for part in pair.partition("="))
        if not found or not old or not new:
            raise CliError(f"--force-map {pair}: say OLD=NEW, the file's force and ours", Exit.USAGE)
        if codes.setdefault(old, new) != new:
            raise CliError(f"--force-map {pair}: {old} is mapped twice; say one of them", Exit.USAGE)
    return codes


def about_utc(ignored: Sequence[str]) -> list[str]:
    """What to say of a file's times without a zone when an ignored column has times in UTC."""
    column = next((name for name in ignored if folded(name) in UTC_TIMES), "")
    options = suggestions([column], ["captured_at"], READS)
    return [
        f"the column {column} seems to have these times in UTC: {each} takes it instead" for each in options
    ]
