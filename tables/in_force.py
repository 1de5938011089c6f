"""Columns that say of each line what to do with it, or whether it is in force: DELETE, EXPIRED, active=N."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Final

from tables.cells import bare
from tables.columns import folded, shown
from tables.faults import RowError

_DONE: Final = frozenset(
    (
        *("delete", "deleted", "deletion", "del", "remove", "removed", "removal"),
        *("cancel", "cancelled", "canceled", "cancellation", "withdraw", "withdrawn", "weed", "weeded"),
        *("expire", "expired", "inactive", "not active", "not in force", "close", "closed", "end", "ended"),
    )
)
_NO: Final = frozenset(("n", "no", "f", "false", "0", "0.0"))
_YES: Final = frozenset(("y", "yes", "t", "true", "1", "1.0"))
_STATES: Final = ("status", "record_status", "entry_status", "state", "record_state", "entry_state")
_IN_FORCE: Final = (
    *("active", "is_active", "in_force", "enabled", "is_enabled", "live", "is_live"),
    *("current", "is_current", "valid", "is_valid"),
)
_OPERATIONS: Final = (
    *("operation", "operation_type", "op", "op_type", "change", "change_type", "transaction"),
    *("transaction_type", "update_type", "record_action"),
)

LEAVES_OUT: Final[Mapping[str, Set[str]]] = {
    **dict.fromkeys(_STATES, _DONE),
    **dict.fromkeys(_OPERATIONS, _DONE | {"d"}),
    **dict.fromkeys(_IN_FORCE, _DONE | _NO),
    **dict.fromkeys(("deleted", "is_deleted", "cancelled", "withdrawn"), _DONE | _YES),
    # The field also calls the instruction so.
    "action": frozenset(("delete", "remove", "cancel")),
}
"""The names of such columns, and the words that say that an entry is to go or is not in force."""


class NotInForceError(RowError):
    """The line says itself that it is no entry that is in force."""


class InForce:
    """Tells the lines that are to be left out from the cells of such columns in a file."""

    def __init__(self, names: Sequence[str], used: Collection[int]) -> None:
        """`names` are those of the header. A column whose place is `used` is one of ours and says nothing."""
        self._columns = [
            (place, shown(name), LEAVES_OUT[folded(name)])
            for place, name in enumerate(names)
            if place not in used and folded(name) in LEAVES_OUT
        ]

    def denied(self, columns: Sequence[Sequence[str]]) -> bool:
        """Whether one of several lines, given by column, is to be left out."""
        return any(_said(words, {*columns[place]}) for place, _, words in self._columns)

    def why_not(self, cells: Sequence[str]) -> NotInForceError | None:
        """Why a line is to be left out; None for one that is taken."""
        for place, name, words in self._columns:
            if said := _said(words, (cells[place],)):
                return NotInForceError(
                    f"it says {said}, so the line is left out: a list holds what is in force, and an import "
                    "replaces the whole list",
                    name,
                )
        return None


def _said(words: Set[str], cells: Iterable[str]) -> str:
    """The first cell that is one of the words; empty when none is."""
    return next((told for cell in cells if (told := bare(cell)).casefold() in words), "")
