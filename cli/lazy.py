"""Verbs whose modules are imported when they are called, so that the command starts at once."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


def loaded(place: str) -> Any:
    """What stands at ``module:name``; the module is imported now."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


class LazyVerb(TyperCommand):
    """A verb of which a list of verbs needs no more than its name and its help."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        """`place` is ``module:function``; `summary` is the first sentence of the function's docstring."""
        super().__init__(name, help=summary)
        self.place = place

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Parse the verb's words: the first moment at which its options have to be known."""
        return self._verb().make_context(info_name, args, parent, **extra)

    def _verb(self) -> Any:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name)(loaded(self.place))
        return typer.main.get_command(app)


def group(name: str, summary: str, *verbs: LazyVerb | TyperGroup) -> TyperGroup:
    """Verbs about one thing."""
    return TyperGroup(name=name, commands=verbs, help=summary, no_args_is_help=True, rich_markup_mode=None)
