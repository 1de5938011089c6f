"""The guard around each handler: span, error mapping, access rule, deadline.

Handlers are wrapped once, when they are registered, so a call costs one coroutine, and a message of a stream
costs nothing more. The span is outermost: inside the error mapping, a failed call would leave a span without
an error.

gRPC reads the body of a unary request before it runs the handler. So every RPC is registered as one that
takes a stream of requests: the guard judges the headers first, then reads the one message itself, under a
time-out.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
    use_span,
)

from chassis import deadline
from chassis import traceparent as w3c
from chassis.admission import Gate
from chassis.arrivals import delivered
from chassis.database_faults import database_fault
from chassis.draining import Draining
from chassis.errors import DETAILS_KEY, INTERNAL_TEXT, Fault, InvalidInput, encode_fault
from chassis.identity import Call, Caller
from chassis.metrics import counter, histogram, up_down
from chassis.names import MetricName
from chassis.telemetry import context_from, tracer
from chassis.tracing import UNSAMPLED, context_of

_DEFAULT_SECONDS: Final = 30.0
_LEAST_SECONDS: Final = 0.002
_MAX_MESSAGE: Final = 1000
_OUR_FAULT: Final = {
    grpc.StatusCode.UNKNOWN: "unexpected",
    grpc.StatusCode.DEADLINE_EXCEEDED: "unavailable",
    grpc.StatusCode.UNIMPLEMENTED: "unexpected",
    grpc.StatusCode.INTERNAL: "unexpected",
    grpc.StatusCode.UNAVAILABLE: "unavailable",
    grpc.StatusCode.DATA_LOSS: "unexpected",
}
"""The kind of failure that a status means, where the server is the cause."""
_NO_PARENT: Final = Context()
_UNSAMPLED_PARENT: Final = set_span_in_context(UNSAMPLED, _NO_PARENT)

_log = logging.getLogger(__name__)
_seconds = histogram(MetricName.RPC_SECONDS)
_streams = up_down(MetricName.RPC_STREAMS)
_streams_begun = counter(MetricName.RPC_STREAMS_BEGUN)
_errors = counter(MetricName.RPC_ERRORS)
_failures = counter(MetricName.RPC_FAILURES)

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Parse: TypeAlias = Callable[[bytes], Any]


def guarded(method: str, handler: Handler, gate: Gate, message_seconds: float, draining: Draining) -> Handler:
    """The same handler behind the guards. `method` is "package.Service/Method".

    The first message has to arrive within `message_seconds` after the headers. `draining` is the server's.
    A gate that takes tokens is open to strangers: only so many of the traces that they ask for are followed.
    """
    behaviour = _behaviour_of(handler)
    if not (inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour)):
        # A plain function would run on gRPC's thread pool, outside the loop that everything else shares.
        raise TypeError(f"the handler of {method} should be async")
    opening = _Opening(gate, message_seconds, takes_stream=bool(handler.request_streaming))
    for kind in MetricName.RPC_FAILURES.values["kind"]:
        # An alarm sees no first failure that comes with its series.
        _failures.add(0, {"method": method, "kind": kind})
    if handler.request_streaming or handler.response_streaming:
        both_ways = bool(handler.request_streaming and handler.response_streaming)
        call = _streaming(method, behaviour, opening, draining, both_ways=both_ways)
    else:
        call = _unary(method, behaviour, opening, bounded=gate.takes_tokens)
    make = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    parse = handler.request_deserializer
    return make(call, parse and _raising(parse), handler.response_serializer)


def _behaviour_of(handler: Handler) -> Callable[..., Any]:
    behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    assert behaviour is not None, "a handler has the behaviour of its own kind"
    return behaviour


class _Opening:
    """Opens a call: judges its headers, then reads and judges what its handler takes."""

    def __init__(self, gate: Gate, message_seconds: float, *, takes_stream: bool) -> None:
        self.admit = gate.admit
        self.watched = gate.watched
        self._gate = gate
        self._seconds = message_seconds
        self._takes_stream = takes_stream

    async def request(self, caller: Caller, requests: Any, context: Call) -> Any:
        """The message of a unary request, or the messages of a stream.

        Raises Unavailable STOPPING, InvalidInput MALFORMED_MESSAGE, a Fault MESSAGE_LATE, and what
        `Gate.judge` raises.
        """
        self._gate.require_running()
        if self._takes_stream and not self._gate.judges_message:
            return requests
        first = await self._first(context)
        if not self._takes_stream:
            if self._gate.judges_message:
                await self._gate.judge(first, caller)
            return first
        await self._gate.judge(first, caller)
        return _resumed(first, requests)

    async def _first(self, context: Call) -> Any:
        try:
            async with asyncio.timeout(self._seconds):
                message = await context.read()
        except TimeoutError:
            raise Fault(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "MESSAGE_LATE",
                f"no message came within {self._seconds:g} s after the headers",
            ) from None
        if message is grpc.aio.EOF:
            raise InvalidInput("MALFORMED_MESSAGE", "the call ended without its message; repair the client")
        if isinstance(message, bytes):
            delivered(len(message))
        return message


async def _resumed(first: Any, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for request in requests:
        yield request


def _raising(parse: Parse) -> Parse:
    """Bytes that cannot be parsed are an error of the caller, not a bug of ours."""

    def deserialise(data: bytes) -> Any:
        delivered(len(data))
        try:
            return parse(data)
        except DecodeError:
            raise _malformed() from None

    return deserialise


def _malformed() -> InvalidInput:
    return InvalidInput("MALFORMED_MESSAGE", "the bytes are not a message of this call; repair the client")


def _unary(
    method: str, behaviour: Callable[..., Any], opening: _Opening, *, bounded: bool
) -> Callable[..., Awaitable[Any]]:
    async def answer(caller: Caller, requests: Any, context: Call) -> Any:
        return await behaviour(await opening.request(caller, requests, context), context)

    async def call(requests: Any, context: Call) -> Any:
        with _server_span(method, _parent_of(context, bounded=bounded)):
            try:
                caller = opening.admit(context)
                with opening.watched(context, caller):
                    return await _within_deadline(answer, caller, requests, context)
            except Exception as error:  # noqa: BLE001 - each one has an answer
                refusal = _refusal(method, context, error)
            return await refusal.send(context)

    return call


def _streaming(
    method: str, behaviour: Callable[..., Any], opening: _Opening, draining: Draining, *, both_ways: bool
) -> Callable[..., Awaitable[Any]]:
    serve = _writing(behaviour) if inspect.isasyncgenfunction(behaviour) else behaviour
    labels = {"method": method}
    _streams_begun.add(0, labels)

    async def call(requests: Any, context: Call) -> Any:
        _streams.add(1, labels)
        _streams_begun.add(1, labels)
        caller: Caller | None = None
        try:
            try:
                caller = opening.admit(context)
                with opening.watched(context, caller):
                    return await serve(await opening.request(caller, requests, context), context)
            except Exception as error:  # noqa: BLE001 - each one has an answer
                refusal = _refusal(method, context, error)
            await draining.drain(context, known=caller is not None, both_ways=both_ways)
            return await refusal.send(context)
        finally:
            _streams.add(-1, labels)

    return call


def _writing(generator: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Iterate over a generator and close it when the call ends. gRPC's own loop does not close it."""

    async def serve(requests: Any, context: Call) -> None:
        async with aclosing(generator(requests, context)) as responses:
            async for response in responses:
                await context.write(response)

    return serve


