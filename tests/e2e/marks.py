"""Marks of every test that uses the shared suite."""

import pytest

# One suite means one event loop, and under xdist one worker.
SHARED_SUITE = [pytest.mark.xdist_group("e2e"), pytest.mark.asyncio(loop_scope="session")]
