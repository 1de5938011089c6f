"""The kernel tells how much each connection has received."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from chassis.connections import ConnectionBytes, peer_name

SENT = 70_000


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with (
        socket.create_server((request.param, 0), family=family) as server,
        closing(socket.create_connection(server.getsockname()[:2])) as near,
        closing(server.accept()[0]) as accepted,
    ):
        yield near, accepted


def _peer(near: socket.socket) -> str:
    host, port = near.getsockname()[:2]
    return f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"


def test_received_bytes_are_those_of_the_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    near, accepted = pair
    counted = ConnectionBytes()
    assert counted.received([_peer(near)]) == {_peer(near): 0}
    near.sendall(b"x" * SENT)
    left = SENT
    while left:
        left -= len(accepted.recv(left))
    assert counted.received([_peer(near), "ipv4:127.0.0.1:1"]) == {_peer(near): SENT}


def test_a_connection_that_is_gone_is_left_out(pair: tuple[socket.socket, socket.socket]) -> None:
    near, accepted = pair
    counted = ConnectionBytes()
    assert counted.received([_peer(near)])
    accepted.close()
    assert counted.received([_peer(near)]) == {}


@contextmanager
def _no_free_descriptor() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_without_a_free_descriptor_known_connections_stay_known(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """A client that opens connections until there are no more descriptors must not end the process."""
    near, _ = pair
    counted = ConnectionBytes()
    assert counted.received([_peer(near)])
    with _no_free_descriptor():
        found = counted.received([_peer(near), "ipv4:127.0.0.1:1"])
    assert found == {_peer(near): 0}


def test_names_of_peers() -> None:
    assert peer_name("ipv4:10.0.0.1:5000") == ("10.0.0.1", 5000)
    assert peer_name("ipv6:%5B2001:db8::1%5D:5000") == ("2001:db8::1", 5000)
    assert peer_name("unix:") == ("", 0)
