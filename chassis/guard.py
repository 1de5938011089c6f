"""What stands between the wire and a handler: span, error mapping, caller check, deadline.

Handlers are wrapped once, when they are registered, so a call costs one coroutine and a streamed message
costs nothing. The order matters: the span is outermost, or failed calls would look well.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
    use_span,
)

from chassis import deadline
from chassis import traceparent as w3c
from chassis.database_faults import database_fault
from chassis.errors import DETAILS_KEY, INTERNAL_TEXT, Fault, Forbidden, InvalidInput, encode_fault
from chassis.identity import Caller, caller_of
from chassis.names import MetricName
from chassis.telemetry import meter, tracer

ANYONE_CERTIFIED: Final = "*"
"""In an allow-list: any caller that shows a Gantry certificate."""

PERSON: Final = "person"
"""In an allow-list: any person, whatever their name."""

_DEFAULT_SECONDS: Final = 30.0
_LEAST_SECONDS: Final = 0.002
_MAX_MESSAGE: Final = 1000
_OUR_FAULT: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_NO_PARENT: Final = Context()

_log = logging.getLogger(__name__)
_seconds = meter().create_histogram(MetricName.RPC_SECONDS, "s", "Time to answer a unary call")
_streams = meter().create_up_down_counter(MetricName.RPC_STREAMS, "1", "Streaming calls open now")
_errors = meter().create_counter(MetricName.RPC_ERRORS, "1", "Calls that failed, by status and reason")

Call = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Parse: TypeAlias = Callable[[bytes], Any]


class AllowList:
    """Who may call a gRPC service. Closed by default; None lets everybody in, known or not."""

    def __init__(self, callers: frozenset[str] | None) -> None:
        self._callers = callers

    def admit(self, context: Call) -> None:
        """Raise Forbidden CALLER_NOT_ALLOWED unless the caller is on the list."""
        if self._callers is None:
            return
        caller = caller_of(context)
        if caller.kind == "none" or self._callers.isdisjoint(_names(caller)):
            raise Forbidden("CALLER_NOT_ALLOWED", "your certificate does not permit calls to this service")


def guarded(method: str, handler: Handler, allowed: AllowList) -> Handler:
    """The same handler behind the guards. `method` is "package.Service/Method"."""
    if handler.request_streaming and handler.response_streaming:
        make, behaviour = grpc.stream_stream_rpc_method_handler, handler.stream_stream
    elif handler.response_streaming:
        make, behaviour = grpc.unary_stream_rpc_method_handler, handler.unary_stream
    elif handler.request_streaming:
        make, behaviour = grpc.stream_unary_rpc_method_handler, handler.stream_unary
    else:
        make, behaviour = grpc.unary_unary_rpc_method_handler, handler.unary_unary
    wrap = _streaming if handler.request_streaming or handler.response_streaming else _unary
    assert behaviour is not None, "a handler has the behaviour of its own kind"
    parse = handler.request_deserializer
    if parse is not None:
        parse = _raising(parse) if handler.request_streaming else _deferring(parse)
    return make(wrap(method, behaviour, allowed), parse, handler.response_serializer)


class _Malformed:
    """Stands for the request of a call whose bytes are no message, until its handler can refuse it."""


def _deferring(parse: Parse) -> Parse:
    """Outside of any handler gRPC would call a bad request an unexpected error of ours, and log it as one."""

    def deserialise(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return _Malformed()

    return deserialise


def _raising(parse: Parse) -> Parse:
    """Where requests are a stream, its handler meets what is raised here."""

    def deserialise(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            raise _malformed() from None

    return deserialise


def _malformed() -> InvalidInput:
    return InvalidInput("MALFORMED_MESSAGE", "the bytes are not a message of this call; repair the client")


def _unary(method: str, behaviour: Callable[..., Any], allowed: AllowList) -> Callable[..., Awaitable[Any]]:
    _require_async(method, behaviour)

    async def call(request: Any, context: Call) -> Any:
        with _server_span(method, context):
            try:
                allowed.admit(context)
                _require_message(request)
                return await _within_deadline(behaviour, request, context)
            except Exception as error:  # noqa: BLE001 - each one has an answer
                await _fail(method, context, error)

    return call


def _streaming(
    method: str, behaviour: Callable[..., Any], allowed: AllowList
) -> Callable[..., Awaitable[Any]]:
    _require_async(method, behaviour)
    serve = _writing(behaviour) if inspect.isasyncgenfunction(behaviour) else behaviour
    labels = {"method": method}

    async def call(requests: Any, context: Call) -> Any:
        _streams.add(1, labels)
        try:
            allowed.admit(context)
            _require_message(requests)
            return await serve(requests, context)
        except Exception as error:  # noqa: BLE001 - each one has an answer
            await _fail(method, context, error)
        finally:
            _streams.add(-1, labels)

    return call


def _require_message(request: object) -> None:
    if isinstance(request, _Malformed):
        raise _malformed()


def _writing(generator: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Drain an async generator ourselves: gRPC would do the same loop, but not close it when a call ends."""

    async def serve(requests: Any, context: Call) -> None:
        async with aclosing(generator(requests, context)) as responses:
            async for response in responses:
                await context.write(response)

    return serve


