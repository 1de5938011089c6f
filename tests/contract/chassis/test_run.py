"""A service's process: its exit codes, its signals, its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = textwrap.dedent(
    """
    import asyncio, gc, os
    from chassis.run import run
    from chassis.server import grpc_server
    from chassis.settings import ServiceSettings
    from chassis.telemetry import telemetry

    class Settings(ServiceSettings):
        colour: str = "blue"
        api_token: str = "hush"
        sizes: dict[str, list[float]] = {}

    async def main(settings):
        async with telemetry("probe", settings.telemetry), grpc_server(settings, {}) as server:
            if settings.colour == "red":
                raise RuntimeError("a plain failure")
            if settings.colour == "wait":
                open(settings.grpc.port_file, "w").write("waiting")
                await asyncio.Event().wait()
            if settings.colour == "doomed":
                async def die():
                    raise KeyError("AB12CDE")
                server.own(die(), "doomed")
            if settings.colour == "curious":
                async def count():
                    while not gc.get_freeze_count():
                        await asyncio.sleep(0.01)
                    print(gc.get_freeze_count(), len(gc.get_objects()), flush=True)
                server.own(count(), "count")
            if settings.colour == "slow":
                server.on_stop(lambda: asyncio.sleep(60))
            await server.serve_until_signalled()

    run("probe", Settings, main)
    """
)


@pytest.fixture
def spawn(authority, tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    tls = authority.service("probe")
    (tmp_path / "probe.py").write_text(SCRIPT)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GANTRY_")}
        environment |= {
            "PYTHONPATH": str(Path.cwd()),
            "GANTRY_TLS__CERTIFICATE": str(tls.certificate),
            "GANTRY_TLS__KEY": str(tls.key),
            "GANTRY_TLS__AUTHORITY": str(tls.authority),
            "GANTRY_GRPC__PORT_FILE": str(tmp_path / "ports.json"),
            **variables,
        }
        command = [sys.executable, str(tmp_path / "probe.py"), *arguments]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _await_ports(process: subprocess.Popen[str], file: Path) -> None:
    ends_at = time.monotonic() + 30
    while not file.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < ends_at
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(spawn, tmp_path, number):
    process = spawn()
    _await_ports(process, tmp_path / "ports.json")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert {"listening", "stopping"} <= {line["message"] for line in lines}
    assert {line["service"] for line in lines} == {"probe"}
    assert not (tmp_path / "ports.json").exists()


def test_a_signal_during_the_start_ends_it_cleanly(spawn, tmp_path):
    process = spawn(GANTRY_COLOUR="wait")
    _await_ports(process, tmp_path / "ports.json")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once(spawn, tmp_path):
    process = spawn(GANTRY_COLOUR="slow", GANTRY_GRPC__DRAIN_SECONDS="60")
    _await_ports(process, tmp_path / "ports.json")
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
