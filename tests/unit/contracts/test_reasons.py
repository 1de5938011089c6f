"""The manual names every reason that a caller can be given, and none that does not exist.

Reasons are compared a service at a time, not an RPC at a time: which RPC a fault comes out of cannot be told
from the code without running all of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from chassis import errors

ROOT = Path(__file__).parents[3]
KINDS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Fault)
}
# A fault that no caller sees: it says why a service is not ready, or ends a tail inside it.
UNSEEN = {"LOG_CLOSED", "REGISTRY_NOT_READ", "LOG_SILENT", "TAIL_ENDED"}
# Capitals in the manual that are no reasons of ours.
OTHERS = {status.name for status in grpc.StatusCode} | {"BATCH_INVALID", "VRM_NOT_READ"}
CONTRACTS = {
    "services/ingest": "ingest",
    "services/store": "store",
    "services/match": "match",
    "services/nas_bridge": "bridge",
    "chassis": "common",
    "clients": "common",
    "policy": "common",
    "following": "common",
}


def raised_in(folder: Path) -> Iterator[str]:
    """The reasons that are written out where a fault is made."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                texts = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
                yield from (text for text in texts if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", str(text)))


def told_in(area: str) -> set[str]:
    """The words in capitals in an area's comments."""
    words: set[str] = set()
    for path in (ROOT / "protos/gantry" / area).rglob("*.proto"):
        comments = re.findall(r"//(.*)", path.read_text(encoding="utf-8"))
        words.update(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", "\n".join(comments)))
    return words


@pytest.mark.parametrize(("room", "area"), CONTRACTS.items())
def test_every_reason_is_in_the_manual(room: str, area: str) -> None:
    raised = set(raised_in(ROOT / room))
    assert raised, "nothing was found: the test looks in the wrong place"
    assert raised - UNSEEN - told_in(area) - told_in("common") == set()


def test_every_reason_in_the_manual_exists() -> None:
    raised = {reason for room in CONTRACTS for reason in raised_in(ROOT / room)}
    told = {word for area in CONTRACTS.values() for word in told_in(area)}
    assert told - raised - OTHERS == set()
    assert raised >= UNSEEN
