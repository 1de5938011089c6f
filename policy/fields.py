"""Fields of messages by their paths, as the contracts' access rules name them: "force", "header.force"."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from anpr.force import is_force
from anpr.plate import understand
from chassis.errors import InvalidInput

MOST_FORCES: Final = 100
LONGEST_SUBJECT: Final = 500

_MOST_LISTED: Final = 10
_ELLIPSIS: Final = "..."

Chain: TypeAlias = tuple[FieldDescriptor, ...]
"""The fields that a path leads through, from the request on."""


def chain_of(message: Descriptor, path: str) -> Chain:
    """The fields of a path. Raises ValueError for a path that the message does not have."""
    chain: list[FieldDescriptor] = []
    inside: Descriptor | None = message
    for name in path.split("."):
        field = None if inside is None else inside.fields_by_name.get(name)
        if field is None:
            raise ValueError(f"{message.full_name} has no field {path}")
        chain.append(field)
        inside = field.message_type
    return tuple(chain)


def values(message: Any, chain: Chain) -> Iterator[Any]:
    """The values at the end of a chain: one, or one for each element of a repeated field on the way.

    Nothing for a field of a oneof that is not set, and for one inside a message that is not set.
    """
    field, *rest = chain
    if field.is_repeated:
        found: Sequence[Any] = getattr(message, field.name)
    elif field.has_presence and not message.HasField(field.name):
        found = ()
    else:
        found = (getattr(message, field.name),)
    for value in found:
        yield from values(value, tuple(rest)) if rest else (value,)


def force_codes(message: Descriptor, path: str) -> Callable[[Any], Sequence[str]]:
    """A function that finds the forces in a request, and raises InvalidInput FORCE_INVALID."""
    chain = chain_of(message, path)
    several = any(field.is_repeated for field in chain)
    wanted = (
        f"name 1 to {MOST_FORCES} forces" if several else f"name the force in {path} of the first message"
    )

    def find(request: Any) -> Sequence[str]:
        codes = [*values(request, chain)]
        if not codes or len(codes) > MOST_FORCES:
            raise InvalidInput("FORCE_INVALID", wanted, field=path)
        if not all(map(is_force, codes)):
            raise InvalidInput(
                "FORCE_INVALID",
                "a force's code is 1 to 32 of a-z, 0-9 and dash, and begins with a letter",
                field=path,
            )
        return codes

    return find


def subject_of(message: Descriptor, paths: Sequence[str]) -> Callable[[Any], str]:
    """A function that writes a request's fields as the subject of an audit record: "vrm AB12CDE, kind 2"."""
    chains = [chain_of(message, path) for path in paths]

    def write(request: Any) -> str:
        parts = [_part(chain[-1], [*values(request, chain)]) for chain in chains]
        return _shortened(_printable(", ".join(part for part in parts if part)))

    return write


def _part(field: FieldDescriptor, found: Sequence[Message | str | float]) -> str:
    texts = [text for text in (_text(field, value) for value in found[:_MOST_LISTED]) if text]
    if not texts:
        return ""
    more = len(found) - _MOST_LISTED
    return " ".join([field.name, *texts, *([f"and {more} more"] if more > 0 else [])])


def _text(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return str(value) if named is None else named.name
    if isinstance(value, bool):
        return "true" if value else "false"
    return _normalised(value) if field.name == "vrm" else str(value)


def _normalised(text: str) -> str:
    try:
        return understand(text, frozenset()).vrm
    except ValueError:
        return text


def _printable(text: str) -> str:
    return "".join(letter for letter in text if unicodedata.category(letter) not in {"Cc", "Zl", "Zp"})


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_SUBJECT:
        return text
    return text[: LONGEST_SUBJECT - len(_ELLIPSIS)] + _ELLIPSIS
