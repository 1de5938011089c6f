"""Work for every force. A failure for one force does not stop the work for the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from chassis.loops import raise_if_cancelled


async def for_each_force(forces: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Do the work for one force after another. At the end, raise the errors: one error, or a group."""
    errors: list[Exception] = []
    for force in forces:
        try:
            await work(force)
        except Exception as error:  # noqa: BLE001 - raised below
            raise_if_cancelled()
            errors.append(error)
    if len(errors) > 1:
        raise ExceptionGroup("the work failed for several forces", errors)
    if errors:
        raise errors[0]
