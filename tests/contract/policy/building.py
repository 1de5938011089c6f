"""Every RPC of every contract behind the guard, with handlers that only note that they ran."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
from gantry.common.v1.access_pb2 import Access, access
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.client import open_channel
from chassis.errors import Unavailable, fault_from
from chassis.identity import Caller, caller_of
from chassis.server import GrpcServer, grpc_server
from chassis.settings import GrpcSettings, ServiceSettings, TlsSettings
from policy.access import rules
from policy.contracts import CONTRACTS, service_of
from suite.certificates import Authority

FORCE = "essex"
TOKEN = "token-of-a-feed"
SERVICES = ("ingest", "store", "match", "nas_bridge", "nas", "console", "canary")
PUBLIC = "gantry.ingest.v1.IngestService"


@dataclass(frozen=True)
class Rpc:
    """An RPC as its contract has it."""

    method: MethodDescriptor

    @property
    def name(self) -> str:
        return f"{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def rule(self) -> Access:
        return self.method.GetOptions().Extensions[access]

    def request(self, force: str = FORCE, *, purpose: bool = True) -> Message:
        """A request that names the force and, where the rule asks for it, a purpose."""
        request = GetMessageClass(self.method.input_type)()
        if self.rule.force_field:
            _put(request, self.rule.force_field, force)
        if self.rule.purpose_field and purpose:
            _put(request, f"{self.rule.purpose_field}.justification", "Burglary in Colchester")
        return request


RPCS = [Rpc(method) for service in CONTRACTS for method in service_of(service).methods]


def serialised(message: Message) -> bytes:
    """As it travels."""
    return message.SerializeToString()


def _put(message: Any, path: str, value: str) -> None:
    *outer, name = path.split(".")
    for part in outer:
        message = getattr(message, part)
    kind: FieldDescriptor = message.DESCRIPTOR.fields_by_name[name]
    if kind.is_repeated:
        getattr(message, name).append(value)
    else:
        setattr(message, name, value)


class Tokens:
    """Has one feed."""

    def caller(self, token: str) -> Caller | None:
        return Caller("feed", "roadside", frozenset({FORCE})) if token == TOKEN else None


class Restored:
    """Says whether a restore is finished."""

    def __init__(self) -> None:
        self.open = True

    def require_open(self) -> None:
        """See `chassis.restoration.Restoration`."""
        if not self.open:
            raise Unavailable("RESTORE_IN_PROGRESS", "being restored")

    async def run(self) -> None:
        """Nothing has to be looked at."""


@dataclass
class Building:
    """A running server with every RPC, what happened there in order, and ways to call it."""

    pki: Authority
    opened: AsyncExitStack
    events: list[tuple[Any, ...]] = field(default_factory=list)
    audit_failure: Exception | None = None
    server: GrpcServer | None = None
    restoration: Restored = field(default_factory=Restored)

    async def start(self, **grpc_settings: Any) -> None:
        settings = ServiceSettings(tls=self.pki.issue_service("all"), grpc=GrpcSettings(**grpc_settings))
        server = await self.opened.enter_async_context(
            grpc_server(
                settings, rules(*CONTRACTS), auditor=self, feeds=Tokens(), restoration=self.restoration
            )
        )
        for service in CONTRACTS:
            server.add(self._register(service), self, service=service, public=service == PUBLIC)
        server.add_port_public("127.0.0.1:0")
        await server.start()
        self.server = server

    async def record(self, force: str, person: str, action: int, purpose: Any, subject: str) -> None:
        if self.audit_failure is not None:
            raise self.audit_failure
        self.events.append(("record", force, person, action, purpose, subject))

    async def certified(self, tls: TlsSettings) -> grpc.aio.Channel:
        target = f"127.0.0.1:{self.server.ports['grpc']}"
        return await self.opened.enter_async_context(open_channel(target, tls, retries=False))

    async def anonymous(self) -> grpc.aio.Channel:
        channel = grpc.aio.secure_channel(
            f"127.0.0.1:{self.server.ports['public']}",
            grpc.ssl_channel_credentials(self.pki.issue_service("all").authority.read_bytes()),
            [("grpc.ssl_target_name_override", "localhost")],
        )
        return await self.opened.enter_async_context(channel)

    def _register(self, service: str) -> Callable[..., None]:
        def register(_: Any, server: Any) -> None:
            handlers = {method.name: self._handler(Rpc(method)) for method in service_of(service).methods}
            server.add_registered_method_handlers(service, handlers)

        return register

    def _handler(self, rpc: Rpc) -> Any:
        answer = GetMessageClass(rpc.method.output_type)()

        async def one(request: Any, context: Any) -> Message:
            await self._note(rpc, request, context)
            return answer

        async def several(request: Any, context: Any) -> AsyncIterator[Message]:
            await self._note(rpc, request, context)
            yield answer

        from_stream, to_stream = rpc.method.client_streaming, rpc.method.server_streaming
        make = getattr(
            grpc,
            f"{'stream' if from_stream else 'unary'}_{'stream' if to_stream else 'unary'}_rpc_method_handler",
        )
        parse = GetMessageClass(rpc.method.input_type).FromString
        return make(several if to_stream else one, parse, serialised)

    async def _note(self, rpc: Rpc, request: Any, context: Any) -> None:
        requests = [each async for each in request] if rpc.method.client_streaming else [request]
        self.events.append(("handler", rpc.name, requests, caller_of(context)))


async def verdict(channel: grpc.aio.Channel, rpc: Rpc, *requests: Message, **options: Any) -> str:
    """Call an RPC, and get "OK" or the reason of its refusal."""
    options = {"timeout": 10, **options}
    name = f"/{rpc.name}"
    try:
        if rpc.method.client_streaming:
            await _exhaust(await _sent(channel.stream_stream(name, serialised)(**options), requests))
        elif rpc.method.server_streaming:
            await _exhaust(channel.unary_stream(name, serialised)(*requests, **options))
        else:
            await channel.unary_unary(name, serialised)(*requests, **options)
    except grpc.aio.AioRpcError as error:
        return fault_from(error).reason
    return "OK"


async def _sent(call: Any, requests: Sequence[Message]) -> Any:
    # For a write that meets the end of its call, grpc.aio reports INTERNAL instead of the refusal. A refusal
    # of the headers arrives at once, and an answer not before the requests.
    await asyncio.wait([asyncio.create_task(call.initial_metadata())], timeout=0.3)
    if not call.done():
        for request in requests:
            await call.write(request)
        await call.done_writing()
    return call


async def _exhaust(call: Any) -> None:
    async for _ in call:
        pass
