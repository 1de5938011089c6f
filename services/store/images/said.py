"""What an object store said when it failed: its code and status, nothing that could be a secret or a key."""

from __future__ import annotations

import os
import re
from typing import Final

# The library has no codes; its text quotes the answer.
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_OS_ERROR: Final = re.compile(r"os error (\d{1,4})")
_KIND: Final = re.compile(r"kind: (Connect|Timeout)\b")
_KINDS: Final = {"Connect": "cannot be reached", "Timeout": "does not answer in time"}


def said_by(error: BaseException) -> str:
    """As a predicate: ``answered HTTP 404, NoSuchBucket``."""
    text = str(error)
    if status := _STATUS.search(text):
        code = _CODE.search(text)
        return f"answered HTTP {status[1]}" + (f", {code[1]}" if code else "")
    number = getattr(error, "errno", None) or ((found := _OS_ERROR.search(text)) and int(found[1]))
    if number:
        return f"cannot be used: {os.strerror(number)}"
    if isinstance(error, TimeoutError):
        return _KINDS["Timeout"]
    kind = _KIND.search(text)
    return _KINDS[kind[1]] if kind else "does not answer"


def is_final(error: BaseException) -> bool:
    """Whether a repeat would fail in the same way until a person changes something."""
    text = str(error)
    if status := _STATUS.search(text):
        return status[1].startswith(("3", "4")) and status[1] not in {"408", "429"}
    return bool(_OS_ERROR.search(text))
