"""Finds our columns among those of a file: by name, or as `--map ours=theirs` says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tables.faults import TableError

_GAP: Final = re.compile(r"[\s_/\-\u200b\u200e\u200f\u2060\ufeff]+")
_AROUND: Final = "\"'*:.\u2018\u2019\u201c\u201d\u201e"
_DELIMITERS: Final = frozenset(",;\t|:")
_BETWEEN_NAMES: Final = re.compile(r"[,;&+ ]+")
_MOST_SHOWN: Final = 30
_MOST_NAME: Final = 40
MOST_COLUMNS: Final = 500


@dataclass(frozen=True)
class Wanted:
    """The columns that a reader wants.

    `also`: names that mean the same and are taken. `likely`: names that may mean it and are suggested.
    `together`: columns that may be made of several, joined by a blank ("captured_at=Date+Time").
    `instead`: options that stand in for a column that the file does not have.
    `in_force`: only lines that are in force are taken; see `tables.in_force`.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    likely: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    together: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)
    in_force: bool = False

    @property
    def ours(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.required, *self.optional)


@dataclass(frozen=True)
class Found:
    """The places in the file of each of our columns, usually one, and the columns that are ignored."""

    places: Mapping[str, tuple[int, ...]]
    names: tuple[str, ...]
    ignored: tuple[str, ...]

    def theirs(self, ours: str) -> str:
        """The file's own name of one of our columns."""
        return "+".join(self.names[place].strip() for place in self.places.get(ours, ()))


class HeaderError(TableError):
    """The header line does not have the columns that are needed."""


def folded(name: str) -> str:
    """A column's name without the differences that nobody sees: case, blanks, dashes, strokes, quotes."""
    return _GAP.sub("_", name.strip().strip(_AROUND).strip()).strip("_").casefold()


def parse_map(pairs: Iterable[str], wanted: Wanted) -> dict[str, str]:
    """`ours=theirs` pairs as a mapping. TableError for a pair that names none of our columns."""
    chosen: dict[str, str] = {}
    for pair in pairs:
        ours, found, theirs = pair.partition("=")
        ours, theirs = ours.strip().casefold(), theirs.strip()
        if not found or not theirs or ours not in wanted.ours:
            raise TableError(f"--map {pair}: say OURS=THEIRS, where OURS is one of {', '.join(wanted.ours)}")
        if chosen.setdefault(ours, theirs) != theirs:
            raise TableError(f"--map {pair}: {ours} is mapped twice; say one of them")
    return chosen


def match_columns(
    names: Sequence[str], wanted: Wanted, chosen: Mapping[str, str], *, in_line: bool = True
) -> Found:
    """Find our columns among the file's. HeaderError says what was found, what is needed, what to try.

    `in_line`: the names stand in a header line, which can be missing or separated in another way.
    """
    known = [folded(name) for name in names]
    places: dict[str, tuple[int, ...]] = {}
    for ours in wanted.ours:
        if ours in chosen:
            found = _mapped(chosen[ours], known, together=ours in wanted.together)
        else:
            found = _named((ours, *wanted.also.get(ours, ())), known)
        if found:
            places[ours] = found
    _refuse_twins(names, known, places)
    missing = [one for one in (*wanted.required, *chosen) if one not in places]
    if missing:
        raise HeaderError(
            _wrong_header(names, list(dict.fromkeys(missing)), wanted, chosen, places, in_line=in_line)
        )
    used = {place for each in places.values() for place in each}
    ignored = tuple(shown(name) for place, name in enumerate(names) if place not in used and name.strip())
    return Found(places, tuple(names), ignored)


def looks_like_header(names: Sequence[str], wanted: Wanted, chosen: Mapping[str, str]) -> bool:
    """Whether a line has all the columns that are needed, under their names."""
    try:
        match_columns(names, wanted, chosen)
    except TableError:
        return False
    return True


def suggestions(found: Iterable[str], missing: Iterable[str], wanted: Wanted) -> list[str]:
    """`--map` options that might supply the missing columns."""
    # A name with a delimiter in it is a header that was taken apart in the wrong way.
    names = [name for name in reversed(list(found)) if name.strip() and _DELIMITERS.isdisjoint(name)]
    left = {folded(name): name.strip() for name in names}
    options = []
    for ours in missing:
        likely = [name for name in wanted.likely.get(ours, ()) if name in left]
        likely += difflib.get_close_matches(ours, left, n=1, cutoff=0.7)
        parts = [name for name in ("date", "time") if name in left]
        if ours in wanted.together and len(parts) == 2 and (not likely or likely[0] in parts):
            options.append(f"--map {_quoted(f'{ours}={left.pop(parts[0])}+{left.pop(parts[1])}')}")
        elif likely:
            options.append(f"--map {_quoted(f'{ours}={left.pop(likely[0])}')}")
    return options


