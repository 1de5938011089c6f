"""Checks objects against the schemas of Kubernetes, and those of operators' kinds against schemas/*.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
from jsonschema import Draft202012Validator

from deploy.validate.manifests import Object, Overlay, title

KUBERNETES: Final = "1.34"
"""The oldest version that the manifests are for: `preStop.sleep` and gRPC probes are stable there."""
_SCHEMAS: Final = Path(__file__).parent / "schemas"


def schemas(overlay: Overlay) -> Iterator[str]:
    """Every object has the fields of its kind and no others."""
    for each in overlay.objects:
        group = each["apiVersion"].rpartition("/")[0]
        derived = _derived(f"{each['kind'].lower()}.{group}.json")
        yield from _of_operator(each, derived) if derived else _of_kubernetes(each)


def _of_kubernetes(each: Object) -> Iterator[str]:
    try:
        kubernetes_validate.validate(dict(each), KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        yield f"{title(each)}: {where or 'it'} does not fit Kubernetes {KUBERNETES}: {_short(error.message)}"
    except kubernetes_validate.SchemaNotFoundError:
        yield (
            f"{title(each)}: there is no schema for {each['apiVersion']}; add its module to "
            "deploy/validate/derive_schemas.py and run it"
        )


def _of_operator(each: Object, derived: dict[str, Any]) -> Iterator[str]:
    source = f"{derived['module']} {derived['version']}"
    if each["apiVersion"] != derived["apiVersion"]:
        yield (
            f"{title(each)}: {source} has {derived['apiVersion']}, not {each['apiVersion']}; "
            "correct apiVersion"
        )
        return
    for error in Draft202012Validator(derived["spec"]).iter_errors(each.get("spec", {})):
        where = ".".join(("spec", *(str(part) for part in error.absolute_path)))
        yield f"{title(each)}: {where} does not fit {source}: {_short(error.message)}"


@cache
def _derived(name: str) -> dict[str, Any] | None:
    file = _SCHEMAS / name
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _short(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:300]}..."
