"""`gantry certificate` issues what services ask for, and the same again when it is asked again."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from cli.certified import uris_in
from cli.exits import Exit
from cli.home import SuiteHome
from cli.main import app

runner = CliRunner()


def issued(home: Path, *words: str) -> dict[str, Path]:
    """The paths that the verb prints."""
    done = runner.invoke(app, ["certificate", *words, "--home", str(home)])
    assert done.exit_code == Exit.OK, done.stderr
    pairs = [line.split(": ") for line in done.stdout.splitlines()]
    assert [name for name, _ in pairs] == ["certificate", "key", "authority"]
    return {name: Path(path) for name, path in pairs}


def test_a_service_gets_the_names_by_which_it_is_called(tmp_path: Path) -> None:
    files = issued(tmp_path, "service", "nas_bridge", "--dns", "nas-bridge.gantry.svc", "--ip", "192.0.2.7")
    pem = files["certificate"].read_bytes()
    assert uris_in(pem) == ["gantry://service/nas_bridge"]
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == [
        "localhost",
        "nas-bridge",
        "nas-bridge.gantry.svc",
    ]
    assert "192.0.2.7" in map(str, names.value.get_values_for_type(x509.IPAddress))
    assert files["key"].stat().st_mode & 0o777 == 0o600
    assert files["authority"] == tmp_path / "pki" / "ca.pem"


def test_asking_again_changes_nothing_and_other_names_issue_another(tmp_path: Path) -> None:
    first = issued(tmp_path, "service", "store")["certificate"].read_bytes()
    assert issued(tmp_path, "service", "store")["certificate"].read_bytes() == first
    files = issued(tmp_path, "service", "store", "--dns", "store.gantry.svc")
    assert files["certificate"].read_bytes() != first


def test_a_person_is_found_by_the_other_verbs(tmp_path: Path) -> None:
    issued(tmp_path, "person", "ana", "--force", "kent", "--force", "essex")
    assert SuiteHome(tmp_path).person("ana").forces == ("essex", "kent")


def test_the_paths_are_json_on_request(tmp_path: Path) -> None:
    done = runner.invoke(app, ["certificate", "service", "match", "--home", str(tmp_path), "--json"])
    assert json.loads(done.stdout).keys() == {"certificate", "key", "authority"}


def test_a_name_that_no_rule_knows_is_remarked(tmp_path: Path) -> None:
    done = runner.invoke(app, ["certificate", "service", "database", "--home", str(tmp_path)])
    assert done.exit_code == Exit.OK
    assert "database is none of Gantry's services" in done.stderr
    done = runner.invoke(app, ["certificate", "service", "canary", "--home", str(tmp_path)])
    assert done.exit_code == Exit.OK
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["service", "nas-bridge"], "the service is called nas_bridge"),
        (["service", "store", "--dns", "a b"], "--dns a b: give the name of a host"),
        (["service", "store", "--ip", "store"], "--ip store: give an IP address"),
        (["person", "ana", "--force", "Kent!"], "is not a force code"),
        (["person", "../ana", "--force", "kent"], "cannot name a certificate"),
        (["person", "ana"], "--force"),
    ],
)
def test_what_cannot_be_issued_is_a_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    done = runner.invoke(app, ["certificate", *words, "--home", str(tmp_path)])
    assert done.exit_code in {Exit.USAGE, Exit.FAILED}
    assert said in done.stderr
    assert not list(tmp_path.glob("pki/*/*.pem"))
