"""Defers the import of modules that the command's libraries name but do not use."""

import importlib.util
import sys
from typing import Final

# Protobuf in pure Python: imported always, and used only where the compiled one is missing.
_UNUSED: Final = "google.protobuf.internal.python_message"


def defer_unused() -> None:
    """Let the unused module be imported with its first use. It costs some 40 ms of processor time."""
    package, _, name = _UNUSED.rpartition(".")
    if _UNUSED in sys.modules or (spec := importlib.util.find_spec(_UNUSED)) is None or spec.loader is None:
        return
    spec.loader = loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[_UNUSED] = module
    loader.exec_module(module)
    setattr(sys.modules[package], name, module)
