"""Derive schemas/*.json from the CRDs in the Go modules of their projects.

``python -m deploy.validate.derive_schemas`` needs `go` and its module proxy. A derived file holds the
structure of one kind (types, required fields, enumerations, limits) without descriptions. It names its module
and version.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SCHEMAS: Final = Path(__file__).parent / "schemas"
_KEPT: Final = frozenset(
    (
        "type", "required", "enum", "pattern",
        "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A module with its version, the folder of its CRDs, and the kinds that overlays use, by file."""

    module: str
    version: str
    folder: str
    kinds: tuple[str, ...]


SOURCES: Final = (
    Source(
        "github.com/cloudnative-pg/cloudnative-pg",
        "v1.28.0",
        "config/crd/bases",
        ("postgresql.cnpg.io_clusters", "postgresql.cnpg.io_scheduledbackups"),
    ),
    Source(
        "github.com/cloudnative-pg/plugin-barman-cloud",
        "v0.15.0",
        "config/crd/bases",
        ("barmancloud.cnpg.io_objectstores",),
    ),
    Source(
        "github.com/cert-manager/cert-manager",
        "v1.21.2",
        "deploy/crds",
        ("cert-manager.io_certificates", "cert-manager.io_issuers"),
    ),
    Source(
        "github.com/external-secrets/external-secrets",
        "v1.3.2",
        "config/crds/bases",
        ("external-secrets.io_externalsecrets",),
    ),
    Source(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "example/prometheus-operator-crd",
        ("monitoring.coreos.com_podmonitors", "monitoring.coreos.com_prometheusrules"),
    ),
    Source(
        "sigs.k8s.io/gateway-api",
        "v1.6.3",
        "config/crd/standard",
        ("gateway.networking.k8s.io_gateways", "gateway.networking.k8s.io_tlsroutes"),
    ),
)


def main() -> int:
    """Write all files anew."""
    SCHEMAS.mkdir(exist_ok=True)
    for source in SOURCES:
        folder = downloaded(source) / source.folder
        for kind in source.kinds:
            crd = yaml.safe_load((folder / f"{kind}.yaml").read_text(encoding="utf-8"))
            for name, derived in derived_from(crd, source):
                (SCHEMAS / name).write_text(
                    json.dumps(derived, separators=(",", ":")) + "\n", encoding="utf-8"
                )
                sys.stdout.write(f"{name}\n")
    return 0


def downloaded(source: Source) -> Path:
    """The folder of the module in Go's cache. Raises SystemExit with a sentence."""
    go = shutil.which("go")
    if go is None:
        sys.exit(
            "`go` is not installed, and the CRDs are in Go modules; install it, or keep the derived files."
        )
    told = subprocess.run(  # noqa: S603 - the arguments are those above
        [go, "mod", "download", "-json", f"{source.module}@{source.version}"],
        cwd="/",
        capture_output=True,
        check=False,
        text=True,
    )
    answer = json.loads(told.stdout or "{}")
    if "Dir" not in answer:
        sys.exit(
            f"{source.module}@{source.version} cannot be had: {answer.get('Error') or told.stderr.strip()}"
        )
    return Path(answer["Dir"])


def derived_from(crd: Mapping[str, Any], source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """The file's name and content for the stored version of a CRD."""
    spec = crd["spec"]
    for version in spec["versions"]:
        if version["storage"]:
            kind, api = spec["names"]["kind"], f"{spec['group']}/{version['name']}"
            fields = version["schema"]["openAPIV3Schema"]
            yield (
                f"{kind.lower()}.{spec['group']}.json",
                {
                    "module": source.module,
                    "version": source.version,
                    "apiVersion": api,
                    "kind": kind,
                    "spec": structure(fields["properties"]["spec"]),
                },
            )


def structure(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A CRD's schema as a JSON schema that refuses unknown fields.

    `anyOf` and its like are left out: in CRDs they refine what `properties` already says.
    """
    kept: dict[str, Any] = {key: schema[key] for key in _KEPT & schema.keys()}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in schema:
        kept["properties"] = {name: structure(each) for name, each in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = structure(schema["items"])
    rest = schema.get("additionalProperties")
    if isinstance(rest, Mapping):
        kept["additionalProperties"] = structure(rest)
    elif "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept["additionalProperties"] = False
    if schema.get("nullable") and isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
    return dict(sorted(kept.items()))


if __name__ == "__main__":
    sys.exit(main())
