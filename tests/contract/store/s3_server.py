"""A real S3 server on the loopback for a test: moto's, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

import pytest

BUCKET: Final = "gantry-images"
_RUNNING: Final = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


class S3Server:
    """A running server with one bucket."""

    def __init__(self, process: subprocess.Popen[str], endpoint: str) -> None:
        self._process = process
        self.endpoint = endpoint
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def make_bucket(self) -> None:
        request = urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def s3_server(*, checks_keys: bool = False) -> Iterator[S3Server]:
    """A server with an empty bucket, or one that refuses every key. Skips where moto is not installed."""
    if find_spec("moto") is None or find_spec("flask") is None:
        pytest.skip("moto and flask are not installed, so there is no S3 server to test against")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    environment = {**os.environ, **({"INITIAL_NO_AUTH_ACTION_COUNT": "0"} if checks_keys else {})}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            server = S3Server(process, _endpoint(process))
            if not checks_keys:
                server.make_bucket()
            yield server
        finally:
            process.kill()


def _endpoint(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := _RUNNING.search(line):
            return found.group(1)
    raise AssertionError("the S3 server ended before it listened")
