"""Verbs on destinations: checked first, idempotent, with calls to the store before and after."""

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest

from chassis.errors import AlreadyExists, Conflict, Fault, InvalidInput, NotFound, Unavailable
from following import DesiredState, LineStatus
from services.nas_bridge.destinations.destination import Destination, DestinationSettings, Route
from services.nas_bridge.destinations.identities import Identities
from services.nas_bridge.destinations.verbs import Destinations
from suite.certificates import Authority

NAS = DestinationSettings("nas", "nas", {"target": "nas.example:443"})
ROUTE = Route("essex", "nas")
PLANNED = LineStatus(
    force="essex",
    line="nas",
    state=DesiredState.PLANNED,
    paused=False,
    stopped_reason="",
    owner="",
    epoch=0,
    last_error="",
    failing_since=None,
    last_progress_at=None,
    position=0,
    head=0,
)


class MemoryRows:
    """Rows as PostgreSQL has them."""

    def __init__(self) -> None:
        self.found: dict[Route, Destination] = {}
        self.registered: dict[Route, bool] = {}

    async def destinations(self, force: str) -> list[Destination]:
        return [each for route, each in self.found.items() if route.force == force]

    async def plan(self, force: str, settings: DestinationSettings) -> Destination:
        route = Route(force, settings.name)
        self.registered.setdefault(route, True)
        return self.found.setdefault(route, Destination(settings, PLANNED, 0, 0, None))

    async def go_live(self, route: Route) -> Destination:
        self.registered[route] = True
        if self.found[route].line.state is DesiredState.PLANNED:
            self._change(route, state=DesiredState.LIVE)
        return self.found[route]

    async def pause(self, route: Route) -> Destination | None:
        return self._unless_retired(route, paused=True)

    async def resume(self, route: Route) -> Destination | None:
        return self._unless_retired(route, paused=False, stopped_reason="")

    async def retire(self, route: Route) -> Destination | None:
        return self._unless_retired(route, state=DesiredState.RETIRED)

    async def consumers_to_retire(self, forces: Iterable[str]) -> list[Route]:
        retired = [route for route, each in self.found.items() if each.line.state is DesiredState.RETIRED]
        return [route for route in retired if route.force in forces and self.registered[route]]

    async def consumer_retired(self, route: Route) -> None:
        self.registered[route] = False

    def _unless_retired(self, route: Route, **changes: object) -> Destination | None:
        if route in self.found and self.found[route].line.state is not DesiredState.RETIRED:
            self._change(route, **changes)
        return self.found.get(route)

    def _change(self, route: Route, **changes: object) -> None:
        found = self.found[route]
        self.found[route] = replace(found, line=replace(found.line, **changes))  # type: ignore[arg-type]


class MemoryConsumers:
    """The store's consumers, which can be unavailable."""

    def __init__(self) -> None:
        self.registered: set[Route] = set()
        self.faults: list[Fault] = []

    async def register_consumer(self, force: str, consumer: str) -> int:
        self._fail()
        self.registered.add(Route(force, consumer))
        return 0

    async def retire_consumer(self, force: str, consumer: str) -> None:
        self._fail()
        self.registered.discard(Route(force, consumer))

    def _fail(self) -> None:
        if self.faults:
            raise self.faults.pop(0)


class Bench:
    """The verbs with their fakes."""

    def __init__(self, identities: Identities) -> None:
        self.rows = MemoryRows()
        self.consumers = MemoryConsumers()
        self.changes = 0
        self.verbs = Destinations(
            self.rows, self.consumers, identities, lambda force: force == "essex", self._changed
        )

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def bench(pki: Authority) -> Bench:
    return Bench(Identities(pki.issue_service("nas_bridge")))


async def test_an_added_destination_is_live_and_its_consumer_registered(bench: Bench) -> None:
    added = await bench.verbs.add("essex", NAS)
    assert (added.settings, added.line.state) == (NAS, DesiredState.LIVE)
    assert bench.consumers.registered == {ROUTE}
    assert bench.changes == 1
    assert await bench.verbs.add("essex", NAS) == added


async def test_it_is_not_live_before_the_store_has_its_consumer_and_a_repeat_goes_on(bench: Bench) -> None:
    bench.consumers.faults = [Unavailable("STOPPING", "stopping")]
    with pytest.raises(Unavailable):
        await bench.verbs.add("essex", NAS)
    (planned,) = await bench.verbs.of("essex")
    assert planned.line.state is DesiredState.PLANNED
    assert (await bench.verbs.add("essex", NAS)).line.state is DesiredState.LIVE


