"""How overlays are built, and that no file of the base is forgotten."""

import shutil
from pathlib import Path

import pytest
import yaml

from deploy.validate.build import BASE, BuildError, built
from deploy.validate.derive_schemas import SCHEMAS, SOURCES, derived_from, structure


def test_the_base_lists_every_file() -> None:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted(
        each.name for each in BASE.glob("*.yaml") if each.name != "kustomization.yaml"
    )


def test_without_a_builder_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    with pytest.raises(BuildError, match="neither kustomize nor kubectl is installed; install one of them"):
        built("lab")


def test_an_unknown_overlay_is_refused() -> None:
    with pytest.raises(BuildError, match=r"there is no folder .*/overlays/labb"):
        built("labb")


def test_an_overlay_that_cannot_be_built_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "kustomize"
    program.write_text("#!/bin/sh\necho 'Error: no such file: stroe.yaml' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(BuildError, match=r"kustomize cannot build it: Error: no such file: stroe\.yaml"):
        built("lab")


def test_every_source_has_its_derived_files() -> None:
    kinds = {kind.rpartition("_")[0] for source in SOURCES for kind in source.kinds}
    assert {each.name.partition(".")[2].removesuffix(".json") for each in SCHEMAS.glob("*.json")} == kinds
    assert len(list(SCHEMAS.glob("*.json"))) == sum(len(source.kinds) for source in SOURCES)


def test_a_derived_schema_keeps_structure_and_refuses_unknown_fields() -> None:
    given = {
        "type": "object",
        "description": "Words.",
        "required": ["size"],
        "properties": {
            "size": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "labels": {"type": "object", "additionalProperties": {"type": "string", "description": "Words."}},
            "free": {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "x-kubernetes-preserve-unknown-fields": True,
            },
            "maybe": {"type": "string", "nullable": True},
        },
    }
    assert structure(given) == {
        "type": "object",
        "required": ["size"],
        "additionalProperties": False,
        "properties": {
            "size": {"type": ["integer", "string"]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "properties": {"a": {"type": "string"}}},
            "maybe": {"type": ["string", "null"]},
        },
    }


def test_a_derived_file_names_module_version_and_stored_version() -> None:
    spec = {"openAPIV3Schema": {"properties": {"spec": {"type": "object"}}}}
    crd = {
        "spec": {
            "group": "example.org",
            "names": {"kind": "Thing"},
            "versions": [
                {"name": "v1beta1", "storage": False, "schema": spec},
                {"name": "v1", "storage": True, "schema": spec},
            ],
        }
    }
    assert dict(derived_from(crd, SOURCES[0])) == {
        "thing.example.org.json": {
            "module": SOURCES[0].module,
            "version": SOURCES[0].version,
            "apiVersion": "example.org/v1",
            "kind": "Thing",
            "spec": {"type": "object"},
        }
    }
