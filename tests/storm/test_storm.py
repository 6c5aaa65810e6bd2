"""A short storm. The long one: `python -m tests.storm --kills 1000`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.storm.__main__ import Storm

pytestmark = [pytest.mark.timeout(200), pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]
KILLS = 60


def test_what_was_saved_before_a_kill_is_at_the_server_once(tmp_path: Path) -> None:
    storm = Storm(tmp_path, KILLS, seed=20261122)
    storm.run()
    assert sum(storm.done.values()) >= KILLS
    assert storm.done["server"] > 0
    assert storm.saved > KILLS
