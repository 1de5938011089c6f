"""The check of purposes: a reviewer must be able to judge why a person looked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

from gantry.common.v1.purpose_pb2 import Purpose
from google.protobuf.descriptor import Descriptor

from chassis.errors import InvalidInput
from policy.fields import chain_of, values

SHORTEST_JUSTIFICATION: Final = 3
LONGEST_JUSTIFICATION: Final = 500
LONGEST_REFERENCE: Final = 100
LONGEST_APPROVAL_ID: Final = 64

_CODE: Final = re.compile(r"[a-z0-9-]{0,40}")


def require_purpose(purpose: Purpose, path: str = "purpose") -> None:
    """Raise InvalidInput PURPOSE_REQUIRED, with the field at fault, unless the purpose is usable."""
    justification = purpose.justification
    if len(justification.strip()) < SHORTEST_JUSTIFICATION or len(justification) > LONGEST_JUSTIFICATION:
        raise _required(
            f"give a justification of {SHORTEST_JUSTIFICATION} to {LONGEST_JUSTIFICATION} characters",
            f"{path}.justification",
        )
    if _CODE.fullmatch(purpose.code) is None:
        raise _required("a code is at most 40 of a-z, 0-9 and dash", f"{path}.code")
    for name, longest in (("reference", LONGEST_REFERENCE), ("approval_id", LONGEST_APPROVAL_ID)):
        if len(getattr(purpose, name)) > longest:
            raise _required(f"{name} has at most {longest} characters", f"{path}.{name}")
    for name in ("justification", "reference", "approval_id"):
        if any(unicodedata.category(letter) == "Cc" for letter in getattr(purpose, name)):
            raise _required(f"{name} is text without control characters", f"{path}.{name}")


def purpose_at(message: Descriptor, path: str) -> Callable[[Any], Purpose]:
    """A function that finds the purpose in a request, and raises InvalidInput PURPOSE_REQUIRED."""
    chain = chain_of(message, path)

    def find(request: Any) -> Purpose:
        purpose: Purpose = next(values(request, chain), _NONE)
        require_purpose(purpose, path)
        return purpose

    return find


def _required(message: str, field: str) -> InvalidInput:
    return InvalidInput("PURPOSE_REQUIRED", message, field=field)


_NONE: Final = Purpose()
