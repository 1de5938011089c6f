"""The one way a service's process starts and ends.

``python -m services.X`` serves, ``--print-config`` shows the effective settings, ``migrate`` brings the
schema up to date. Exit codes: 0 clean, 1 failed, 2 wrong settings or arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import uvloop
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import renewal
from chassis.database import connect
from chassis.descriptors import raise_limit
from chassis.errors import StartupFailure
from chassis.logs import configure_logs
from chassis.migrations import migrate
from chassis.settings import (
    DELIMITER,
    PREFIX,
    DatabaseSettings,
    ServiceSettings,
    SettingsError,
    TelemetrySettings,
    load_settings,
    masked,
)

EXIT_CLEAN: Final = 0
EXIT_FAILED: Final = 1
EXIT_MISUSED: Final = 2

_log = logging.getLogger(__name__)

# Long-lived objects of a service (modules, streams, registries) have no cycles to collect. With the usual
# thresholds, a thousand streams spent a quarter of all time in collections, in pauses that delayed alerts.
_GC_THRESHOLDS: Final = (100_000, 50, 100)

S = TypeVar("S", bound=ServiceSettings)


class MigrationSettings(BaseSettings):
    """What ``migrate`` needs: the database, as the role that owns the schema."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="ignore")

    database: DatabaseSettings
    telemetry: TelemetrySettings = TelemetrySettings()


def run(
    service: str,
    settings: type[S],
    main: Callable[[S], Awaitable[None]],
    migrations: tuple[str, ...] = (),
) -> NoReturn:
    """Run `service` as the command line says, then end the process.

    `main` serves until the process is to stop. `migrations` names the packages whose ``migrations/*.sql``
    make the schema: shared ones first, the service's own last.
    """
    asked = _arguments(service, with_migrate=bool(migrations))
    try:
        if asked.verb == "migrate":
            effective_database = load_settings(MigrationSettings, known=settings.known_sections)
            sys.exit(_migrate(service, effective_database, migrations))
        effective = load_settings(settings)
        if asked.print_config:
            sys.stdout.writelines(f"{_assignment(*each)}\n" for each in masked(effective).items())
            sys.exit(EXIT_CLEAN)
        sys.exit(_serve(service, effective, main))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_MISUSED)


def _arguments(service: str, *, with_migrate: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=_command(), description=f"Run Gantry's {service} service.")
    verbs = ["serve", "migrate"] if with_migrate else ["serve"]
    parser.add_argument("verb", nargs="?", default="serve", choices=verbs, help="what to do (default: serve)")
    parser.add_argument("--print-config", action="store_true", help="show the effective settings and exit")
    return parser.parse_args()


def _command() -> str:
    """The command that started this process, such as `python -m services.store`.

    From 3.14 on Python provides it.
    """
    started = sys.modules["__main__"].__spec__
    return f"python -m {started.name.removesuffix('.__main__')}" if started else Path(sys.argv[0]).name


def _assignment(name: str, value: str | None) -> str:
    """A line for a shell or a file of variables. A setting without a value becomes a comment."""
    return f"# {name} is not set" if value is None else f"{name}={shlex.quote(value)}"


def _serve(service: str, settings: S, main: Callable[[S], Awaitable[None]]) -> int:
    configure_logs(service, settings.telemetry.log_level)
    renewal.begin(settings.tls)
    raise_limit()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    return _guarded(_until_signalled(main(settings)))


def _migrate(service: str, settings: MigrationSettings, packages: tuple[str, ...]) -> int:
    async def apply() -> None:
        async with connect(settings.database) as connection:
            applied = await migrate(connection, packages)
        _log.info("schema is up to date", extra={"applied": applied})

    configure_logs(service, settings.telemetry.log_level)
    return _guarded(apply())


async def _until_signalled(main: Awaitable[None]) -> None:
    # Covers the time before the gRPC server takes over these signals: opening a pool can take a while.
    serving = asyncio.ensure_future(main)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        _log.info("told to stop while starting")


def _guarded(work: Awaitable[None]) -> int:
    async def wait() -> None:
        await work

    try:
        uvloop.run(wait())
    except StartupFailure as failure:
        _log.error("cannot start", extra={"cause": str(failure)})
        return EXIT_FAILED
    except Exception:  # noqa: BLE001 - whatever it was, it ends the process and is in the log
        _log.exception("stopped by a failure")
        return EXIT_FAILED
    return EXIT_CLEAN
