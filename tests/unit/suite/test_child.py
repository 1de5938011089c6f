"""How a process ended is told in words."""

import signal

import pytest

from suite.child import told_end


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-signal.SIGKILL, "was ended by SIGKILL"),
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-500, "was ended by signal 500"),
    ],
)
def test_an_end_in_words(code: int, told: str) -> None:
    assert told_end(code) == told
