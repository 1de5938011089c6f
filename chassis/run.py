"""One entry point for every service's ``__main__``."""

from __future__ import annotations
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar
from chassis.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


def run(
    service: str, settings: type[S], main: Callable[[S], Awaitable[None]], migrations: str | None = None
) -> NoReturn:
    raise NotImplementedError
