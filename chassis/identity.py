"""The caller's identity, from the subject alternative names of the client certificate.

A certificate names exactly one ``gantry://service/NAME`` or ``gantry://person/NAME``, and any number of
``gantry://force/CODE`` that a person may work for.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import grpc

# Only URI names count: gRPC's joint property would let a DNS name spell out a gantry:// identity.
_URI_PROPERTY: Final = "peer_uri"
_CERTIFICATE_PROPERTY: Final = "x509_pem_cert"
_SCHEME: Final = "gantry://"


@dataclass(frozen=True)
class Caller:
    """The authenticated far side of a call.

    A feed has shown its token, a caller of kind "none" nothing, and the others a certificate.
    """

    kind: Literal["service", "person", "feed", "none"]
    name: str
    forces: frozenset[str]

    def may_work_for(self, force: str) -> bool:
        """Whether the caller may work for this force: services for all forces, others for their own."""
        return self.kind == "service" or force in self.forces


NOBODY: Final = Caller("none", "", frozenset())

Call = grpc.aio.ServicerContext[Any, Any]

_admitted: ContextVar[tuple[Call, Caller] | None] = ContextVar("admitted", default=None)


def caller_of(context: Call) -> Caller:
    """The caller of the call: as the guard admitted it, or else as its certificate proves."""
    admitted = _admitted.get()
    if admitted is not None and admitted[0] is context:
        return admitted[1]
    return certified_caller(context)


def certified_caller(context: Call) -> Caller:
    """The caller that the TLS handshake of this call proved."""
    return caller_from_uris(tuple(context.auth_context().get(_URI_PROPERTY, ())))


def shows_certificate(context: Call) -> bool:
    """Whether the caller has shown a certificate, whatever it names."""
    return bool(context.auth_context().get(_CERTIFICATE_PROPERTY))


def remember(context: Call, caller: Caller) -> None:
    """Let `caller_of` find this caller for the rest of the call."""
    _admitted.set((context, caller))


@lru_cache(maxsize=4096)
def caller_from_uris(uris: tuple[bytes, ...]) -> Caller:
    """Read an identity from a certificate's URI names; NOBODY when they do not name exactly one."""
    names: list[tuple[Literal["service", "person"], str]] = []
    for kind, name in _gantry_names(uris):
        if kind == "service":
            names.append(("service", name))
        elif kind == "person":
            names.append(("person", name))
    if len(names) != 1:
        return NOBODY
    forces = frozenset(name for kind, name in _gantry_names(uris) if kind == "force")
    return Caller(names[0][0], names[0][1], forces)


def _gantry_names(uris: Iterable[bytes]) -> list[tuple[str, str]]:
    texts = [uri.decode("utf-8", "replace") for uri in uris]
    parts = [text.removeprefix(_SCHEME).partition("/") for text in texts if text.startswith(_SCHEME)]
    return [(kind, name) for kind, _, name in parts if name]
