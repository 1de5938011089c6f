"""The progress of a replay: a bar on a terminal, a line now and then elsewhere, nothing with `--json`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.live import live_console
from cli.output import counted, note
from cli.replay.source import ReadFile
from cli.replay.tally import Tally

_LINE_EVERY_SECONDS: Final = 5.0
_REDRAW_EVERY_SECONDS: Final = 0.1
Report = Callable[[], None]


@contextmanager
def sending_progress(file: ReadFile, tally: Tally, *, quiet: bool) -> Iterator[Report]:
    """Show the sending; the report to call now and then is given to the block."""
    console = live_console(stderr=True)
    if quiet:
        yield _nothing
    elif console.is_terminal:
        with _bar(console, file, "sending") as update:
            yield _at_most_every(_REDRAW_EVERY_SECONDS, lambda: update(file.bytes_read, _says(tally)))
    else:
        yield _at_most_every(_LINE_EVERY_SECONDS, lambda: note(_line(file, tally)))


@contextmanager
def scanning_progress(file: ReadFile, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show the first pass; the block tells it the bytes read."""
    console = live_console(stderr=True)
    if quiet:
        yield _nothing
    elif console.is_terminal:
        with _bar(console, file, "looking through the file") as update:
            yield lambda done: update(done, "")
    else:
        say = _at_most_every(
            _LINE_EVERY_SECONDS, lambda: note(f"looking through the file: {file.bytes_read / file.size:.0%}")
        )
        yield lambda _: say()


@contextmanager
def _bar(console: Console, file: ReadFile, what: str) -> Iterator[Callable[[int, str], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[says]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=file.size, says="")
        yield lambda done, says: progress.update(task, completed=done, says=says)


def _at_most_every(seconds: float, report: Report) -> Report:
    last = time.monotonic()

    def perhaps() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            report()

    return perhaps


def _says(tally: Tally) -> str:
    rate = tally.answered / max(0.001, time.monotonic() - tally.started)
    wrong = tally.rejected.total() + tally.broken
    refused = f", {wrong:,} refused or broken" if wrong else ""
    return f"{counted(tally.answered, 'read')}, {rate:,.0f}/s{refused}"


def _line(file: ReadFile, tally: Tally) -> str:
    return f"{file.bytes_read / file.size:.0%} of the file: {_says(tally)}"


def _nothing(*_: Any) -> None:
    pass