async def _within_deadline(behaviour: Callable[..., Any], request: Any, context: Call) -> Any:
    left = context.time_remaining()
    token = deadline.begin(_DEFAULT_SECONDS if left is None else left)
    try:
        if left is None:
            return await _capped(behaviour, request, context)
        if left < _LEAST_SECONDS:
            raise Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT", "no time left to do this")
        # gRPC itself cancels the handler when the caller's deadline passes.
        return await behaviour(request, context)
    finally:
        deadline.end(token)


async def _capped(behaviour: Callable[..., Any], request: Any, context: Call) -> Any:
    try:
        async with asyncio.timeout(_DEFAULT_SECONDS) as cap:
            return await behaviour(request, context)
    except TimeoutError:
        if not cap.expired():
            raise
        raise Fault(
            grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", f"no answer within {_DEFAULT_SECONDS:g} s"
        ) from None


async def _fail(method: str, context: Call, error: Exception) -> NoReturn:
    # AbortError is an Exception: the handler has answered for itself already.
    if isinstance(error, grpc.aio.AbortError):
        _tell(method, context.code(), context.code().name)
        raise error
    fault = _fault_for(error)
    if fault is None:
        _log.error("call failed", exc_info=error, extra={"method": method})
        _tell(method, grpc.StatusCode.INTERNAL, grpc.StatusCode.INTERNAL.name)
        await context.abort(grpc.StatusCode.INTERNAL, INTERNAL_TEXT)
    _tell(method, fault.status, fault.reason)
    details = ((DETAILS_KEY, encode_fault(fault)),)
    await context.abort(fault.status, fault.message[:_MAX_MESSAGE], details)


def _tell(method: str, status: grpc.StatusCode, reason: str) -> None:
    """Count a failed call, and mark its span when the failure is ours and not the caller's."""
    _errors.add(1, {"method": method, "status": status.name, "reason": reason})
    span = get_current_span()
    if span.is_recording():
        span.set_attribute("rpc.grpc.status_code", status.value[0])
        if status in _OUR_FAULT:
            span.set_status(Status(StatusCode.ERROR, status.name))


def _fault_for(error: BaseException) -> Fault | None:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, Fault) else database_fault(error)


@contextmanager
def _server_span(method: str, context: Call) -> Iterator[None]:
    started = time.perf_counter()
    span = tracer().start_span(method, _parent_of(context), SpanKind.SERVER)
    try:
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield
    finally:
        _seconds.record(time.perf_counter() - started, {"method": method})


def _parent_of(context: Call) -> Context:
    for key, value in context.invocation_metadata() or ():
        if key == w3c.HEADER and isinstance(value, str):
            remote = w3c.parse(value)
            if remote is not None:
                return set_span_in_context(NonRecordingSpan(remote), _NO_PARENT)
    return _NO_PARENT


def _names(caller: Caller) -> set[str]:
    if caller.kind == "person":
        return {PERSON, ANYONE_CERTIFIED}
    # A service that calls itself "person" must not be taken for one.
    return {caller.name, ANYONE_CERTIFIED} - {PERSON}


def _require_async(method: str, behaviour: Callable[..., Any]) -> None:
    # A plain function would run on gRPC's thread pool, outside the loop that everything else shares.
    if not (inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour)):
        raise TypeError(f"the handler of {method} should be async")
