"""Every RPC that our services offer, read from the contracts' descriptors, so that none is forgotten."""

import importlib
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from gantry.common.v1 import read_pb2
from gantry.common.v1.access_pb2 import access
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.client import open_channel
from chassis.errors import Fault, fault_from
from chassis.settings import TlsSettings
from suite.suite import Suite

SERVED_BY = {
    "gantry.ingest.v1": "ingest",
    "gantry.store.v1": "store",
    "gantry.match.v1": "match",
    "gantry.bridge.v1": "nas_bridge",
}
# Not a service of ours: the bridge calls it.
ELSEWHERE = {"gantry.nas.v1"}
# Cameras are known by their feed's token, not by a certificate.
BY_TOKEN = {"gantry.ingest.v1.IngestService"}
FORCE_FIELDS = {"force", "forces"}


@dataclass(frozen=True)
class Rpc:
    """One method of one of our services."""

    process: str
    service: str
    name: str
    descriptor: Any

    def __str__(self) -> str:
        return f"{self.service.rpartition('.')[2]}.{self.name}"

    @property
    def open_to_services(self) -> bool:
        """Whether every service may call it, as its contract says: it tells no personal data."""
        return "*" in self.descriptor.GetOptions().Extensions[access].services

    def request(self) -> Message:
        """An empty request."""
        return GetMessageClass(self.descriptor.input_type)()


def rpcs() -> list[Rpc]:
    """All RPCs of our services whose callers need a certificate."""
    found = []
    for service in _services():
        package = service.file.package
        assert package in SERVED_BY.keys() | ELSEWHERE, f"who serves {package}?"
        if package in SERVED_BY and service.full_name not in BY_TOKEN:
            found += [Rpc(SERVED_BY[package], service.full_name, m.name, m) for m in service.methods]
    return sorted(found, key=str)


def rpcs_with_a_force() -> list[Rpc]:
    """The RPCs whose request names a force."""
    return [rpc for rpc in rpcs() if name_force(rpc.request(), "x")]


def name_force(message: Message, force: str) -> int:
    """Put the force into every field that names one, also in nested messages; how many there were.

    A purpose is filled in too, so that nothing else is wrong with the request.
    """
    named = 0
    for field in message.DESCRIPTOR.fields:
        if field.name in FORCE_FIELDS and field.type == field.TYPE_STRING:
            _put(message, field, force)
            named += 1
        elif field.name == "purpose":
            getattr(message, field.name).justification = "a test of who may see what"
        elif field.type == field.TYPE_MESSAGE and not field.is_repeated and _is_ours(field.message_type):
            inner = GetMessageClass(field.message_type)()
            if count := name_force(inner, force):
                getattr(message, field.name).CopyFrom(inner)
                named += count
    return named


@asynccontextmanager
async def calling(suite: Suite, rpc: Rpc, tls: TlsSettings):  # type: ignore[no-untyped-def]
    """A channel to the process that serves an RPC."""
    async with open_channel(suite.address(rpc.process), tls) as channel:
        yield channel


async def fault_of(
    channel: grpc.aio.Channel, rpc: Rpc, request: Message, seconds: float = 15.0
) -> Fault | None:
    """Call an RPC of any kind and take its first answer; the fault that it ended with, None for an answer."""
    path, raw = f"/{rpc.service}/{rpc.name}", request.SerializeToString()
    try:
        if rpc.descriptor.server_streaming:
            make = channel.stream_stream if rpc.descriptor.client_streaming else channel.unary_stream
            call = make(path)(iter([raw]) if rpc.descriptor.client_streaming else raw, timeout=seconds)
            await call.read()
            call.cancel()
        elif rpc.descriptor.client_streaming:
            await channel.stream_unary(path)(iter([raw]), timeout=seconds)
        else:
            await channel.unary_unary(path)(raw, timeout=seconds)
    except grpc.aio.AioRpcError as error:
        return fault_from(error)
    return None


def _put(message: Message, field: Any, force: str) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(force)
    else:
        setattr(message, field.name, force)


def _is_ours(descriptor: Any) -> bool:
    return str(descriptor.full_name).startswith("gantry.")


def _services() -> Iterator[Any]:
    root = Path(read_pb2.__file__).parents[3]
    for path in sorted(root.glob("gantry/*/v1/*_pb2.py")):
        module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
        yield from module.DESCRIPTOR.services_by_name.values()
