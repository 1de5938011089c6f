"""Reads the names in a certificate. Importing `cryptography` would take longer than a whole search."""

from typing import Final

from chassis.der import SEQUENCE, parts, signed_parts

_ALTERNATIVE_NAMES: Final = bytes.fromhex("551d11")  # 2.5.29.17
_OBJECT, _OCTETS, _EXTENSIONS, _URI = 0x06, 0x04, 0xA3, 0x86


def uris_in(pem: bytes) -> list[str]:
    """The URIs among the alternative names of the first certificate. ValueError when there is none.

    It does not verify anything: the services do.
    """
    for extensions in parts(signed_parts(pem)[0], _EXTENSIONS):
        for extension in parts(next(parts(extensions, SEQUENCE)), SEQUENCE):
            if next(parts(extension, _OBJECT)) == _ALTERNATIVE_NAMES:
                names = next(parts(next(parts(extension, _OCTETS)), SEQUENCE))
                return [uri.decode() for uri in parts(names, _URI)]
    raise ValueError("the certificate has no alternative names")
