"""Ports stay the same while they can, and are never given twice."""

import socket

import pytest

from suite.errors import SuiteError
from suite.ports import assign, free_port, is_free

NAMES = ["store.grpc", "ingest.grpc", "ingest.public"]


def test_each_name_has_its_own_port() -> None:
    ports = assign(NAMES)
    assert list(ports) == NAMES
    assert len(set(ports.values())) == len(NAMES)


def test_what_was_chosen_before_is_kept_where_it_is_free() -> None:
    before = assign(NAMES)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", before["store.grpc"]))
        taken.listen()
        after = assign(NAMES, before=before)
    assert after["store.grpc"] != before["store.grpc"]
    assert after["ingest.grpc"] == before["ingest.grpc"]


def test_a_base_port_counts_up_and_says_when_one_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(SuiteError, match=f"port {port}, meant for store.grpc, is in use"):
            assign(NAMES, base=port)


def test_equal_choices_from_before_are_parted() -> None:
    port = free_port()
    assert len(set(assign(NAMES, before=dict.fromkeys(NAMES, port)).values())) == len(NAMES)
