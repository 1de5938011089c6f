"""Whether gRPC's own lines are shown, by the command and by the processes that it starts."""

import os

import pytest

from cli.grpc_lines import hide_grpc_lines, show_grpc_lines_of_processes

VARIABLE = "GRPC_VERBOSITY"


def test_the_command_hides_them_and_its_processes_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    hide_grpc_lines()
    assert os.environ[VARIABLE] == "NONE"
    show_grpc_lines_of_processes()
    assert VARIABLE not in os.environ


def test_what_a_person_has_set_reaches_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "INFO")
    hide_grpc_lines()
    show_grpc_lines_of_processes()
    assert os.environ[VARIABLE] == "INFO"
