"""The command line that both national simulators understand."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from simulators.recording import OTLP_ENDPOINT


@dataclass(frozen=True)
class Address:
    """HOST:PORT; port 0 asks for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Options:
    """The folder and addresses of the simulator, and the PEM files of its certificate."""

    state: Path
    listen: Address
    control_listen: Address
    certificate: Path
    key: Path
    authority: Path
    port_file: Path | None = None
    spans_file: Path | None = None
    otlp_endpoint: str | None = None


def read_options(program: str, description: str, arguments: list[str] | None = None) -> Options:
    """Parse the command line; exits with code 2 and a sentence when it is wrong."""
    parser = argparse.ArgumentParser(program, description=description)
    parser.add_argument(
        "--state", type=Path, required=True, help="folder for what was accepted; made if absent"
    )
    parser.add_argument(
        "--listen", type=_address, default=Address("127.0.0.1", 0), help="HOST:PORT for reads"
    )
    parser.add_argument(
        "--control-listen",
        type=_address,
        default=Address("127.0.0.1", 0),
        help="HOST:PORT of the control surface",
    )
    parser.add_argument("--certificate", type=Path, required=True, help="PEM file with the certificate")
    parser.add_argument("--key", type=Path, required=True, help="PEM file with its key")
    parser.add_argument(
        "--authority", type=Path, required=True, help="PEM file; clients must be certified by it"
    )
    parser.add_argument("--port-file", type=Path, help="file to write the ports to, as JSON, when listening")
    parser.add_argument("--spans-file", type=Path, help="file to write spans to, one JSON object a line")
    parser.add_argument(
        "--otlp-endpoint", default=OTLP_ENDPOINT, help="collector for spans, as http://HOST:PORT (gRPC)"
    )
    return Options(**vars(parser.parse_args(arguments)))


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} should be HOST:PORT")
    return Address(host, int(port))
