"""What people in this job really send is taken, or refused by its true name. See README.md."""

import asyncio
import re
import time
from pathlib import Path

import pytest

from tests.field.case import Case, Step, cases
from tests.field.shell import Said, Shell

pytestmark = [pytest.mark.xdist_group("field"), pytest.mark.asyncio(loop_scope="session")]
PATIENCE_SECONDS = 20.0


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_case(case: Case, shell: Shell, tmp_path: Path) -> None:
    case.lay_out(tmp_path)
    for step in case.steps:
        said = await _run(shell, step, tmp_path)
        assert said.code == step.code, f"{case.about}\n{said.text}"
        assert not _missing(step, said), f"{case.about}\n{said.text}"
        assert not [each for each in step.never if re.search(each, said.text)], f"{case.about}\n{said.text}"


async def _run(shell: Shell, step: Step, folder: Path) -> Said:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        said = await asyncio.to_thread(shell.run, list(step.words), folder)
        if not (step.soon and _missing(step, said)) or time.monotonic() > ends_at:
            return said


def _missing(step: Step, said: Said) -> list[str]:
    return [each for each in step.says if not re.search(each, said.text, re.MULTILINE)]
