"""The code of a force: the tenant and data controller that every read belongs to."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")


def is_force(code: str) -> bool:
    """Whether `code` is a force code: 1 to 32 of a-z, 0-9 and dash, starting with a letter."""
    return _CODE.fullmatch(code) is not None
