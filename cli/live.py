"""Panels, bars and tables that rich draws. Their text is made harmless for a terminal, too."""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from cli.inert import inert
from cli.writing import unwritten

_PIPE_WIDTH: Final = 400
_LINE_END: Final = "\n"


class LiveConsole(Console):
    """A console of rich without markup, through which no text reaches a terminal raw."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(
            stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True
        )

    def on_broken_pipe(self) -> None:
        """The reader of our pipe has ended (`| head`): for rich a failure, for every other verb none."""
        raise BrokenPipeError

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What rich draws, with every text harmless. rich's own control codes are segments of their own."""
        for segment in super().render(renderable, options):
            yield (
                segment if segment.control else segment._replace(text=self._writable(_harmless(segment.text)))
            )

    def _writable(self, text: str) -> str:
        """The text with a question mark for what the encoding of the terminal does not have."""
        return text if text.isascii() else text.encode(self.encoding, "replace").decode(self.encoding)


def live_console(*, stderr: bool = False) -> LiveConsole:
    """For what is redrawn: results go to standard output, progress to standard error."""
    return LiveConsole(stderr=stderr)


def show(renderable: Any) -> None:
    """Print what rich draws; in a pipe it is as wide as its longest row."""
    target = live_console()
    try:
        if target.is_terminal:
            target.print(renderable, soft_wrap=False)
        else:
            LiveConsole(width=_PIPE_WIDTH).print(renderable)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error


def _harmless(text: str) -> str:
    if text.isprintable():
        return text
    return _LINE_END.join(inert(line) for line in text.split(_LINE_END))
