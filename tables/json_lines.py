"""JSON lines, fed by chunks: one object a line, whose keys are the columns. Same face as `tables.table`.

A key inside an inner object is a column such as "position.latitude", where such a column is looked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from tables.columns import Found, Wanted, folded, match_columns
from tables.faults import Remark, RowError, TableError
from tables.furniture import BLANKS
from tables.lines import Lines
from tables.table import Row

_SAMPLE_LINES: Final = 1000
_folded: Final = lru_cache(maxsize=4096)(folded)


class JsonLines:
    """Takes the bytes of one file in order. Looks at the keys of many lines before it gives the first row."""

    def __init__(self, wanted: Wanted, chosen: Mapping[str, str] | None = None, *, longest: int) -> None:
        """`chosen` maps our names to the file's; `longest` is the most characters of a line."""
        self.lines = Lines(longest)
        self.furniture = 0
        self.remarks: list[Remark] = []
        self._wanted = wanted
        self._chosen = dict(chosen or {})
        self._sample: list[tuple[int, str | RowError]] = []
        names = [each for also in wanted.also.values() for each in also]
        names += [part for theirs in self._chosen.values() for part in (theirs, *theirs.split("+"))]
        self._inner = frozenset(folded(name) for name in names if "." in name)
        self._found: Found | None = None
        self._pick: list[Callable[[dict[str, Any]], Any]] = []

    @property
    def found(self) -> Found:
        """Our columns among the keys of the first lines."""
        assert self._found is not None, "the first lines come first"
        return self._found

    def feed(self, chunk: bytes) -> Iterator[Row]:
        """The rows that `chunk` completes. Raises TableError."""
        for number, text in self.lines.feed(chunk):
            yield from self._take(number, text)

    def finish(self) -> Iterator[Row]:
        """The rows that are left at the end. Raises TableError, also when no line is an object."""
        for number, text in self.lines.finish():
            yield from self._take(number, text)
        if self._found is None:
            yield from self._begin()

    def _take(self, number: int, text: str | RowError) -> Iterator[Row]:
        if not isinstance(text, RowError) and not text.strip(BLANKS):
            return
        if self._found is not None:
            yield self._row(number, text)
            return
        self._sample.append((number, text))
        if len(self._sample) >= _SAMPLE_LINES:
            yield from self._begin()

    def _begin(self) -> Iterator[Row]:
        keys: dict[str, None] = {}
        for _, text in self._sample:
            try:
                found = self._object(text)
            except RowError:
                continue
            # What is null in one line may be an inner object in another.
            keys.update(
                (key, None) for key, each in found.items() if each is not None or not self._opens(key)
            )
        if not keys:
            raise TableError(
                "no line at the beginning of the file is a JSON object: write each object on one line "
                "(JSON lines)"
            )
        self._found = match_columns(list(keys), self._wanted, self._chosen, in_line=False)
        self._pick = [self._picker(ours) for ours in self._wanted.ours]
        sample, self._sample = self._sample, []
        yield from (self._row(number, text) for number, text in sample)

    def _opens(self, key: str) -> bool:
        return any(name.startswith(f"{folded(key)}.") for name in self._inner)

    def _object(self, text: str | RowError) -> dict[str, Any]:
        """The object of a line, in which an inner object gives way to those of its values that are wanted."""
        value = _object(text)
        if dict not in map(type, value.values()):
            return value
        opened: dict[str, Any] = {}
        for key, each in value.items():
            inner = {f"{key}.{part}": found for part, found in each.items()} if isinstance(each, dict) else {}
            wanted = {name: found for name, found in inner.items() if _folded(name) in self._inner}
            opened.update(wanted or {key: each})
        return opened

    def _picker(self, ours: str) -> Callable[[dict[str, Any]], Any]:
        places = self.found.places.get(ours, ())
        if not places and ours in self._wanted.also and ours not in self._chosen:
            return self._searcher(ours)
        # A key may occur for the first time in a later line, so that our own name is looked for everywhere.
        names = [self.found.names[place] for place in places] or [self._chosen.get(ours, ours)]
        if len(names) == 1:
            return lambda each: each.get(names[0])
        return lambda each: " ".join(str(each[name]).strip() for name in names if each.get(name) is not None)

    def _searcher(self, ours: str) -> Callable[[dict[str, Any]], Any]:
        """Looks for a column in each line under all its names: a receiver may find its place late."""
        names = frozenset(map(folded, (ours, *self._wanted.also[ours])))
        return lambda each: next((value for key, value in each.items() if _folded(key) in names), None)

    def _row(self, number: int, text: str | RowError) -> Row:
        try:
            value = self._object(text)
        except RowError as broken:
            return number, "", broken
        return number, str(text), [pick(value) for pick in self._pick]


def _object(text: str | RowError) -> dict[str, Any]:
    if isinstance(text, RowError):
        raise text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise RowError("the line is not JSON") from None
    if not isinstance(value, dict):
        raise RowError("the line is not a JSON object")
    return value
