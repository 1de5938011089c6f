"""The guide for vendors explains every verdict on a read. The settings that it gives are those of the SDK."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gantry.ingest.v1.ingest_pb2 import RejectionReason, WarningReason
from gantry_sdk.connection import _options

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/vendors.md").read_text(encoding="utf-8")
CONTRACT = (ROOT / "protos/gantry/ingest/v1/ingest.proto").read_text(encoding="utf-8")
REASONS = [
    name.removeprefix(prefix)
    for names, prefix in (
        (RejectionReason.keys(), "REJECTION_REASON_"),
        (WarningReason.keys(), "WARNING_REASON_"),
    )
    for name in names
    if not name.endswith("UNSPECIFIED")
]


@pytest.mark.parametrize("reason", REASONS)
def test_every_verdict_on_a_read_is_explained(reason: str) -> None:
    assert re.search(rf"^\| `{reason}` \|", GUIDE, re.MULTILINE), "give it a row of its table"


def test_every_error_of_the_contract_is_explained() -> None:
    header = CONTRACT.partition("package gantry")[0].partition("# Errors")[2]
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", header))
    assert "TOKEN_UNKNOWN" in named
    missing = {name for name in named if f"`{name}`" not in GUIDE}
    assert missing == set()


def test_keep_alive_of_the_guide_is_that_of_the_sdk() -> None:
    options = dict(_options(None))
    assert "| ping after | 10 s" in GUIDE
    assert "| wait for the answer | 5 s" in GUIDE
    assert options["grpc.keepalive_time_ms"] == 10_000
    assert options["grpc.keepalive_timeout_ms"] == options["grpc.http2.ping_timeout_ms"] == 5_000
