"""A channel that connects anew when its server keeps failing, so that it may reach another replica.

A server that has lost its database, and no connection, answers UNAVAILABLE for as long as that lasts. gRPC
stays with the connection, because it works. A new one goes where the address leads now: to a replica that is
ready.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import grpc

FAILING_SECONDS: Final = 3.0
"""Calls must have failed for so long, without one that succeeded."""

_LEAST_FAILURES: Final = 3
_FAILURES: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})

_log = logging.getLogger(__name__)

Open = Callable[[], grpc.aio.Channel]


class Failing:
    """Whether calls have failed for long enough that another connection is worth its price."""

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = FAILING_SECONDS if seconds is None else seconds
        self._clock = clock
        self._failures = 0
        self._since = 0.0

    def ended(self, code: grpc.StatusCode) -> bool:
        """A call has ended. True when it is time to connect anew; then counting begins again."""
        if code is grpc.StatusCode.CANCELLED:
            return False
        if code not in _FAILURES:
            self._failures = 0
            return False
        if not self._failures:
            self._since = self._clock()
        self._failures += 1
        if self._failures < _LEAST_FAILURES or self._clock() - self._since < self._seconds:
            return False
        self._failures = 0
        return True


class ReconnectingChannel(grpc.aio.Channel):
    """Passes calls to a channel that it replaces. A replaced channel closes when its last call has ended."""

    def __init__(self, open_one: Open, target: str, failing: Failing | None = None) -> None:
        self._open = open_one
        self._target = target
        self._failing = failing or Failing()
        self._current = _Used(open_one())
        self._old: set[_Used] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._calls("unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._calls("unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._calls("stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._calls("stream_stream", args, kwargs)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """See grpc.aio.Channel."""
        return self._current.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """See grpc.aio.Channel."""
        await self._current.channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """See grpc.aio.Channel."""
        await self._current.channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Close all connections. Calls under way have `grace` seconds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(used.channel.close(grace) for used in (*self._old, self._current)))

    async def __aenter__(self) -> ReconnectingChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _calls(self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
        made: dict[_Used, Any] = {}

        def call(*call_args: Any, **call_kwargs: Any) -> Any:
            used = self._current
            if used not in made:
                made.clear()
                made[used] = getattr(used.channel, kind)(*args, **kwargs)
            called = made[used](*call_args, **call_kwargs)
            used.calls += 1
            called.add_done_callback(lambda ended: self._spawn(self._ended(used, ended)))
            return called

        return call

    async def _ended(self, used: _Used, call: Any) -> None:
        used.calls -= 1
        code = await call.code()
        if used is self._current:
            if self._failing.ended(code):
                self._reconnect()
        elif not used.calls:
            self._old.discard(used)
            await used.channel.close()

    def _reconnect(self) -> None:
        _log.info("connecting anew, because calls keep failing", extra={"target": self._target})
        self._old.add(self._current)
        replaced, self._current = self._current, _Used(self._open())
        if not replaced.calls:
            self._old.discard(replaced)
            self._spawn(replaced.channel.close())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work, name="end of a call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Used:
    """A channel and the number of its calls under way."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0
