"""YAML of rules: plain maps, lists and strings, in a form that people read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|\d+[smhd]")
# YAML reads these as truth values or as nothing.
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def yaml_of(value: Mapping[str, Any], about: str) -> str:
    """A document that begins with a remark."""
    remark = "".join(f"# {line}\n" for line in about.splitlines())
    return remark + "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _headed(f"{key}:", inner)
    elif isinstance(value, list):
        for inner in value:
            first, *others = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
    else:
        yield _scalar(value)


def _headed(head: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{head} |-"
        yield from (f"  {line}" for line in value.split("\n"))
    elif isinstance(value, (Mapping, list)) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: str | int | bool | Sequence[Any] | Mapping[str, Any]) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, str) and '"' in value and "'" not in value:
        return f"'{value}'"
    # A string of JSON is one of YAML, too.
    return json.dumps(value, ensure_ascii=False)
