"""gRPC's own lines on standard error: the command shows none, and its processes choose for themselves."""

import os
from typing import Final

_VARIABLE: Final = "GRPC_VERBOSITY"
_HIDDEN: Final = "NONE"


def hide_grpc_lines() -> None:
    """They would stand between the command's own. gRPC reads this when it is imported."""
    os.environ.setdefault(_VARIABLE, _HIDDEN)


def show_grpc_lines_of_processes() -> None:
    """Processes that are started from now on get what a person has set, and not what hides our own."""
    if os.environ.get(_VARIABLE) == _HIDDEN:
        del os.environ[_VARIABLE]
