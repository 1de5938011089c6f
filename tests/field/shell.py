"""Runs `gantry` commands as forks of a process that has imported everything: each costs only its work."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_PROGRAM: Final = """
import json, os, sys
import cli.commands.alerts, cli.commands.camera, cli.commands.hotlist
import cli.commands.replay, cli.commands.search
from cli.main import app

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(order["folder"])
        sys.stdin = open(os.devnull)
        try:
            app(order["words"])
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass(frozen=True)
class Said:
    """What a command ended with, and what it wrote to both streams."""

    code: int
    text: str


class Shell:
    """One process from which commands are forked, one after the other."""

    def __init__(self, home: Path, output: Path) -> None:
        """`home` is the suite's folder; `output` takes what a command writes."""
        self._home = home
        self._output = output

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GANTRY_HOME": str(self._home), "COLUMNS": "200"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def run(self, words: list[str], folder: Path) -> Said:
        """Run a command in a folder."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"words": words, "folder": str(folder), "output": str(self._output)}
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return Said(code, self._output.read_text(errors="replace"))
