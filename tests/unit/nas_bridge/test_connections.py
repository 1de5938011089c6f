"""Connections are opened once, shared, closed after their last user, and fail alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from chassis.settings import TlsSettings
from services.nas_bridge.destinations import connections
from services.nas_bridge.destinations.adapter import DeliveryFailedError, Destination, Receipt, Submission
from services.nas_bridge.destinations.connections import Connections
from services.nas_bridge.destinations.destination import DestinationSettings, Images
from services.nas_bridge.destinations.identities import Identities
from suite.certificates import Authority


class Adapter:
    """Counts open destinations; fails on request."""

    def __init__(self) -> None:
        self.opened = 0
        self.open_now = 0
        self.failure: Exception | None = None

    def check(self, options: Mapping[str, str]) -> None:
        pass

    @asynccontextmanager
    async def open(self, settings: DestinationSettings, tls: TlsSettings) -> AsyncIterator[Destination]:
        if self.failure is not None:
            raise self.failure
        # A group may only be left by the task that entered it.
        async with asyncio.TaskGroup():
            self.opened += 1
            self.open_now += 1
            yield Taker()
            self.open_now -= 1


class Taker:
    async def deliver(self, submission: Submission) -> Receipt:
        return Receipt("r", submission.count, 0)


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    made = Adapter()
    monkeypatch.setattr(connections, "find_adapter", lambda name: made)
    return made


@pytest.fixture
def opener(pki: Authority) -> Connections:
    return Connections(Identities(pki.issue_service("nas_bridge")))


NAS = DestinationSettings("nas", "counting", {"target": "a:1"})


async def test_equal_ways_share_one_connection_until_the_last_user_leaves(
    adapter: Adapter, opener: Connections
) -> None:
    same = DestinationSettings("other", "counting", {"target": "a:1"}, images=Images.NONE, most_reads=9)
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        one = await first.enter_async_context(opener.open(NAS))
        other = await asyncio.create_task(second.enter_async_context(opener.open(same)))
        assert one is other
        assert (adapter.opened, adapter.open_now) == (1, 1)
        await first.aclose()
        assert adapter.open_now == 1
        await second.aclose()
    assert adapter.open_now == 0
    async with opener.open(NAS):
        assert adapter.opened == 2


async def test_different_ways_have_connections_of_their_own(adapter: Adapter, opener: Connections) -> None:
    elsewhere = DestinationSettings("nas", "counting", {"target": "b:1"})
    async with opener.open(NAS) as one, opener.open(elsewhere) as other:
        assert one is not other
    assert (adapter.opened, adapter.open_now) == (2, 0)


async def test_a_destination_that_cannot_be_opened_says_so_and_can_be_opened_later(
    adapter: Adapter, opener: Connections
) -> None:
    adapter.failure = OSError("quotes AB12CDE")
    with pytest.raises(DeliveryFailedError, match="cannot be opened: OSError"):
        async with opener.open(NAS):
            pass
    adapter.failure = None
    async with opener.open(NAS):
        assert adapter.open_now == 1


async def test_an_unusable_identity_fails_its_destination_only(adapter: Adapter, opener: Connections) -> None:
    with pytest.raises(DeliveryFailedError, match="GANTRY_BRIDGE__IDENTITIES"):
        async with opener.open(DestinationSettings("p", "counting", identity="partner")):
            pass
    async with opener.open(NAS):
        assert adapter.open_now == 1
