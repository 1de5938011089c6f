"""Settings of backups: encrypted always, never kept longer than reads, and no promise that is not kept."""

from pathlib import Path

import pyrage
import pytest

from suite.backup.settings import identity_in, settings_from
from suite.errors import SuiteError

RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())
GOOD = {"GANTRY_BACKUP_ARCHIVE": "/backups", "GANTRY_BACKUP_RECIPIENTS": RECIPIENT}


def test_without_an_archive_there_are_no_backups() -> None:
    assert settings_from({}) is None
    assert settings_from({"GANTRY_BACKUP_ARCHIVE": ""}) is None


def test_the_usual_settings() -> None:
    settings = settings_from(GOOD)
    assert settings is not None
    assert (settings.archive, settings.keep_days, settings.hours) == (Path("/backups"), 7, 24)
    assert settings_from(settings.environment()) == settings


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"GANTRY_BACKUP_RECIPIENTS": ""}, "always encrypted"),
        ({"GANTRY_BACKUP_RECIPIENTS": "age1wrong"}, "no age recipient"),
        ({"GANTRY_BACKUP_RECIPIENTS": "arn:aws:kms:eu-west-2:1:key/x"}, "not supported"),
        ({"GANTRY_BACKUP_KEEP_DAYS": "8"}, "outlive"),
        ({"GANTRY_BACKUP_KEEP_DAYS": "4", "GANTRY_STORE__RETENTION_DAYS": "3"}, "outlive"),
        ({"GANTRY_BACKUP_KEEP_DAYS": "0"}, "whole number"),
        ({"GANTRY_BACKUP_HOURS": "often"}, "hours"),
    ],
)
def test_unusable_settings_have_a_sentence(changed: dict[str, str], words: str) -> None:
    with pytest.raises(SuiteError, match=words):
        settings_from({**GOOD, **changed})


def test_backups_follow_a_shorter_retention() -> None:
    settings = settings_from({**GOOD, "GANTRY_STORE__RETENTION_DAYS": "3"})
    assert settings is not None
    assert settings.keep_days == 3


def test_identity_files(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    file = tmp_path / "identity"
    file.write_text(f"# public key: {identity.to_public()}\n\n{identity}\n")
    assert [str(each) for each in identity_in(file)] == [str(identity)]
    for content in ("", "# nothing\n", "AGE-SECRET-KEY-1X\n"):
        file.write_text(content)
        with pytest.raises(SuiteError) as refused:
            identity_in(file)
        assert "SECRET-KEY-1X" not in str(refused.value)
