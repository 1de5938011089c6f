"""The `gantry` program where the packages of the command are not installed."""

import subprocess
import sys


def started_without(package):
    code = f"import sys; sys.modules[{package!r}] = None; from cli.start import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=False, timeout=60
    )


def test_without_typer_a_sentence_names_the_extra():
    ended = started_without("typer")
    assert ended.returncode == 1
    assert ended.stderr == (
        "The packages of the gantry command are not installed: install gantry[command] instead of gantry.\n"
    )


def test_a_fault_of_ours_is_not_taken_for_a_missing_extra():
    ended = started_without("cli.lazy")
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr
    assert "gantry[command]" not in ended.stderr


def test_with_everything_it_runs():
    ended = started_without("no_such_package")
    assert ended.returncode == 0
    assert ended.stdout.startswith("gantry ")
