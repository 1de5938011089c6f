"""Options that several verbs share."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import typer
from gantry.common.v1.purpose_pb2 import Purpose

from cli.exits import CliError, Exit
from cli.home import Person
from cli.interrupts import cancel_current, interruptible

T = TypeVar("T")

_SHORTEST_REASON: Final = 3
_LONGEST_REASON: Final = 500
_LONGEST_REFERENCE: Final = 100

ForceOption = Annotated[
    str | None, typer.Option("--force", metavar="CODE", help="The force.", show_default=False)
]
ForcesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--force", metavar="CODE", help="A force; repeat for more. Default: all of yours.", show_default=False
    ),
]
PurposeOption = Annotated[
    str,
    typer.Option(
        "--purpose", metavar="TEXT", help="Why you do this; the audit trail has it first.", show_default=False
    ),
]
ReferenceOption = Annotated[
    str, typer.Option("--reference", metavar="REF", help="Incident, case or operation.", show_default=False)
]


def purpose_of(reason: str, reference: str) -> Purpose:
    """The purpose for a request. CliError for one that no service accepts."""
    if not len(reason.strip()) >= _SHORTEST_REASON or len(reason) > _LONGEST_REASON:
        length = f"{_SHORTEST_REASON} to {_LONGEST_REASON} characters"
        raise CliError(f"say why you look, in {length}, with --purpose", Exit.USAGE)
    if len(reference) > _LONGEST_REFERENCE:
        raise CliError(f"--reference has at most {_LONGEST_REFERENCE} characters", Exit.USAGE)

    return Purpose(justification=reason, reference=reference)


def one_force(person: Person, force: str | None) -> str:
    """The force that was named, or a person's only one. CliError when it must be named."""
    if force is not None:
        return person.require(force)
    if len(person.forces) == 1:
        return person.forces[0]
    raise CliError(f"say for which force: --force {' or --force '.join(person.forces)}", Exit.USAGE)


def time_of(text: str | None, option: str) -> datetime | None:
    """An option's time, UTC unless it says otherwise. CliError when it is none."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"{option} {text}: say a time such as 2025-03-01T08:00:00Z", Exit.USAGE) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def period_of(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The times of --from and --to. CliError when nothing lies between them."""
    begin, end = time_of(since, "--from"), time_of(until, "--to")
    if begin is not None and end is not None and begin >= end:
        raise CliError(f"--from {since} is not before --to {until}: nothing lies between them", Exit.USAGE)
    return begin, end


async def first(items: AsyncIterator[T], count: int) -> AsyncIterator[T]:
    """At most `count` of the items. It requests no more than these."""
    async for item in items:
        yield item
        count -= 1
        if count <= 0:
            return


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a verb's asynchronous work to its end. A termination (SIGTERM) ends it as Ctrl-C does."""
    with interruptible():
        asyncio.run(_terminable(work))


async def _terminable(work: Coroutine[Any, Any, None]) -> None:
    # Only the main thread hears of signals.
    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cancel_current())
    await work
