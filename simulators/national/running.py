"""Bring a national simulator up, say on which ports it is, and keep it until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, NoReturn

import uvloop
from aiohttp import web

from simulators.national.behaviour import Behaviour
from simulators.national.control import Tally, control_app
from simulators.national.ledger import Ledger, LedgerBusyError, open_ledger
from simulators.national.options import Address, Options

MOST_REQUEST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Desk:
    """What a national service's door needs to judge a submission."""

    ledger: Ledger
    behaviour: Behaviour
    tally: Tally


OpenDoor = Callable[[Desk, Options], AbstractAsyncContextManager[int]]
"""Opens the service's own listener and yields its port."""


@asynccontextmanager
async def running(options: Options, door_name: str, open_door: OpenDoor) -> AsyncIterator[dict[str, int]]:
    """The simulator, listening; yields its ports by name: `door_name` and "control"."""
    async with open_ledger(options.state) as ledger:
        desk = Desk(ledger, Behaviour(), Tally())
        async with open_door(desk, options) as port, _control(desk, options) as control_port:
            ports = {door_name: port, "control": control_port}
            _write_ports(options, ports)
            yield ports


def run_simulator(options: Options, door_name: str, open_door: OpenDoor) -> NoReturn:
    """Serve until SIGTERM or SIGINT; exit code 0, or 1 with a sentence when it cannot start."""
    try:
        uvloop.run(_until_signalled(options, door_name, open_door))
    except (OSError, LedgerBusyError, RuntimeError) as error:
        sys.exit(f"The simulator cannot run: {error}.")
    sys.exit(0)


@asynccontextmanager
async def http_site(
    app: web.Application, address: Address, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve an HTTP application; yields the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address.host, address.port, ssl_context=tls)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _until_signalled(options: Options, door_name: str, open_door: OpenDoor) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options, door_name, open_door):
        await stop.wait()


def _control(desk: Desk, options: Options) -> AbstractAsyncContextManager[int]:
    return http_site(control_app(desk.ledger, desk.behaviour, desk.tally), options.control_listen)


def _write_ports(options: Options, ports: dict[str, int]) -> None:
    if options.port_file is None:
        return
    options.port_file.parent.mkdir(parents=True, exist_ok=True)
    draft = options.port_file.with_name(options.port_file.name + ".new")
    draft.write_text(json.dumps(ports), encoding="utf-8")
    draft.replace(options.port_file)
