"""Commands start at once: what is heavy is imported when it is used. Deterministic, by what is in sys.modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.commands.runs import ROOT, Device, environment
from tests.commands.work import JOB

HEAVY = ("sqlalchemy", "sqlmodel", "pydantic", "httpx", "fastapi", "uvicorn", "textual", "openpyxl", "pyxform", "alembic")
SCRIPT = """
import sys
from fieldapp.commands import run
code = run(sys.argv[1:])
sys.stdout.flush()
print(code, *sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


def modules_after(*words: str) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    code, *names = done.stderr.strip().splitlines()[-1].split()
    return int(code), set(names)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 0),
        (("--help",), 0),
        (("--version",), 0),
        (("record", "--help"), 0),
        (("serve", "--help"), 0),
        (("demo", "--help"), 0),
        (("record", "J-1"), 2),
        (("jobs", "--no-such-option"), 2),
        (("no-such-command",), 2),
    ],
)
def test_help_and_mistakes_import_nothing_heavy(words: tuple[str, ...], code: int) -> None:
    ended, modules = modules_after(*words)
    assert ended == code
    assert not modules.intersection((*HEAVY, "msgspec", "elementpath", "platformdirs"))


@pytest.mark.parametrize("words", [("jobs",), ("jobs", "--json"), ("job", JOB), ("log", JOB, "--json"), ("outbox",), ("locate",)])
def test_looking_needs_no_database_library(technician: Device, words: tuple[str, ...]) -> None:
    ended, modules = modules_after(*words, *technician.options)
    assert ended == 0
    assert not modules.intersection(HEAVY)


def test_recording_needs_no_network_library(technician: Device) -> None:
    ended, modules = modules_after("do", JOB, "accept", *technician.options)
    assert ended == 0
    assert "sqlalchemy" in modules
    assert not modules.intersection(("httpx", "fastapi", "uvicorn", "textual", "openpyxl", "pyxform", "alembic"))
