"""Follow the alerts of several forces at once, through restarts of the service."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gantry.common.v1.purpose_pb2 import Purpose
from gantry.match.v1.alert_pb2 import Acknowledgement, Alert, AlertFilter, SubscribeRequest, SubscribeResponse

from chassis.errors import Fault
from cli.exits import CliError
from cli.forms import acknowledgement_form, alert_form
from cli.links import Links
from cli.patience import SECONDS, Patience
from clients.match import WATCH_PATIENCE_SECONDS, AlertClient


@dataclass(frozen=True)
class Watch:
    """The options of a watch: purpose, start, and whether to stop when all past events were shown."""

    purpose: Purpose
    earliest: bool = False
    once: bool = False
    after: int | None = None
    say: Callable[[str], None] | None = None
    """Called when the service is unavailable.

    Without it, a service that is unavailable at first is an error at once.
    """
    only: AlertFilter | None = None
    """The alerts to watch; all by default."""


@dataclass(frozen=True)
class Event:
    """One thing that happened in a force: an alert, an acknowledgement, or neither (a keep-alive)."""

    force: str
    number: int
    """Watch with it to go on after this event."""
    alert_id: str = ""
    alert: Alert | None = None
    acknowledgement: Acknowledgement | None = None

    def as_json(self) -> dict[str, Any] | None:
        """The event for `--json`; None for a keep-alive."""
        about = {"force": self.force, "number": self.number}
        if self.alert is not None:
            return {"event": "alert"} | alert_form(self.alert) | about
        if self.acknowledgement is not None:
            return (
                {"event": "acknowledgement"}
                | acknowledgement_form(self.alert_id, self.acknowledgement)
                | about
            )
        return None


async def watched(links: Links, forces: Sequence[str], watch: Watch) -> AsyncGenerator[Event, None]:
    """The events of all forces as they come. With `once` it ends when every force is caught up."""
    patience = Patience(links.home.processes, "match", watch.say or _nothing, SECONDS if watch.say else 0.0)
    events: asyncio.Queue[Event | None] = asyncio.Queue(maxsize=1000)

    async def follow(force: str) -> None:
        async for event in _followed(links, force, watch, patience):
            await events.put(event)

    async def follow_all() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for force in forces:
                    group.create_task(follow(force), name=f"alerts of {force}")
        except ExceptionGroup as failed:
            # Not `except*`: early versions of Python 3.11 wrap what is raised there into a group again.
            raise next(
                (one for one in failed.exceptions if isinstance(one, Fault | CliError)), failed
            ) from None
        finally:
            await events.put(None)

    following = asyncio.create_task(follow_all(), name="alerts")
    try:
        while (event := await events.get()) is not None:
            yield event
        await following
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _followed(links: Links, force: str, watch: Watch, patience: Patience) -> AsyncIterator[Event]:
    """One force's events. The client subscribes again when the service was unavailable."""
    request = SubscribeRequest(force=force, purpose=watch.purpose, filter=watch.only)
    if watch.after is not None:
        request.after_number = watch.after
    elif watch.earliest:
        request.earliest = True
    alerts = await _alerts(links, patience)
    away = partial(patience.tell, WATCH_PATIENCE_SECONDS)
    async for response in alerts.watch(request, away=away):
        patience.answered()
        yield _event(force, response)
        if watch.once and response.HasField("progress"):
            return


async def _alerts(links: Links, patience: Patience) -> AlertClient:
    while True:
        try:
            return await links.alerts()
        except CliError as error:
            await patience.wait(error)


def _nothing(_: str) -> None:
    pass


def _event(force: str, response: SubscribeResponse) -> Event:
    happened = response.event
    kind = happened.WhichOneof("what")
    return Event(
        force,
        response.number,
        happened.alert_id,
        happened.raised if kind == "raised" else None,
        happened.acknowledged if kind == "acknowledged" else None,
    )