def ignored_sentence(ignored: Sequence[str], wanted: Wanted, found: Iterable[str] = ()) -> str:
    """The columns of which nothing is kept, and the options that take those that may be ours.

    `found`: those of our columns that the file has, for which nothing is advised.
    """
    options = suggestions(ignored, [one for one in wanted.optional if one not in found], wanted)
    advice = f" ({' '.join(options)} takes {'it' if len(options) == 1 else 'them'})" if options else ""
    return f"columns ignored: {', '.join(ignored)}{advice}"


def shown(name: str) -> str:
    """A column's name as it is shown to people: short, and without characters that move a terminal."""
    name = "".join(letter if letter.isprintable() else "\ufffd" for letter in name.strip())
    return name if len(name) <= _MOST_NAME else f"{name[: _MOST_NAME - 2]}.."


def _named(wanted: Iterable[str], known: Sequence[str]) -> tuple[int, ...]:
    return next(((known.index(name),) for name in wanted if name in known), ())


def _mapped(theirs: str, known: Sequence[str], *, together: bool) -> tuple[int, ...]:
    """The place of the column of that name, or of its parts when it is a sum of names."""
    if whole := _named((folded(theirs),), known):
        return whole
    parts = [_named((folded(part),), known) for part in theirs.split("+")] if together else []
    return tuple(part[0] for part in parts) if parts and all(parts) else ()


def _refuse_twins(names: Sequence[str], known: Sequence[str], places: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse two columns of one name, because it is unknown which of them is meant."""
    used = dict.fromkeys(place for each in places.values() for place in each)
    twins = [shown(names[place]) for place in used if known.count(known[place]) > 1]
    if twins:
        raise HeaderError(
            f"the file has several columns called {', '.join(twins)}; rename those that are not meant"
        )


def _wrong_header(
    names: Sequence[str],
    missing: Sequence[str],
    wanted: Wanted,
    chosen: Mapping[str, str],
    places: Mapping[str, tuple[int, ...]],
    *,
    in_line: bool,
) -> str:
    lacks = ", ".join(f"{one} (as {shown(chosen[one])})" if one in chosen else one for one in missing)
    free = [name for place, name in enumerate(names) if not any(place in each for each in places.values())]
    options = suggestions(free, [one for one in missing if one not in chosen], wanted)
    if in_line and len(names) == 1 and not places and len(missing) > 1:
        return (
            f"the header line has one column; needed: {lacks}; separate columns by commas, semicolons, "
            "tabs or |, and put no line in quotes as a whole"
        )
    if in_line and not places and not options:
        # The line may be data. Its cells are not shown: one of them may be a plate.
        return (
            f"line 1 has none of the columns that Gantry knows, so it seems to be no header line; "
            f"needed: {lacks}; write their names above the data, or name them with --map OURS=THEIRS"
        )
    named = {option.removeprefix("--map ").partition("=")[0] for option in options}
    options += [wanted.instead[one] for one in missing if one in wanted.instead and one not in named]
    found = ", ".join(shown(name) or "(no name)" for name in names[:_MOST_SHOWN]) or "none"
    if all(one in chosen for one in missing):
        advice = _join_advice(names, chosen, wanted)
        return f"columns found: {found}; --map names what is not among them: {lacks}{advice}"
    return f"columns found: {found}; needed and missing: {lacks}{_advice(options)}"


def _join_advice(names: Sequence[str], chosen: Mapping[str, str], wanted: Wanted) -> str:
    """How to name two columns, for who named them with another sign between."""
    known = [folded(name) for name in names]
    for ours in wanted.together:
        parts = [part for part in _BETWEEN_NAMES.split(chosen.get(ours, "")) if part]
        if len(parts) > 1 and all(folded(part) in known for part in parts):
            pair = f"{ours}={'+'.join(parts)}"
            return f"; columns are joined with +: --map {_quoted(pair)}"
    return ""


def _advice(options: Sequence[str]) -> str:
    return f"; try {' '.join(options)}" if options else "; add them, or name theirs with --map OURS=THEIRS"


def _quoted(pair: str) -> str:
    ours, _, theirs = pair.partition("=")
    return f'{ours}="{theirs}"' if " " in theirs else pair