async def test_other_settings_under_the_same_name_are_refused(bench: Bench) -> None:
    await bench.verbs.add("essex", NAS)
    with pytest.raises(AlreadyExists) as raised:
        await bench.verbs.add("essex", replace(NAS, most_reads=7))
    assert raised.value.reason == "DESTINATION_EXISTS"


async def test_a_force_that_is_not_active_gets_no_destination(bench: Bench) -> None:
    with pytest.raises(NotFound) as raised:
        await bench.verbs.add("kent", NAS)
    assert raised.value.reason == "FORCE_UNKNOWN"
    assert bench.rows.found == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "N A S"),
        ("name", "n" * 33),
        ("name", "match"),
        ("adapter", "pigeon"),
        ("adapter", ""),
        ("options", {"target": "x" * 2_001}),
        ("options", {"target": "a\nb:1"}),
        ("options", {"a/b": "c"}),
        ("options", {f"a{number}": "" for number in range(33)}),
        ("options", {}),
        ("identity", "../outside"),
        ("identity", "partner"),
        ("server_name", "a b"),
        ("most_reads", 20_001),
        ("timeout_seconds", -1.0),
        ("timeout_seconds", 601.0),
        ("timeout_seconds", math.nan),
    ],
)
async def test_settings_that_cannot_be_used_are_named_and_nothing_is_written(
    bench: Bench, field: str, value: object
) -> None:
    with pytest.raises(InvalidInput) as raised:
        await bench.verbs.add("essex", replace(NAS, **{field: value}))  # type: ignore[arg-type]
    assert raised.value.reason == "DESTINATION_INVALID"
    assert str(raised.value.field).startswith(f"destination.{field}")
    assert bench.rows.found == {}


async def test_pause_and_resume_may_be_repeated(bench: Bench) -> None:
    await bench.verbs.add("essex", NAS)
    for _ in range(2):
        assert (await bench.verbs.pause(ROUTE)).line.paused
    bench.rows._change(ROUTE, stopped_reason="more than 100 reads in a row were refused")
    for _ in range(2):
        resumed = await bench.verbs.resume(ROUTE)
        assert (resumed.line.paused, resumed.line.stopped_reason) == (False, "")


async def test_a_retired_destination_stays_retired(bench: Bench) -> None:
    await bench.verbs.add("essex", NAS)
    for _ in range(2):
        assert (await bench.verbs.retire(ROUTE)).line.state is DesiredState.RETIRED
    assert bench.consumers.registered == set()
    for attempt in (bench.verbs.pause(ROUTE), bench.verbs.resume(ROUTE)):
        with pytest.raises(Conflict) as raised:
            await attempt
        assert raised.value.reason == "DESTINATION_RETIRED"
    with pytest.raises(AlreadyExists, match="choose another name"):
        await bench.verbs.add("essex", NAS)


async def test_the_store_is_asked_to_retire_a_consumer_until_it_does(bench: Bench) -> None:
    await bench.verbs.add("essex", NAS)
    bench.consumers.faults = [Unavailable("STOPPING", "stopping")] * 2
    assert (await bench.verbs.retire(ROUTE)).line.state is DesiredState.RETIRED
    with pytest.raises(Unavailable):
        await bench.verbs.retire_consumers(["essex"])
    assert bench.consumers.registered == {ROUTE}
    await bench.verbs.retire_consumers(["essex"])
    assert bench.consumers.registered == set()
    assert await bench.rows.consumers_to_retire(["essex"]) == []


async def test_a_consumer_registered_while_its_destination_was_retired_is_retired_later(bench: Bench) -> None:
    register = bench.consumers.register_consumer

    async def retired_meanwhile(force: str, consumer: str) -> int:
        await bench.verbs.retire(ROUTE)
        return await register(force, consumer)

    bench.consumers.register_consumer = retired_meanwhile  # type: ignore[method-assign]
    with pytest.raises(AlreadyExists):
        await bench.verbs.add("essex", NAS)
    assert bench.consumers.registered == {ROUTE}
    await bench.verbs.retire_consumers(["essex"])
    assert bench.consumers.registered == set()


async def test_an_unknown_destination_is_unknown_to_every_verb(bench: Bench) -> None:
    for attempt in (bench.verbs.pause(ROUTE), bench.verbs.resume(ROUTE), bench.verbs.retire(ROUTE)):
        with pytest.raises(NotFound) as raised:
            await attempt
        assert raised.value.reason == "DESTINATION_UNKNOWN"
