"""The app is killed while somebody types, records, hands over and sends. Fifty moments: `python -m tests.pty.app_kills`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.pty.app_kills import kill_the_app

pytestmark = [pytest.mark.timeout(280), pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]
MOMENTS = 5
"""Each way once; the command has fifty."""


def test_what_the_screen_called_saved_is_there_once_and_half_typed_text_is_back(prepared: Path, tmp_path: Path) -> None:
    for name in ("server", "technician"):
        shutil.copytree(prepared / name, tmp_path / name)
    run = kill_the_app(tmp_path, MOMENTS, seed=20261121)
    assert sum(run.kills.values()) == MOMENTS
    assert set(run.called_saved) == {"recording a note", "recording steps", "handing over", "sending"}
    assert run.called_saved["recording steps"] > MOMENTS
    assert run.kept > 0
