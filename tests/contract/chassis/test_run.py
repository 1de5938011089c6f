"""A service's process: its exit codes, its signals, its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.chassis.probe import await_ports


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(spawn, tmp_path, number):
    process = spawn()
    await_ports(process, tmp_path / "ports.json")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert {"listening", "stopping"} <= {line["message"] for line in lines}
    assert {line["service"] for line in lines} == {"probe"}
    assert not (tmp_path / "ports.json").exists()


def test_a_signal_during_the_start_ends_it_cleanly(spawn, tmp_path):
    process = spawn(GANTRY_COLOUR="wait")
    await_ports(process, tmp_path / "ports.json")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once(spawn, tmp_path):
    process = spawn(GANTRY_COLOUR="slow", GANTRY_GRPC__DRAIN_SECONDS="60")
    await_ports(process, tmp_path / "ports.json")
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while '"stopping"' not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 1


def test_a_collection_passes_over_what_was_there_at_the_start(spawn):
    process = spawn(GANTRY_COLOUR="curious")
    assert process.stdout is not None
    frozen, walked = map(int, process.stdout.readline().split())
    assert frozen > 20 * walked


def test_a_failure_is_logged_and_ends_with_one(spawn):
    process = spawn(GANTRY_COLOUR="red")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    line = json.loads(errors.splitlines()[-1])
    assert line["error"][0]["type"] == "RuntimeError"
    assert line["error"][0]["text"] == "a plain failure"


def test_an_owned_task_that_dies_ends_with_one_and_quotes_nothing(spawn):
    process = spawn(GANTRY_COLOUR="doomed")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "background task died" in errors
    assert "AB12CDE" not in errors


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"GANTRY_GRPC__LISTEN": "nowhere"},
            "GANTRY_GRPC__LISTEN is 'nowhere', which cannot be used: should be",
        ),
        (
            {"GANTRY_TLS__KEY": "/nope"},
            "GANTRY_TLS__KEY is '/nope', which cannot be used: path does not point",
        ),
        ({"GANTRY_GRPC__LISTNE": "x"}, "GANTRY_GRPC__LISTNE is not a setting"),
        ({"GANTRY_GRCP__LISTEN": "x"}, "GANTRY_GRCP__LISTEN is not a setting of any service"),
    ],
)
def test_a_bad_setting_is_one_sentence(spawn, variables, sentence):
    process = spawn(**variables)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors.startswith(sentence)
    assert errors.count("\n") == 1


def test_print_config_masks_secrets(spawn):
    process = spawn("--print-config", GANTRY_COLOUR="green")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "GANTRY_COLOUR=green\n" in output
    assert "GANTRY_GRPC__HEALTH_LISTEN=127.0.0.1:0\n" in output
    assert "GANTRY_API_TOKEN='********'\n" in output
    assert "# GANTRY_TELEMETRY__OTLP_ENDPOINT is not set\n" in output
    assert "hush" not in output


def test_the_output_of_print_config_can_be_pasted_back(spawn, tmp_path):
    colour = """it's "blue" $HOME, `x`; #\\"""
    first, _ = spawn("--print-config", GANTRY_COLOUR=colour, GANTRY_SIZES='{"S": [1, 2.5]}').communicate()
    script = tmp_path / "config.sh"
    script.write_text(f"set -a\n{first}env -0\n")
    shell = subprocess.run(
        ["/bin/sh", str(script)], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    pasted = dict(line.split("=", 1) for line in shell.stdout.split("\0") if line.startswith("GANTRY_"))
    assert pasted["GANTRY_COLOUR"] == colour
    again, _ = spawn("--print-config", **pasted).communicate(timeout=30)
    assert again == first


def test_a_verb_it_does_not_know_ends_with_two(spawn):
    process = spawn("migrate")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "invalid choice" in errors


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        (["-m", "services.store"], "usage: python -m services.store "),
        (["-m", "probe"], "usage: python -m probe "),
    ],
)
@pytest.mark.usefixtures("spawn")
def test_the_usage_names_the_command_that_was_typed(tmp_path, command, usage):
    shown = subprocess.run(
        [sys.executable, *command, "--help"],
        env={"PYTHONPATH": f"{Path.cwd()}{os.pathsep}{tmp_path}", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith(usage)
