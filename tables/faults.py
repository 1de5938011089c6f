"""What can be wrong with a file, and with one line of it. No text here quotes a line: it may hold a plate."""

from __future__ import annotations

from dataclasses import dataclass


class TableError(Exception):
    """The file as a whole cannot be used. The text says what is wrong, where, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CutError(TableError):
    """The compressed data end or break in the middle; the lines before are good."""


class RowError(Exception):
    """A line cannot be used. `column` is at fault, or the whole line when it is empty."""

    def __init__(self, message: str, column: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark on a line: what was done with it and why."""

    line: int
    column: str
    message: str
