"""A hotlist's file, read chunk by chunk: good lines become entries, bad ones are named and left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from chassis.errors import InvalidInput
from services.match.hotlists import values
from tables.blocks import Block
from tables.faults import Remark, RowError, TableError
from tables.in_force import NotInForceError
from tables.layouts import HOTLIST
from tables.table import Row, Table

MOST_LINE: Final = 8192
"""Characters of a line."""
MOST_ERRORS: Final = 100
# So much is parsed at once. A packed file may hold far more lines than a chunk of it lets one think.
_BATCH_LINES: Final = 2000
_FEW: Final = 40
_NO_VEHICLE: Final = ("", "", "", "")


@dataclass(slots=True)
class Entries:
    """Good lines, one list a column."""

    lines: list[int] = field(default_factory=list)
    vrms: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    priorities: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)
    weed_dates: list[str] = field(default_factory=list)
    makes: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def extend(self, columns: Sequence[Sequence[Any]]) -> None:
        """Add lines whose values are given by column, in the order of the fields."""
        for name, column in zip(self.__slots__, columns, strict=True):
            getattr(self, name).extend(column)


class HotlistFile:
    """Takes the bytes of one file in order. Keeps at most some unfinished lines of them."""

    def __init__(self, columns: Mapping[str, str] | None = None, now: datetime | None = None) -> None:
        """`columns` maps our names to the file's. Entries whose weed date is before `now` are remarked on.

        `rejected` counts bad lines; `not_in_force` those of them that say that they are to go.
        """
        self.accepted = 0
        self.rejected = 0
        self.not_in_force = 0
        self.problems: list[Remark] = []
        self._table = Table(HOTLIST, columns, longest=MOST_LINE)
        self._now = now or datetime.now(UTC)

    @property
    def remarks(self) -> Sequence[Remark]:
        """Remarks on lines that are no problems: what was left out as no entry, or is odd."""
        return self._table.remarks

    @property
    def furniture(self) -> int:
        """Lines that are no entries: a header again, totals, counts, blank rows."""
        return self._table.furniture

    @property
    def ignored_columns(self) -> Sequence[str]:
        """Columns of which nothing is kept."""
        return self._table.found.ignored if self._table.header else ()

    def feed(self, chunk: bytes) -> Iterator[Entries]:
        """The entries of the lines that `chunk` completes, in parts. Raises InvalidInput CSV_HEADER_INVALID.

        Read it to its end before the next chunk.
        """
        yield from self._in_parts(self._table.feed_blocks(chunk))

    def finish(self) -> Iterator[Entries]:
        """The entries that are left at the end. Raises InvalidInput, also when there was no header."""
        yield from self._in_parts(self._table.finish_blocks())

    def _in_parts(self, parts: Iterator[Block | Row]) -> Iterator[Entries]:
        entries, count = Entries(), 0
        try:
            for part in parts:
                if isinstance(part, Block):
                    self._take_block(part, entries)
                    count += len(part.texts)
                else:
                    self._take(part, entries)
                    count += 1
                if count >= _BATCH_LINES:
                    yield entries
                    entries, count = Entries(), 0
        except TableError as fault:
            raise InvalidInput(
                "CSV_HEADER_INVALID", f"the file cannot be read as a hotlist: {fault.message}", field="chunk"
            ) from None
        yield entries

    def _take_block(self, block: Block, entries: Entries) -> None:
        try:
            columns = self._checked(block)
        except RowError:
            columns = None
        if columns is not None:
            entries.extend(columns)
            self.accepted += len(block.texts)
        elif len(block.texts) > _FEW:
            # A bad line keeps only those near it from being taken together.
            for part in block.parts(_FEW):
                self._take_block(part, entries)
        else:
            for row in block.rows():
                self._take(row, entries)

    def _checked(self, block: Block) -> Sequence[Sequence[Any]] | None:
        """The columns of `Entries`; None when there is something to remark. RowError when a line is bad."""
        cells = block.columns
        vrms, beside = values.plates(cells[0])
        ends = {cell: values.weed_date(cell) for cell in {*cells[5]}}
        has_passed = any(end is not None and end <= self._now for _, end in ends.values())
        if (has_passed or any(beside)) and not self._table.has_all_remarks:
            return None
        makes, models, colours, countries = (
            values.each_once(partial(values.word, column), cells[at])
            for at, column in enumerate(("make", "model", "colour", "country"), 6)
        )
        return (
            range(block.first, block.first + len(vrms)),
            vrms,
            values.texts(values.reason, cells[1]),
            values.each_once(values.priority, cells[2]),
            values.each_once(values.markers, cells[3]),
            values.texts(values.instruction, cells[4]),
            [ends[cell][0] for cell in cells[5]],
            *(makes, models, colours),
            [said or country for said, country in zip(countries, beside, strict=True)]
            if any(beside)
            else countries,
        )

    def _take(self, row: Row, entries: Entries) -> None:
        line, _, cells = row
        try:
            if isinstance(cells, RowError):
                raise cells
            self._add(line, cells, entries)
        except RowError as problem:
            self.rejected += 1
            self.not_in_force += isinstance(problem, NotInForceError)
            if len(self.problems) < MOST_ERRORS:
                self.problems.append(Remark(line, problem.column, problem.message))

    def _add(self, line: int, cells: Sequence[str], entries: Entries) -> None:
        # All checks come first: a line is used as a whole or not at all.
        vrm, country = values.plate(cells[0])
        reason = values.reason(cells[1])
        priority = values.priority(cells[2])
        markers = values.markers(cells[3])
        instruction = values.instruction(cells[4])
        weed_date, end = values.weed_date(cells[5])
        make, model, colour, said = values.vehicle(*cells[6:]) if any(cells[6:]) else _NO_VEHICLE
        if end is not None and end <= self._now:
            self._table.remark(
                line, "weed_date", f"the weed date has passed already, on {end:%Y-%m-%d %H:%M} UTC"
            )
        if country:
            self._table.remark(line, "vrm", f"the country {country} beside the plate was taken off it")
        entries.lines.append(line)
        entries.vrms.append(vrm)
        entries.reasons.append(reason)
        entries.priorities.append(priority)
        entries.markers.append(markers)
        entries.instructions.append(instruction)
        entries.weed_dates.append(weed_date)
        entries.makes.append(make)
        entries.models.append(model)
        entries.colours.append(colour)
        entries.countries.append(said or country)
        self.accepted += 1
