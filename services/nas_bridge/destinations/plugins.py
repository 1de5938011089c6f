"""Finds the adapters of destinations among the installed packages."""

from __future__ import annotations

from importlib import metadata
from typing import Final, cast

from services.nas_bridge.destinations.adapter import DestinationAdapter, OptionInvalidError
from services.nas_bridge.destinations.destination import DestinationSettings, destination_invalid

GROUP: Final = "gantry.destinations"


class AdapterUnusableError(Exception):
    """No installed package offers this adapter, or it does not load. The text says what would work."""


def find_adapter(name: str) -> DestinationAdapter:
    """The adapter that an installed package offers under `name`. Raises AdapterUnusableError."""
    offered = {point.value: point for point in metadata.entry_points(group=GROUP, name=name)}
    if len(offered) != 1:
        known = ", ".join(sorted(metadata.entry_points(group=GROUP).names)) or "none"
        problem = "is offered by several packages" if offered else "is not installed"
        raise AdapterUnusableError(f"names an adapter that {problem}; known: {known}")
    (point,) = offered.values()
    try:
        return cast("DestinationAdapter", point.load())
    except (ImportError, AttributeError) as error:
        raise AdapterUnusableError(
            f"names an adapter that cannot be loaded ({type(error).__name__}); repair its package"
        ) from error


def check_adapter(settings: DestinationSettings) -> None:
    """Check adapter and options without connecting. Raises InvalidInput DESTINATION_INVALID."""
    try:
        adapter = find_adapter(settings.adapter)
    except AdapterUnusableError as error:
        raise destination_invalid("adapter", str(error)) from error
    try:
        adapter.check(settings.options)
    except OptionInvalidError as error:
        raise destination_invalid(f"options.{error.option}", str(error)) from error
