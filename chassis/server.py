"""The gRPC server of any service. The chassis owns it, and a service adds its handlers."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import grpc

from chassis import descriptors, loop_delay
from chassis.access import BUILT_IN, Auditor, FeedTokens, Rule, Rules
from chassis.admission import Gate, Offices
from chassis.arrivals import Arrivals
from chassis.draining import Draining
from chassis.errors import StartupFailure
from chassis.guard import Handler, guarded
from chassis.health import Health
from chassis.reflection import NAMES as REFLECTION
from chassis.reflection import Reflection
from chassis.renewal import Renewal
from chassis.restoration import Restoration
from chassis.settings import GrpcSettings, ServiceSettings, TlsSettings
from chassis.telemetry import metrics_port
from chassis.transient import cause_of
from chassis.unknown import UnknownMethods

EXIT_AT_ONCE: Final = 1
_OWNED_STOP_SECONDS: Final = 4.0
_HEALTH_STOP_SECONDS: Final = 0.1
_HANDSHAKE_MS: Final = 20_000
_UNCOMPRESSED_ONLY: Final = 1 << grpc.Compression.NoCompression.value

_NO_OFFICES: Final = Offices()

Servicer = TypeVar("Servicer")

_log = logging.getLogger(__name__)


class GrpcServer:
    """A server that is filled with `add`, opened by `start`, and closed gracefully by `stop`.

    `stopping` is set first when the process is to end. A long stream must then end, or the drain lasts for
    `drain_seconds`. A call that begins from then on is refused with UNAVAILABLE STOPPING. Callers that have
    not heard of the stop are no reason to serve it: in Kubernetes preStop gives them time before SIGTERM.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        rules: Rules,
        offices: Offices = _NO_OFFICES,
        *,
        client_certificates: bool = True,
        takes_calls: bool = True,
    ) -> None:
        self.stopping = asyncio.Event()
        self._settings = settings.grpc
        self._tls = settings.tls
        self._client_certificates = client_certificates
        self._takes_calls = takes_calls
        self._most_connections = descriptors.most_connections()
        self._server = grpc.aio.server(options=_options(settings.grpc, self._most_connections))
        self._health_server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._draining = Draining()
        self._health = Health()
        self._handlers: dict[str, dict[str, Handler]] = {}
        self._raw: dict[tuple[str, str], Handler] = {}
        self._rules = rules
        self._offices = offices
        self._public: set[str] = set()
        self._public_listen: str | None = None
        self._on_stop: list[Callable[[], Awaitable[None] | None]] = []
        self._owned: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self._failure: BaseException | None = None
        self._started = False
        self._stopped = False
        self.ports: dict[str, int] = {}

    def add(
        self,
        register: Callable[[Servicer, grpc.aio.Server], None],
        servicer: Servicer,
        *,
        service: str,
        ready: Callable[[], Awaitable[None]] | None = None,
        public: bool = False,
    ) -> None:
        """Serve a gRPC service. `register` is the generated ``add_XServicer_to_server``.

        `service` is its full proto name. The server's rules name the callers of each RPC. An RPC without a
        rule is refused. `public`: feeds may call it with their token, on the public port too. `ready` raises
        while the service cannot do its work.
        """
        collected = _CollectedHandlers()
        # The generated function only hands over the handlers.
        register(servicer, cast("grpc.aio.Server", collected))
        self._handlers[service] = collected.of(service)
        if public:
            self._public.add(service)
        self._health.add(service, ready)

    def add_check(self, name: str, ready: Callable[[], Awaitable[None]]) -> None:
        """Be ready only while `ready` does not raise, as with `add`: for what is no gRPC service.

        `name` is what health calls it.
        """
        self._health.add(name, ready)

    def add_raw(self, service: str, method: str, handler: Handler) -> None:
        """Replace one method of an added service, for example to take bytes as they came.

        `handler` is what ``grpc.unary_unary_rpc_method_handler`` and its like make; it stays guarded. One for
        a stream of bytes calls ``chassis.arrivals.delivered`` with the size of each message.
        """
        self._raw[service, method] = handler

    def add_port_public(self, listen: str) -> None:
        """Also listen on HOST:PORT for callers without a certificate; only public services let them in."""
        self._public_listen = listen

    def on_stop(self, callback: Callable[[], Awaitable[None] | None]) -> None:
        """Run `callback` after `stopping` is set, while calls are drained."""
        self._on_stop.append(callback)

    def own(self, coro: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a background task. An exception that ends it stops the process with exit code 1.

        It is cancelled when the last call has drained.
        """
        task = asyncio.create_task(coro, name=name)
        self._owned.add(task)
        task.add_done_callback(self._owned_ended)
        return task

    async def start(self) -> None:
        """Listen. Raises StartupFailure when a port is taken or a certificate is unusable."""
        if self._started:
            return
        self._started = True
        self._register()
        self._open_ports()
        await self._health.begin()
        await self._server.start()
        await self._health_server.start()
        self.own(self._health.watch(), "health")
        self._follow_certificate()
        self.own(descriptors.watch(self._most_connections), "descriptors")
        if self._offices.restoration is not None:
            self.own(self._offices.restoration.run(), "restoration")
        self.own(loop_delay.watch(), "loop delay")
        if self._offices.arrivals is not None:
            self.own(self._offices.arrivals.run(), "arrivals")
        _write_ports(self._settings.port_file, self.ports)
        _log.info("listening", extra={"ports": self.ports})

    async def serve_until_signalled(self) -> None:
        """Serve until SIGTERM, SIGINT, a renewed certificate or the death of an owned task.

        The exception of that task is raised. A second signal ends the process at once.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        await self.start()
        # A full collection would visit all imported objects, and block all calls for some 40 ms.
        gc.collect()
        gc.freeze()
        await self._ending.wait()
        await self.stop()
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Refuse new calls, end long streams, run the callbacks while calls drain, end owned tasks.

        Calls under way have `drain_seconds`. They have 4 s when a check of health gets no answer: then what
        they wait for hangs, for example PostgreSQL. Safe to call twice.
        """
        if self._stopped:
            return
        self._stopped = True
        self.stopping.set()
        await self._health.end()
        # At once, so that connections end and clients go to another replica while the callbacks run.
        await asyncio.gather(self._run_callbacks(), self._drain())
        await self._end_owned()
        if self._started:
            # Long enough to send the last answer. A watch does not end by itself.
            await self._health_server.stop(_HEALTH_STOP_SECONDS)
        if self._settings.port_file is not None:
            self._settings.port_file.unlink(missing_ok=True)

    def _follow_certificate(self) -> None:
        """Show how long the certificate is valid, and end the process when it was renewed."""

        async def end() -> None:
            await renewal.renewed()
            _log.info("stopping, to be started again with the renewed certificate")
            self._ending.set()

        renewal = Renewal(self._tls)
        self.own(renewal.show(), "certificate dates")
        self.own(end(), "renewed certificate")

    def _signalled(self) -> None:
        if self._ending.is_set():
            _log.warning("told to stop again: leaving at once")
            os._exit(EXIT_AT_ONCE)
        _log.info("stopping")
        self._ending.set()

    def _owned_ended(self, task: asyncio.Task[None]) -> None:
        self._owned.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if task.cancelling():
            # Told to end while it used a broken connection, it may end with that error instead.
            _log.info("background task ended", extra={"task": task.get_name(), "cause": cause_of(error)})
            return
        _log.error("background task died", exc_info=error, extra={"task": task.get_name()})
        self._failure = self._failure or error
        self._ending.set()

    def _register(self) -> None:
        for (service, method), handler in self._raw.items():
            self._handlers[service][method] = handler
        self._handlers |= Reflection(list(self._handlers), self._public).handlers()
        for service, handlers in self._handlers.items():
            wrapped = {
                method: self._guarded(service, method, handler) for method, handler in handlers.items()
            }
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))
        self._server.add_generic_rpc_handlers((UnknownMethods(self._draining),))
        self._health.register(self._health_server)

    def _guarded(self, service: str, method: str, handler: Handler) -> Handler:
        name = f"{service}/{method}"
        public = service in self._public or (service in REFLECTION and self._is_public)
        gate = Gate(name, self._rule(name), self._offices, public=public, stopping=self.stopping)
        return guarded(name, handler, gate, self._settings.message_seconds, self._draining)

    def _rule(self, name: str) -> Rule | None:
        rule = BUILT_IN.get(name)
        if rule is None:
            return self._rules.get(name)
        # On a port that asks for certificates, only their holders may read the list of services. On the
        # public port, holders of a token may.
        return replace(rule, anyone=not self._client_certificates, feeds=self._is_public)

    @property
    def _is_public(self) -> bool:
        return bool(self._public) and self._offices.feeds is not None

    def _open_ports(self) -> None:
        if self._takes_calls:
            self._open_ports_for_calls()
        self.ports["health"] = _listen(self._health_server, self._settings.health_listen, None)
        if (scraped := metrics_port()) is not None:
            self.ports["metrics"] = scraped

    def _open_ports_for_calls(self) -> None:
        credentials = _credentials(self._tls, ask_client=self._client_certificates)
        self.ports["grpc"] = _listen(self._server, self._settings.listen, credentials)
        if self._settings.people_listen is not None:
            self.ports["people"] = _listen(self._server, self._settings.people_listen, credentials)
        if self._public_listen is not None:
            anonymous = _credentials(self._tls, ask_client=False)
            self.ports["public"] = _listen(self._server, self._public_listen, anonymous)

    async def _run_callbacks(self) -> None:
        for callback in self._on_stop:
            try:
                outcome = callback()
                if inspect.isawaitable(outcome):
                    async with asyncio.timeout(self._settings.drain_seconds):
                        await outcome
            except Exception:  # noqa: BLE001 - one that fails must not keep the others from running
                _log.exception("a stop callback failed")

    async def _drain(self) -> None:
        """Take no new connections and calls, and wait for the calls under way."""
        if not self._started:
            return
        drained = asyncio.create_task(self._server.stop(self._settings.drain_seconds), name="drain")
        hangs = asyncio.create_task(self._health.hangs(), name="checks of the drain")
        try:
            await asyncio.wait([drained, hangs], return_when=asyncio.FIRST_COMPLETED)
            if not drained.done():
                _log.warning("calls under way are ended: a check of health gets no answer")
                await self._server.stop(None)
            await drained
        finally:
            hangs.cancel()

    async def _end_owned(self) -> None:
        tasks = list(self._owned)
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=_OWNED_STOP_SECONDS)
            for task in stuck:
                _log.warning("background task would not end", extra={"task": task.get_name()})


@asynccontextmanager
async def grpc_server(
    settings: ServiceSettings,
    rules: Rules,
    *,
    auditor: Auditor | None = None,
    feeds: FeedTokens | None = None,
    known_force: Callable[[str], Awaitable[bool]] | None = None,
    arrivals: Arrivals | None = None,
    restoration: Restoration | None = None,
    client_certificates: bool = True,
    takes_calls: bool = True,
) -> AsyncIterator[GrpcServer]:
    """A server to add services to; stopped on leaving, so that calls drain before the pool closes.

    `rules` say who may call which RPC. `auditor` writes the audit records that they ask for. `feeds` finds
    the feed of a token. With `known_force`, a call about any other force is refused. `arrivals` watches the
    connections of feeds. `restoration` says whether a restore of the database is finished; the server runs
    it. With `client_certificates` the main port is mTLS; without, it asks callers for none. A server that
    does not take calls has only the ports of health and metrics.
    """
    offices = Offices(auditor, feeds, known_force, arrivals, restoration)
    server = GrpcServer(
        settings, rules, offices, client_certificates=client_certificates, takes_calls=takes_calls
    )
    try:
        yield server
    finally:
        await server.stop()


class _CollectedHandlers:
    """Takes the place of a server for generated code, and keeps the handlers for wrapping."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, Handler]] = {}

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        self._found[service] = dict(handlers)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Generated code registers the same handlers a second time in this form, which is not used."""

    def of(self, service: str) -> dict[str, Handler]:
        if service not in self._found:
            raise ValueError(f"the servicer registers {sorted(self._found)}, not {service}")
        return self._found[service]


def _options(settings: GrpcSettings, most_connections: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_allowed_incoming_connections", most_connections),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        # A stream that is being read would hold a message of 4 KiB as the 4 MiB that it unpacks to, and the
        # bytes that a connection has received would say nothing of it.
        ("grpc.compression_enabled_algorithms_bitset", _UNCOMPRESSED_ONLY),
        # By default two minutes, from clients that nobody knows.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        # gRPC would widen the window of every stream with the speed of its connection, to 8 MiB and more, and
        # so hold as much of each message that nobody has asked for. See docs/decisions/0016.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", settings.unread_bytes),
        # A client that reconnects may reach a replica that joined later. gRPC varies the age by a tenth.
        ("grpc.max_connection_age_ms", round(settings.max_connection_age_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.max_connection_grace_seconds * 1000)),
        # Two processes on one port would share its calls at random. Without reuse the second one fails.
        ("grpc.so_reuseport", 0),
        # A mobile camera that lost its signal is detected within half a minute.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # While data is sent, gRPC sends other pings. By default it waits a minute for their answers.
        ("grpc.http2.ping_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
    ]


def _credentials(tls: TlsSettings, *, ask_client: bool) -> grpc.ServerCredentials:
    try:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        authority = tls.authority.read_bytes() if ask_client else None
    except OSError as error:
        raise StartupFailure(f"Cannot read {error.filename}: {error.strerror}.") from error
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=ask_client)


def _listen(server: grpc.aio.Server, listen: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(listen)
        return server.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise StartupFailure(
            f"Cannot listen on {listen}: it is in use, or the certificate and key do not fit."
        ) from error


def _write_ports(file: Path | None, ports: dict[str, int]) -> None:
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    # A reader of the file never sees a part of it.
    draft = file.with_name(file.name + ".new")
    draft.write_text(json.dumps(ports), encoding="utf-8")
    draft.replace(file)
