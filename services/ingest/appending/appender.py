"""Sends appends to the store, with retries for a bounded time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import grpc
from gantry.store.v1.log_pb2 import AppendReadsResponse

from chassis.backoff import Backoff
from chassis.errors import Fault, fault_from
from chassis.joint_spans import spans_following
from chassis.transient import is_transient
from services.ingest.appending.availability import StoreAvailability, refusal
from services.ingest.appending.tracing import TracedReads, named_in_request
from services.ingest.names import SpanName

FIRST_WAIT_SECONDS: Final = 0.05
_MOST_WAIT: Final = 2.0
_LEAST_TIMEOUT: Final = 0.5

_log = logging.getLogger(__name__)


class Post(Protocol):
    """Sends a serialised AppendReadsRequest to the store."""

    def __call__(self, request: bytes, /, *, timeout: float) -> Awaitable[AppendReadsResponse]:
        """The store's answer. Raises grpc.aio.AioRpcError."""


class Appender:
    """Sends one append after the other. Repeating one is harmless, since the store keeps each read once."""

    def __init__(
        self,
        post_of: Callable[[str], Post],
        renew: Callable[[str], None] = lambda _force: None,
        first_wait: float = FIRST_WAIT_SECONDS,
    ) -> None:
        """`post_of` gives the connection of a force. `renew` replaces one on which appends keep failing."""
        self._post_of = post_of
        self._renew = renew
        self._first_wait = first_wait

    async def append(
        self, force: str, request: bytes, traced: Sequence[TracedReads], availability: StoreAvailability
    ) -> AppendReadsResponse:
        """Try until the store has committed it, or until the force's patience ends.

        Raises Unavailable STORE_UNAVAILABLE or Exhausted STORAGE_FULL then, and the store's fault when trying
        again would not help.
        """
        origins = [each.traceparent for each in traced]
        with spans_following(SpanName.INGEST_APPEND, origins, {"force": force}) as spans:
            if traced:
                request += named_in_request(traced, spans.traceparents)
            post = self._post_of(force)
            ends_at = time.monotonic() + availability.patience
            backoff = Backoff(self._first_wait, _MOST_WAIT)
            while True:
                try:
                    left = max(_LEAST_TIMEOUT, ends_at - time.monotonic())
                    response = await post(request, timeout=left)
                except grpc.aio.AioRpcError as error:
                    fault = fault_from(error)
                else:
                    availability.succeeded()
                    return response
                if not is_transient(fault) or _exceeds_message_limit(fault):
                    raise fault
                wait = backoff.next_wait(fault.retry_after)
                if time.monotonic() + wait > ends_at:
                    availability.failed(fault.reason)
                    self._renew(force)
                    about = {"force": force, "cause": fault.reason}
                    _log.warning("the store does not take reads", extra=about)
                    raise refusal(fault.reason)
                await asyncio.sleep(wait)


def _exceeds_message_limit(fault: Fault) -> bool:
    """Whether the transport refused the request for its size: it answers without a reason."""
    return fault.reason == grpc.StatusCode.RESOURCE_EXHAUSTED.name
