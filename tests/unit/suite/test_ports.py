"""Ports stay the same while they can, and are never given twice."""

import socket
import subprocess
import sys

import pytest

from suite.errors import SuiteError
from suite.ports import HeldPorts, assign, free_port

NAMES = ["store.grpc", "ingest.grpc", "ingest.public"]


def test_each_name_has_its_own_port() -> None:
    with HeldPorts() as held:
        ports = assign(NAMES, held)
    assert list(ports) == NAMES
    assert len(set(ports.values())) == len(NAMES)


def test_what_was_chosen_before_is_kept_where_it_is_free() -> None:
    with HeldPorts() as held:
        before = assign(NAMES, held)
    with socket.socket() as taken, HeldPorts() as held:
        taken.bind(("127.0.0.1", before["store.grpc"]))
        taken.listen()
        after = assign(NAMES, held, before=before)
    assert after["store.grpc"] != before["store.grpc"]
    assert after["ingest.grpc"] == before["ingest.grpc"]


def test_what_another_suite_was_promised_is_passed_over_until_it_ends() -> None:
    with HeldPorts() as first:
        promised = assign(NAMES, first)
        with HeldPorts() as second:
            assert not set(promised.values()) & set(assign(NAMES, second, before=promised).values())
        with HeldPorts() as third, pytest.raises(SuiteError, match=r"store\.grpc, is in use"):
            assign(NAMES, third, base=promised["store.grpc"])
    with HeldPorts() as fourth:
        assert assign(NAMES, fourth, before=promised) == promised


def test_a_promise_ends_with_the_process_that_had_it() -> None:
    program = (
        "from suite.ports import HeldPorts; held = HeldPorts(); print(held.another(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        with HeldPorts() as held:
            assert not held.hold(port)
            other.kill()
            other.wait()
            assert held.hold(port)


def test_a_base_port_counts_up_and_says_when_one_is_taken() -> None:
    with socket.socket() as taken, HeldPorts() as held:
        taken.bind(("127.0.0.1", free_port()))
        port = taken.getsockname()[1]
        with pytest.raises(SuiteError, match=f"port {port}, meant for store.grpc, is in use"):
            assign(NAMES, held, base=port)


def test_equal_choices_from_before_are_parted() -> None:
    with HeldPorts() as held:
        port = free_port()
        assert len(set(assign(NAMES, held, before=dict.fromkeys(NAMES, port)).values())) == len(NAMES)


def test_a_held_port_is_for_servers_alone() -> None:
    with HeldPorts() as held, socket.create_server(("127.0.0.1", held.another())) as server:
        server.listen()
        with socket.socket() as second:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                second.bind(server.getsockname())


def test_the_kernel_gives_a_held_port_to_no_other_process() -> None:
    with HeldPorts() as held, HeldPorts() as others:
        ours = {held.another() for _ in range(200)}
        assert not ours & {others.another() for _ in range(200)}


def test_a_port_that_others_know_stays_or_the_suite_does_not_start() -> None:
    with HeldPorts() as held:
        before = assign(NAMES, held)
    with HeldPorts() as held:
        base = free_port()
        after = assign(NAMES, held, base=base, before=before, lasting=["store.grpc"])
        assert after == {
            "store.grpc": before["store.grpc"],
            "ingest.grpc": base + 1,
            "ingest.public": base + 2,
        }
        with HeldPorts() as other, pytest.raises(SuiteError, match=r"destinations expect store\.grpc"):
            assign(NAMES, other, before=before, lasting=["store.grpc"])