async def _within_deadline(
    answer: Callable[..., Awaitable[Any]], caller: Caller, requests: Any, context: Call
) -> Any:
    left = context.time_remaining()
    token = deadline.begin(_DEFAULT_SECONDS if left is None else left)
    try:
        if left is None:
            return await _capped(answer(caller, requests, context))
        if left < _LEAST_SECONDS:
            raise Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT", "no time left to do this")
        # gRPC itself cancels the handler when the caller's deadline passes.
        return await answer(caller, requests, context)
    finally:
        deadline.end(token)


async def _capped(answer: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(_DEFAULT_SECONDS) as cap:
            return await answer
    except TimeoutError:
        if not cap.expired():
            raise
        raise Fault(
            grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", f"no answer within {_DEFAULT_SECONDS:g} s"
        ) from None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """How a failed call ends."""

    status: grpc.StatusCode
    text: str
    details: tuple[tuple[str, bytes], ...] = ()

    async def send(self, context: Call) -> NoReturn:
        await context.abort(self.status, self.text, self.details)


def _refusal(method: str, context: Call, error: Exception) -> _Refusal:
    """Count the failure and find its answer. The error keeps nothing of the call."""
    # AbortError is an Exception: the handler has already answered the call.
    if isinstance(error, grpc.aio.AbortError):
        _tell(method, context.code(), context.code().name)
        raise error
    fault = _fault_for(error)
    if fault is None:
        _log.error("call failed", exc_info=error, extra={"method": method})
        _tell(method, grpc.StatusCode.INTERNAL, grpc.StatusCode.INTERNAL.name)
        refusal = _Refusal(grpc.StatusCode.INTERNAL, INTERNAL_TEXT)
    else:
        _tell(method, fault.status, fault.reason)
        details = ((DETAILS_KEY, encode_fault(fault)),)
        refusal = _Refusal(fault.status, fault.message[:_MAX_MESSAGE], details)
    _forget_frames(error)
    return refusal


def _forget_frames(error: BaseException) -> None:
    """Drop the frames that an error came through, and with them the message of its call.

    gRPC keeps a call and the AbortError that ends it in a cycle. A service collects cycles rarely, and an
    error that the AbortError leads to would keep the messages of a thousand refused calls.
    """
    errors: list[BaseException | None] = [error]
    while errors:
        each = errors.pop()
        if each is None:
            continue
        each.__traceback__ = None
        errors += (each.__context__, each.__cause__)
        each.__context__ = each.__cause__ = None
        if isinstance(each, BaseExceptionGroup):
            errors += each.exceptions


def _tell(method: str, status: grpc.StatusCode, reason: str) -> None:
    """Count a failed call. Mark its span as failed when the server caused the failure."""
    _errors.add(1, {"method": method, "status": status.name, "reason": reason})
    if status in _OUR_FAULT:
        _failures.add(1, {"method": method, "kind": _OUR_FAULT[status]})
    _tell_status(get_current_span(), status)


def _tell_status(span: Span, status: grpc.StatusCode) -> None:
    if span.is_recording():
        span.set_attributes({"rpc.system": "grpc", "rpc.grpc.status_code": status.value[0]})
        if status in _OUR_FAULT:
            span.set_status(Status(StatusCode.ERROR, status.name))


def _fault_for(error: BaseException) -> Fault | None:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, Fault) else database_fault(error)


@contextmanager
def _server_span(method: str, parent: Context) -> Iterator[None]:
    started = time.perf_counter()
    span = tracer().start_span(method, parent, SpanKind.SERVER)
    try:
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except asyncio.CancelledError:
                _tell_status(span, grpc.StatusCode.CANCELLED)
                raise
            _tell_status(span, grpc.StatusCode.OK)
    finally:
        _seconds.record(time.perf_counter() - started, {"method": method}, context_of(span))


def _parent_of(context: Call, *, bounded: bool) -> Context:
    for key, value in context.invocation_metadata() or ():
        if key == w3c.HEADER and isinstance(value, str):
            if w3c.is_unsampled(value) or (bounded and not tracer().take_asked()):
                return _UNSAMPLED_PARENT
            return context_from(value) or _NO_PARENT
    return _NO_PARENT
