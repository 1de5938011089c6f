"""Tokens of the feeds that this machine sends for."""

import json
import os
from pathlib import Path
from typing import Self

from cli.exits import CliError
from cli.home import SuiteHome


class TokenFile:
    """A file of tokens by force and feed, readable for its owner only."""

    def __init__(self, path: Path) -> None:
        """Read it; it may be absent. CliError when it is damaged. Cameras take the file as it is."""
        self.path = path
        try:
            self._tokens: dict[str, dict[str, str]] = json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            self._tokens = {}
        except ValueError:
            raise CliError(f"{path} is damaged: delete it, then enrol with new tokens") from None

    @classmethod
    def of(cls, home: SuiteHome) -> Self:
        """The token file of a suite's folder."""
        return cls(home.secrets / "feed-tokens.json")

    def get(self, force: str, feed: str) -> str | None:
        """The token of a feed, or None when we have none."""
        return self._tokens.get(force, {}).get(feed)

    def keep(self, force: str, feed: str, token: str) -> None:
        """Write a token down before anything is sent with it."""
        self._tokens.setdefault(force, {})[feed] = token
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._tokens, file, indent=1)
        draft.replace(self.path)
