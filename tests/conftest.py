"""Fixtures for all tests, and how a run of all of them is dealt out to processes."""

from __future__ import annotations

import os
import sys

import pytest

from tests.databases import fresh_postgres, postgres, postgres_url, server_template, server_url

__all__ = ["fresh_postgres", "postgres", "postgres_url", "server_template", "server_url"]

WAITING = ("tests/pty/", "tests/storm/", "tests/test_kills.py", "tests/server/test_workers.py", "tests/commands/test_main_path.py")
"""Long tests, which mostly wait for processes of their own."""

# Some hundred processes are started by a run: where nothing may be written, each would compile the program anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: a third of the time goes by in waiting."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, cores * 2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest goes first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(WAITING))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many seeds of the simulation a run had time for."""
    passed = terminalreporter.getreports("passed")
    counted = [(count, report.duration) for report in passed for name, count in report.user_properties if name == "seeds"]
    if counted:
        seeds, seconds = sum(count for count, _ in counted), sum(took for _, took in counted)
        terminalreporter.write_line(f"simulation: {seeds} seeds in {seconds:.0f} s")
