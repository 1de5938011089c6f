"""Reads the names in a certificate. Importing `cryptography` would take longer than a whole search."""

import base64
import re
from collections.abc import Iterator
from typing import Final

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s(.+?)-----END CERTIFICATE-----", re.DOTALL)
_ALTERNATIVE_NAMES: Final = bytes.fromhex("551d11")  # 2.5.29.17
_SEQUENCE, _OBJECT, _OCTETS, _EXTENSIONS, _URI = 0x30, 0x06, 0x04, 0xA3, 0x86
_LONG: Final = 0x80


def uris_in(pem: bytes) -> list[str]:
    """The URIs among the alternative names of the first certificate. ValueError when there is none.

    It does not verify anything: the services do.
    """
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no certificate")
    (certificate,) = _parts(base64.b64decode(found[1]), _SEQUENCE)
    signed = next(_parts(certificate, _SEQUENCE))
    for extensions in _parts(signed, _EXTENSIONS):
        for extension in _parts(next(_parts(extensions, _SEQUENCE)), _SEQUENCE):
            if next(_parts(extension, _OBJECT)) == _ALTERNATIVE_NAMES:
                names = next(_parts(next(_parts(extension, _OCTETS)), _SEQUENCE))
                return [uri.decode() for uri in _parts(names, _URI)]
    raise ValueError("the certificate has no alternative names")


def _parts(content: bytes, wanted: int) -> Iterator[bytes]:
    """The contents of the parts with this tag: a part is a tag, a length and that many bytes (DER)."""
    place = 0
    while place < len(content):
        tag, length, place = content[place], *_length(content, place + 1)
        if place + length > len(content):
            raise ValueError("the certificate is cut short")
        if tag == wanted:
            yield content[place : place + length]
        place += length


def _length(content: bytes, place: int) -> tuple[int, int]:
    """(length, offset of the contents)."""
    first, place = int.from_bytes(content[place : place + 1]), place + 1
    if first < _LONG:
        return first, place
    size = first - _LONG
    return int.from_bytes(content[place : place + size]), place + size
