"""The columns of a file of reads."""

from collections.abc import Sequence

from cli.exits import CliError, Exit
from tables.columns import parse_map as parsed
from tables.faults import TableError
from tables.layouts import READS


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
