"""Reflection: tells tools such as grpcurl which services there are, and their contracts.

Of the public protocol there are two versions, whose messages have the same fields with the same numbers. One
handler answers both. The holder of a feed's token is told of public services only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, cast

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from chassis.guard import Handler
from chassis.identity import Call, caller_of

_OLD: Final = "grpc.reflection.v1alpha"
_NEW: Final = "grpc.reflection.v1"
_SERVICE: Final = "ServerReflection"
_METHOD: Final = "ServerReflectionInfo"
NAMES: Final = (f"{_NEW}.{_SERVICE}", f"{_OLD}.{_SERVICE}")
"""The services of reflection."""


class Reflection:
    """Answers for a server that serves `names`, of which feeds may call `public`."""

    def __init__(self, names: Iterable[str], public: Iterable[str]) -> None:
        self._whole = _view((*names, *NAMES))
        self._public = _view((*public, *NAMES))

    def handlers(self) -> dict[str, dict[str, Handler]]:
        """By service, its methods."""
        handler = grpc.stream_stream_rpc_method_handler(
            self._info,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        return {name: {_METHOD: handler} for name in NAMES}

    async def _info(self, requests: Any, context: Call) -> AsyncIterator[Any]:
        view = self._public if caller_of(context).kind == "feed" else self._whole
        async for answer in view.ServerReflectionInfo(requests, context):
            yield answer


def _view(names: Iterable[str]) -> Any:
    """What tells of some services, and of nothing else: their files, and those that these import.

    The details of errors belong to every contract, so that a tool can show them.
    """
    found: dict[str, FileDescriptorProto] = {}
    known, listed = Default(), tuple(names)
    _collect(error_details_pb2.DESCRIPTOR, found)
    for name in listed:
        try:
            _collect(known.FindFileContainingSymbol(name), found)
        except KeyError:
            continue  # nothing but its name is known, or it is the new reflection
    _add_new_reflection(found)
    pool = DescriptorPool()
    for file in found.values():
        pool.Add(file)
    return reflection.aio.ReflectionServicer(listed, cast("DescriptorPool", _Contracts(pool)))


class _Contracts:
    """A pool that also finds the file of a method, for which ghz asks. Python's own finds none."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """The file of a service, message, enumeration, field or method. Raises KeyError."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file

    def __getattr__(self, name: str) -> Any:
        """Everything else is the pool's."""
        return getattr(self._pool, name)


def _collect(file: FileDescriptor, found: dict[str, FileDescriptorProto]) -> None:
    """Add a file after those that it imports."""
    if file.name in found:
        return
    for imported in file.dependencies:
        _collect(imported, found)
    found[file.name] = FileDescriptorProto()
    file.CopyToProto(found[file.name])


def _add_new_reflection(found: dict[str, FileDescriptorProto]) -> None:
    """Derive the newer version's file from the older one's: only the package differs."""
    file = FileDescriptorProto.FromString(reflection_pb2.DESCRIPTOR.serialized_pb)
    file.name, file.package = f"{_NEW.replace('.', '/')}/reflection.proto", _NEW
    file.ClearField("options")
    for field in (field for message in file.message_type for field in message.field):
        if field.type_name:
            field.type_name = _renewed(field.type_name)
    for method in file.service[0].method:
        method.input_type, method.output_type = _renewed(method.input_type), _renewed(method.output_type)
    found[file.name] = file


def _renewed(name: str) -> str:
    return name.replace(f".{_OLD}.", f".{_NEW}.")
