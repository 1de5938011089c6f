"""Starts a national simulator, writes down its ports, and serves until a signal."""

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

from chassis.telemetry import telemetry
from simulators.national.behaviour import Behaviour
from simulators.national.control import Counts, control_app
from simulators.national.ledger import Ledger, LedgerBusyError, open_ledger
from simulators.national.options import Address, Options, read_options
from simulators.recording import recording

MOST_REQUEST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class SimulatorState:
    """The state of a simulator and its current behaviour."""

    ledger: Ledger
    behaviour: Behaviour
    counts: Counts


@dataclass(frozen=True)
class Service:
    """A national service: `listen` opens its port for reads and yields the number."""

    name: str
    description: str
    port_name: str
    listen: Callable[[SimulatorState, Options], AbstractAsyncContextManager[int]]


@asynccontextmanager
async def running(service: Service, options: Options) -> AsyncIterator[dict[str, int]]:
    """The simulator, listening; yields its ports by name: the service's own and "control"."""
    spans = recording(options.spans_file, options.otlp_endpoint)
    async with telemetry(service.name, spans), open_ledger(options.state) as ledger:
        state = SimulatorState(ledger, Behaviour(), Counts())
        async with service.listen(state, options) as port, _control(state, options) as control_port:
            ports = {service.port_name: port, "control": control_port}
            _write_ports(options, ports)
            yield ports


def run_simulator(service: Service) -> NoReturn:
    """Serve until SIGTERM or SIGINT; exit code 0, or 1 with a sentence when it cannot start."""
    options = read_options(f"python -m simulators.{service.name}", service.description)
    try:
        uvloop.run(_until_signalled(service, options))
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


async def _until_signalled(service: Service, options: Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(service, options):
        await stop.wait()


def _control(state: SimulatorState, options: Options) -> AbstractAsyncContextManager[int]:
    return http_site(control_app(state.ledger, state.behaviour, state.counts), options.control_listen)


def _write_ports(options: Options, ports: dict[str, int]) -> None:
    if options.port_file is None:
        return
    options.port_file.parent.mkdir(parents=True, exist_ok=True)
    draft = options.port_file.with_name(options.port_file.name + ".new")
    draft.write_text(json.dumps(ports), encoding="utf-8")
    draft.replace(options.port_file)
