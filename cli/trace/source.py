"""Where the spans of a trace come from: the files of a suite on this machine, or a tool that keeps traces."""

from dataclasses import dataclass
from pathlib import Path

from cli.exits import CliError, Exit
from cli.trace.spans import Span, has_spans, read_spans


@dataclass(frozen=True)
class Source:
    """A folder with the files of `chassis.spanfile`, or the URL of a query API."""

    folder: Path
    url: str | None = None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.url or str(self.folder)

    @property
    def holds_none(self) -> bool:
        """Whether it is a folder into which no process has written spans. What a tool keeps is not known."""
        return self.url is None and not has_spans(self.folder)

    def require(self) -> None:
        """CliError when its address is no URL with http or https."""
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise CliError("--from takes a URL, such as http://jaeger:16686", Exit.USAGE)

    async def spans(self, trace_id: str) -> dict[str, Span]:
        """All spans of a trace, by span id. CliError when the tool cannot be asked."""
        if self.url is None:
            return read_spans(self.folder, trace_id)
        from cli.trace.remote import fetch_spans  # noqa: PLC0415 - aiohttp takes a tenth of a second

        return await fetch_spans(self.url, trace_id)
