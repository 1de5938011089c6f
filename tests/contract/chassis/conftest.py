"""A certificate authority, a small hand-registered service, and ways to run and call it for real."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chassis.access import ANY_SERVICE, Rule, Rules
from chassis.arrivals import delivered
from chassis.client import open_channel
from chassis.deadline import bounded
from chassis.errors import Fault, fault_from
from chassis.identity import caller_of
from chassis.server import GrpcServer, grpc_server
from chassis.settings import GrpcSettings, ServiceSettings, TlsSettings
from tests.contract.chassis.probe import SCRIPT

SERVICE = "gantry.test.v1.EchoService"
METHODS = ("Say", "WhoAmI", "Left", "Abort", "Hang", "Count", "Follow", "Join", "Both")
CERTIFIED = Rule(services=frozenset({ANY_SERVICE}), people=True)


class Authority:
    """A local CA that issues leaf certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._file = folder / "ca.pem"
        folder.mkdir(parents=True, exist_ok=True)
        certificate = self._sign(self._name, self._key.public_key(), None)
        self._file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, label: str, *uris: str, dns: tuple[str, ...] = ("localhost",)) -> TlsSettings:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name) for name in dns] + [x509.UniformResourceIdentifier(uri) for uri in uris]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        leaf = self._sign(subject, key.public_key(), x509.SubjectAlternativeName(names))
        certificate, secret = self._folder / f"{label}.pem", self._folder / f"{label}.key"
        certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return TlsSettings(certificate=certificate, key=secret, authority=self._file)

    def service(self, name: str) -> TlsSettings:
        return self.issue(f"service-{name}", f"gantry://service/{name}")

    def person(self, name: str, *forces: str) -> TlsSettings:
        return self.issue(
            f"person-{name}", f"gantry://person/{name}", *(f"gantry://force/{force}" for force in forces)
        )

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, names: x509.SubjectAlternativeName | None
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Echo:
    """Answers with the data of the call in the chassis; raises errors on request."""

    def __init__(self) -> None:
        self.stopping: asyncio.Event | None = None
        self.failure: Callable[[], BaseException] | None = None
        self.failures_left = 10**9
        self.calls = 0
        self.generators_closed = 0
        self.hangs = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.inner: Callable[[], Awaitable[str]] | None = None

    async def Say(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        self._maybe_fail()
        return request

    async def WhoAmI(self, request: bytes, context: Any) -> bytes:
        caller = caller_of(context)
        return f"{caller.kind} {caller.name} {','.join(sorted(caller.forces))}".strip().encode()

    async def Left(self, request: bytes, context: Any) -> bytes:
        if self.inner is not None:
            return (await self.inner()).encode()
        left = context.time_remaining()
        return f"{-1.0 if left is None else left} {bounded(1e6)}".encode()

    async def Abort(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.DATA_LOSS, "said by the handler")
        return b""

    async def Hang(self, request: bytes, context: Any) -> bytes:
        self.hangs.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""

    async def Count(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            for number in range(int(request)):
                yield str(number).encode()
            self._maybe_fail()
        finally:
            self.generators_closed += 1

    async def Follow(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        assert self.stopping is not None
        yield b"begun"
        await self.stopping.wait()
        yield b"ended"

    async def Join(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        parts = []
        async for part in requests:
            parts.append(part)
            if len(parts) == 2:
                self._maybe_fail()
        return b"".join(parts)

    async def Both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for part in requests:
            # As every handler that takes bytes as they came.
            delivered(len(part))
            self._maybe_fail()
            yield part.upper()

    def _maybe_fail(self) -> None:
        if self.failure is not None and self.failures_left > 0:
            self.failures_left -= 1
            raise self.failure()


def add_echo(servicer: Echo, server: grpc.aio.Server) -> None:
    """What generated code does, by hand."""
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    handlers = {
        **{name: unary(getattr(servicer, name)) for name in ("Say", "WhoAmI", "Left", "Abort", "Hang")},
        **{name: stream(getattr(servicer, name)) for name in ("Count", "Follow")},
        "Join": grpc.stream_unary_rpc_method_handler(servicer.Join),
        "Both": grpc.stream_stream_rpc_method_handler(servicer.Both),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)


class Caller:
    """Calls the echo service over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def say(self, method: str, request: bytes = b"", **options: Any) -> bytes:
        return await self.channel.unary_unary(f"/{SERVICE}/{method}")(request, **options)

    def listen(self, method: str, request: bytes = b"", **options: Any) -> Any:
        return self.channel.unary_stream(f"/{SERVICE}/{method}")(request, **options)


class Lab:
    """Runs servers and channels for one test and closes them after it."""

    def __init__(self, authority: Authority, opened: AsyncExitStack) -> None:
        self.authority = authority
        self._opened = opened

    def settings(self, name: str = "store", **grpc_settings: Any) -> ServiceSettings:
        grpc_settings.setdefault("drain_seconds", 5)
        return ServiceSettings(tls=self.authority.service(name), grpc=GrpcSettings(**grpc_settings))

    async def server(
        self,
        settings: ServiceSettings | None = None,
        rules: Rule | Rules = CERTIFIED,
        **options: Any,
    ) -> GrpcServer:
        """A server to fill; the test starts it. One rule is that of every method."""
        if isinstance(rules, Rule):
            rules = {f"{SERVICE}/{method}": rules for method in METHODS}
        context = grpc_server(settings or self.settings(), rules, **options)
        return await self._opened.enter_async_context(context)

    async def echo(
        self, echo: Echo, rules: Rule | Rules = CERTIFIED, *, ready: Any = None, **options: Any
    ) -> GrpcServer:
        """A started server with the echo service, for anyone certified by default."""
        server = await self.server(rules=rules, **options)
        echo.stopping = server.stopping
        server.add(add_echo, echo, service=SERVICE, ready=ready)
        await server.start()
        return server

    async def caller(self, server: GrpcServer, tls: TlsSettings | None = None, port: str = "grpc") -> Caller:
        target = f"127.0.0.1:{server.ports[port]}"
        channel = open_channel(target, tls or self.authority.service("ingest"))
        return Caller(await self._opened.enter_async_context(channel))

    async def anonymous(self, server: GrpcServer, port: str = "public") -> Caller:
        """A caller that shows no certificate, on the public port."""
        authority = self.authority.service("ingest").authority.read_bytes()
        channel = grpc.aio.secure_channel(
            f"127.0.0.1:{server.ports[port]}",
            grpc.ssl_channel_credentials(authority),
            [("grpc.ssl_target_name_override", "localhost")],
        )
        return Caller(await self._opened.enter_async_context(channel))

    async def health(self, server: GrpcServer) -> grpc.aio.Channel:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.ports['health']}")
        return await self._opened.enter_async_context(channel)


async def _until(true: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 5.0) -> None:
    ends_at = time.monotonic() + seconds
    while True:
        outcome = true()
        if await outcome if isinstance(outcome, Awaitable) else outcome:
            return
        assert time.monotonic() < ends_at, "it did not come true in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Poll a condition until it holds, with a deadline."""
    return _until


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def impostor(tmp_path: Path) -> Authority:
    """Another authority, which the servers do not trust."""
    return Authority(tmp_path / "impostor")


@pytest.fixture
async def lab(authority: Authority) -> AsyncIterator[Lab]:
    async with AsyncExitStack() as opened:
        yield Lab(authority, opened)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def faults() -> Callable[[], Any]:
    """``async with faults() as found:`` expects a failed call and keeps its fault in `found`."""

    @asynccontextmanager
    async def expect() -> AsyncIterator[list[Fault]]:
        found: list[Fault] = []
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            yield found
        found.append(fault_from(raised.value))

    return expect


@pytest.fixture
def service_name() -> str:
    return SERVICE


@pytest.fixture
def register() -> Callable[[Echo, grpc.aio.Server], None]:
    return add_echo


@pytest.fixture
def spawn(authority, tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``spawn(*arguments, **variables)`` starts `tests.contract.chassis.probe.SCRIPT` as a process."""
    tls = authority.service("probe")
    (tmp_path / "probe.py").write_text(SCRIPT)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GANTRY_")}
        environment |= {
            "PYTHONPATH": str(Path.cwd()),
            "GANTRY_TLS__CERTIFICATE": str(tls.certificate),
            "GANTRY_TLS__KEY": str(tls.key),
            "GANTRY_TLS__AUTHORITY": str(tls.authority),
            "GANTRY_GRPC__PORT_FILE": str(tmp_path / "ports.json"),
            **variables,
        }
        command = [sys.executable, str(tmp_path / "probe.py"), *arguments]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
