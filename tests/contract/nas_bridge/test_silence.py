"""A destination that does not answer is not said to have answered, and its status soon says so."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gantry.bridge.v1 import bridge_pb2

from services.nas_bridge.destinations.adapter import DeliveryFailedError, Submission
from services.nas_bridge.destinations.destination import DestinationSettings
from services.nas_bridge.destinations.nadc import NadcDestination
from services.nas_bridge.destinations.nas import NasDestination
from services.nas_bridge.forwarding import lines
from suite.certificates import Authority
from tests.contract.nas_bridge.conftest import Stage, until
from tests.unit.nas_bridge.reads import make_append

ADAPTERS: dict[str, tuple[Any, Callable[[int], dict[str, str]]]] = {
    "NAS": (NasDestination, lambda port: {"target": f"127.0.0.1:{port}"}),
    "NADC": (NadcDestination, lambda port: {"url": f"https://127.0.0.1:{port}/batches"}),
}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose connections are taken by the kernel and by nobody else, as of a frozen process."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


async def failure(pki: Authority, name: str, port: int) -> str:
    """What a delivery to this port fails with."""
    adapter, options = ADAPTERS[name]
    settings = DestinationSettings("there", name.lower(), options(port), timeout_seconds=1)
    async with adapter.open(settings, pki.issue_service("nas_bridge")) as destination:
        with pytest.raises(DeliveryFailedError) as raised:
            await destination.deliver(Submission("essex", "s1", [make_append(1, 1)]))
    return str(raised.value)


@pytest.mark.parametrize("name", ADAPTERS)
async def test_one_that_says_nothing_did_not_answer(pki: Authority, name: str, silent_port: int) -> None:
    assert await failure(pki, name, silent_port) == f"{name} did not answer within 1 s"


@pytest.mark.parametrize("name", ADAPTERS)
async def test_one_that_is_not_there_refuses_connections(pki: Authority, name: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert await failure(pki, name, port) == f"{name} refuses connections"


async def test_the_status_of_a_frozen_one_says_so_while_it_may_still_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_SLOW_SECONDS", 0.3)
    await stage.nas.behave(delay_ms=60_000)
    await stage.start_bridge(stage.destinations(timeout_seconds=1))
    await stage.store.grow("essex", 5)
    client = await stage.client()

    async def told() -> bool:
        _, nas = await client.destinations("essex")
        return bool(
            nas.state == bridge_pb2.FORWARDER_STATE_RETRYING
            and nas.HasField("failing_since")
            and nas.last_error.startswith("no answer for 0.3 s")
        )

    await until(told)
    await stage.nas.behave()


async def test_a_slow_one_that_answers_is_well_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_SLOW_SECONDS", 0.1)
    await stage.nas.behave(delay_ms=1_000)
    await stage.start_bridge()
    await stage.store.grow("essex", 5)
    await stage.until_delivered()
    _, nas = await (await stage.client()).destinations("essex")
    assert (nas.last_error, nas.HasField("failing_since")) == ("", False)
