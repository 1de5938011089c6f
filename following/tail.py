"""Follows a log, also after interruptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from chassis.backoff import Backoff
from chassis.errors import OutOfRange, Unavailable
from chassis.loops import raise_if_cancelled
from chassis.transient import asked_wait, cause_of, is_transient
from following.gaps import Gap, GapError
from following.log import I, Part, Source

_log = logging.getLogger(__name__)


async def tail(
    source: Source[I], position: int, *, silence_seconds: float, backoff: Backoff, labels: Mapping[str, str]
) -> AsyncGenerator[Part[I], None]:
    """Parts of the log after a position, without end.

    A cursor that never moved (0) begins at the oldest item.
    A log that is unavailable, ends, or sends nothing for `silence_seconds` is followed again after a
    back-off, from its last part. Raises GapError when the next reads are not in the log.
    """
    failing = False
    while True:
        error: BaseException = Unavailable("TAIL_ENDED", "the log's stream ended")
        try:
            async with aclosing(source.follow(position or None)) as parts:
                while (part := await _next(parts, silence_seconds)) is not None:
                    failing = False
                    backoff.succeeded()
                    position = max(position, part.position)
                    yield part
        except OutOfRange as fault:
            raise GapError(Gap.of(fault, position)) from fault
        except Exception as caught:
            raise_if_cancelled()
            if not is_transient(caught):
                raise
            error = caught
        wait = backoff.next_wait(asked_wait(error))
        if not failing:
            _log.warning("the log cannot be followed now", extra={**labels, "cause": cause_of(error)})
        failing = True
        await asyncio.sleep(wait)


async def _next(parts: AsyncIterator[Part[I]], seconds: float) -> Part[I] | None:
    try:
        async with asyncio.timeout(seconds):
            return await anext(parts, None)
    except TimeoutError:
        raise Unavailable("LOG_SILENT", "the log shows no sign of life") from None
    except asyncio.CancelledError:
        raise_if_cancelled()
        # A call whose channel is closed ends like this, too.
        raise Unavailable("LOG_CLOSED", "the log's stream was cancelled") from None
