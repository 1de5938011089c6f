"""The canary's process beside a stand-in of the services that it calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from suite.certificates import Authority
from tests.contract.canary.nest import Nest, nesting


@pytest.fixture
async def nest(tmp_path: Path, pki: Authority) -> AsyncIterator[Nest]:
    async with nesting(tmp_path, pki) as made:
        yield made
