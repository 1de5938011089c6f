"""Every field of every request with a value from the far end of its type: never an internal error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from gantry.common.v1.access_pb2 import access
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_SEARCH_READS
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.settings import TlsSettings
from suite.suite import Suite
from tests.e2e.contract import Rpc, calling, fault_of, name_force, rpcs
from tests.e2e.marks import SHARED_SUITE

pytestmark = [*SHARED_SUITE, pytest.mark.timeout(180)]

FORCE = "wear"
PERSON = "clumsy"
WRONG = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
# What a request needs besides a force and a purpose, so that the handler gets as far as the odd field.
USUAL = {
    "action": AUDIT_ACTION_SEARCH_READS,
    "camera_id": "camera-1",
    "consumer": "match",
    "destination": "nas",
    "feed": "feed-1",
    "kind": 1,
    "name": "a name",
    "person": PERSON,
    "position": 1,
    "read_id": "read-1",
    "vrm": "AB12CDE",
}
LARGEST = 2**63 - 1
SECONDS = (-(2**63), -62135596801, -62135596800, -1, 253402300799, 253402300800, LARGEST)
NANOS = (-(2**31), -1, 1_000_000_000, 2**31 - 1)
TEXTS = ("", "\0", "x" * 100_000, "\x1b[31m\n%s'; --", "-1", "\U0010ffff")
NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), -1, 0, 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**31, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), -1, 0, LARGEST),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**63, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (float("nan"), float("inf"), -1e308, 1e308),
    FieldDescriptor.CPPTYPE_FLOAT: (float("nan"), float("inf"), -1e38),
    FieldDescriptor.CPPTYPE_BOOL: (True,),
    FieldDescriptor.CPPTYPE_ENUM: (-1, 0, 1, 99, 2**31 - 1),
}
SPAN = {"google.protobuf.Timestamp", "google.protobuf.Duration"}
DEEPEST = 3

Put = Callable[[Message], None]


def _values(field: FieldDescriptor) -> Iterator[Any]:
    if field.type == FieldDescriptor.TYPE_BYTES:
        yield from (b"", b"\xff" * 64, b"\0" * 100_000)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        yield from TEXTS
    else:
        yield from NUMBERS[field.cpp_type]


def extremes(descriptor: Any, depth: int = 0) -> Iterator[tuple[str, Put]]:
    """The place and the setter of each odd value that a message can have."""
    for field in descriptor.fields:
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            yield from ((f"{field.name}={value!r:.20}", _setter(field, value)) for value in _values(field))
        elif field.message_type.GetOptions().map_entry:
            continue
        elif field.message_type.full_name in SPAN:
            for seconds, nanos in [*((each, 0) for each in SECONDS), *((1, each) for each in NANOS)]:
                inner = GetMessageClass(field.message_type)(seconds=seconds, nanos=nanos)
                yield f"{field.name}={seconds} s {nanos} ns", _setter(field, inner)
        elif depth < DEEPEST:
            for place, put in extremes(field.message_type, depth + 1):
                yield f"{field.name}.{place}", _nested(field, put)


def _setter(field: FieldDescriptor, value: Any) -> Put:
    def put(message: Message) -> None:
        if field.is_repeated:
            getattr(message, field.name).append(value)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)

    return put


def _nested(field: FieldDescriptor, put: Put) -> Put:
    def nested(message: Message) -> None:
        inner = getattr(message, field.name)
        put(inner.add() if field.is_repeated else inner)

    return nested


def _usual(rpc: Rpc) -> Message:
    request = rpc.request()
    name_force(request, FORCE)
    for field, value in USUAL.items():
        described = request.DESCRIPTOR.fields_by_name.get(field)
        if described and described.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE and not described.is_repeated:
            setattr(request, field, value)
    return request


def _callers(suite: Suite, rpc: Rpc) -> Iterator[TlsSettings]:
    rule = rpc.descriptor.GetOptions().Extensions[access]
    if rule.people:
        yield suite.person(PERSON, [FORCE])
    else:
        yield suite.service("match" if rule.services[0] == "*" else rule.services[0])


@pytest.mark.parametrize("rpc", rpcs(), ids=str)
async def test_an_odd_value_is_never_an_internal_error(suite: Suite, rpc: Rpc) -> None:
    tried = 0
    for tls in _callers(suite, rpc):
        async with calling(suite, rpc, tls) as channel:
            for place, put in extremes(rpc.descriptor.input_type):
                request = _usual(rpc)
                try:
                    put(request)
                except (ValueError, TypeError):
                    continue
                tried += 1
                fault = await fault_of(channel, rpc, request, seconds=10)
                assert fault is None or fault.status not in WRONG, f"{place}: {fault}"
    assert tried or not rpc.descriptor.input_type.fields
