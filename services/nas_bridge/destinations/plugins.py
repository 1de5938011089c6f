"""Find the adapters of destinations among the installed packages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import metadata
from typing import Final, cast

from chassis.errors import StartupFailure
from chassis.settings import TlsSettings
from services.nas_bridge.destination import Destination, DestinationAdapter
from services.nas_bridge.settings import DestinationSettings

GROUP: Final = "gantry.destinations"


@asynccontextmanager
async def open_destinations(
    settings: Sequence[DestinationSettings], tls: TlsSettings
) -> AsyncIterator[Mapping[str, Destination]]:
    """Every destination, by name. Raises StartupFailure for an unknown adapter or bad options."""
    async with AsyncExitStack() as opened:
        found: dict[str, Destination] = {}
        for each in settings:
            adapter = find_adapter(each.adapter)
            found[each.name] = await opened.enter_async_context(adapter.open(each, identity_for(each, tls)))
        yield found


def find_adapter(name: str) -> DestinationAdapter:
    """The adapter that an installed package offers under `name`. Raises StartupFailure."""
    offered = {point.value: point for point in metadata.entry_points(group=GROUP, name=name)}
    if len(offered) != 1:
        known = ", ".join(sorted(metadata.entry_points(group=GROUP).names)) or "none"
        trouble = "is offered by several packages" if offered else "is not installed"
        raise StartupFailure(
            f"GANTRY_BRIDGE__DESTINATIONS names the adapter {name!r}, which {trouble}; known: {known}."
        )
    (point,) = offered.values()
    try:
        return cast("DestinationAdapter", point.load())
    except (ImportError, AttributeError) as error:
        raise StartupFailure(f"The adapter {name!r} ({point.value}) cannot be loaded: {error}.") from error


def identity_for(settings: DestinationSettings, tls: TlsSettings) -> TlsSettings:
    """The certificate, key and authority to use towards a destination: its own, else the bridge's."""
    own = {
        part: path
        for part in ("certificate", "key", "authority")
        if (path := getattr(settings, part)) is not None
    }
    return tls.model_copy(update=own)
