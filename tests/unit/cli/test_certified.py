"""The names in a certificate, read without a library for certificates."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from cli.certified import uris_in
from suite.certificates import Authority


@pytest.mark.parametrize("forces", [(), ("essex",), tuple(f"force-{number}" for number in range(60))])
def test_the_uris_are_those_that_a_library_finds(tmp_path: Path, forces: tuple[str, ...]) -> None:
    pem = Authority(tmp_path).issue_person("ana", forces).certificate.read_bytes()
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert uris_in(pem) == names.value.get_values_for_type(x509.UniformResourceIdentifier)
    assert len(uris_in(pem)) >= len(forces)


def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    whole = Authority(tmp_path).issue_person("ana", ("essex",)).certificate.read_bytes()
    lines = whole.splitlines(keepends=True)
    short = b"".join((*lines[:4], lines[-1]))
    for pem in (b"", b"-----BEGIN CERTIFICATE-----\n", short, lines[0] + b"MAA=\n" + lines[-1]):
        with pytest.raises((ValueError, StopIteration)):
            uris_in(pem)


@pytest.mark.parametrize(
    "heavy", ["rich", "pydantic", "cryptography", "asyncpg", "numpy", "aiohttp", "uvloop"]
)
def test_a_verb_that_asks_a_service_imports_nothing_heavy(heavy: str) -> None:
    code = f"import sys, cli.main, cli.commands.search; sys.exit({heavy!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
