"""Verbs whose modules are imported when the verb is called, so that the command starts at once."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cli.imports import defer_unused


def loaded(place: str) -> Any:
    """The object at ``module:name``. The module is imported now."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


class LazyVerb(TyperCommand):
    """A verb that consists of a name and a line of help until it is called."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        """`place` is ``module:function``; `summary` is the first sentence of the function's docstring."""
        super().__init__(name, help=summary)
        self.place = place

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Parse the verb's words, for which its options are needed: import its module."""
        return self._verb().make_context(info_name, args, parent, **extra)

    def _verb(self) -> Any:
        defer_unused()
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name)(loaded(self.place))
        return typer.main.get_command(app)


def group(name: str, summary: str, *verbs: LazyVerb | TyperGroup) -> TyperGroup:
    """Verbs about one thing."""
    return TyperGroup(name=name, commands=verbs, help=summary, no_args_is_help=True, rich_markup_mode=None)
