"""The limit of bad lines in a file that replaces a hotlist: a broken export must not replace a good list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from chassis.errors import InvalidInput
from services.match.hotlists.hotlist_file import HotlistFile

_NAMED_LINES: Final = 10


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Most bad lines in per cent of all lines. Fewer than `least` bad lines are always allowed."""

    percent: int
    least: int = 0

    def exceeded(self, rejected: int, lines: int) -> bool:
        """Whether the bad lines exceed the limit."""
        return rejected >= max(1, self.least) and rejected * 100 > self.percent * lines


# A new list replaces nothing, so any number of good lines is accepted.
OF_A_NEW_LIST: Final = Tolerance(100)
# One or two typing errors in a short list must not block its other lines.
OF_A_REPLACEMENT: Final = Tolerance(50, least=3)


def require_tolerable(file: HotlistFile, tolerance: Tolerance, *, allow_empty: bool) -> None:
    """Raise InvalidInput HOTLIST_BROKEN or HOTLIST_EMPTY for a file that must not become a list."""
    if not file.accepted and not allow_empty:
        raise InvalidInput(
            "HOTLIST_EMPTY",
            f"the file has no usable line ({file.rejected} were refused); the list is as it was"
            f"{_about_changes(file)}",
            field="chunk",
            metadata=_told(file),
        )
    lines = file.accepted + file.rejected
    if tolerance.exceeded(file.rejected, lines):
        raise InvalidInput(
            "HOTLIST_BROKEN",
            f"{file.rejected} of {lines} lines cannot be used, more than the {tolerance.percent} % allowed; "
            f"nothing was imported and the list is as it was{_about_changes(file)}",
            field="chunk",
            metadata=_told(file),
        )


def refuse_all_past(file: HotlistFile) -> NoReturn:
    """Raise InvalidInput HOTLIST_EMPTY for a file whose entries have all ended: active ones must stay."""
    entries = (
        f"all {file.accepted} entries of the file are" if file.accepted > 1 else "the entry of the file is"
    )
    raise InvalidInput(
        "HOTLIST_EMPTY",
        f"{entries} past the weed date and would match nothing; the list is as it was: if the file is an old "
        "one, import the present one",
        field="chunk",
        metadata=_told(file),
    )


def _about_changes(file: HotlistFile) -> str:
    """What a file of changes is, when most of the refused lines say that they are to go."""
    if file.not_in_force * 2 <= file.rejected:
        return ""
    return (
        "; most of the refused lines say that they are to go or have ended: if this is a list of changes, "
        "import the whole list as it is in force"
    )


def _told(file: HotlistFile) -> dict[str, str]:
    errors = [
        f"line {each.line}{f', {each.column}' if each.column else ''}: {each.message}"
        for each in file.problems[:_NAMED_LINES]
    ]
    return {
        "lines": str(file.accepted + file.rejected),
        "rejected_lines": str(file.rejected),
        "errors": "\n".join(errors),
    }
