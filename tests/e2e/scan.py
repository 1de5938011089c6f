"""Searches files for plates, people, tokens and passwords."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from anpr.confusable import fold
from suite.suite import Suite


def forms(plate: str) -> set[str]:
    """The ways in which a plate could be written."""
    spaced = f"{plate[:4]} {plate[4:]}"
    return {form for each in (plate, spaced, fold(plate)) for form in (each, each.lower())}


def plates(known: Iterable[str]) -> dict[str, str]:
    """The words that would reveal plates."""
    return {form: "a plate" for plate in known for form in forms(plate)}


def passwords(suite: Suite) -> dict[str, str]:
    """The passwords of the database's roles."""
    files = suite.layout.secrets.iterdir()
    return {path.read_text().strip(): f"the password of {path.stem}" for path in files}


def found_in(text: str, words: Mapping[str, str], where: str) -> list[str]:
    """Which of the words are in a text: what and where, but not the word itself."""
    return [f"{what} in {where}" for word, what in words.items() if word in text]


def written(suite: Suite) -> Iterator[Path]:
    """Every file into which the suite's processes write about what they do."""
    yield from suite.layout.logs.iterdir()
    yield from suite.layout.spans.iterdir()
    yield suite.postgres.home.log


def leaks(suite: Suite, words: Mapping[str, str]) -> list[str]:
    """Which of the words are in logs and spans."""
    return [one for path in written(suite) for one in found_in(path.read_text(), words, path.name)]
