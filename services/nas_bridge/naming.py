"""Which name a destination's certificate has to carry."""

from __future__ import annotations

from ipaddress import ip_address


def certified_name(host: str) -> str:
    """The host itself, or "localhost" for an IP address, as the suite's own certificates have it."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host
    return "localhost"
