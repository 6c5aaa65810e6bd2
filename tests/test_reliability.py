"""docs/reliability.md names tests and commands: they are there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_promise_is_checked_by_something_that_is_there() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    promises = [line for line in rows if "tests/" in line]
    assert len(promises) >= 16
    named = set(re.findall(r"\b((?:tests|docs)/[\w/]+(?:\.(?:py|md))?)", TEXT))
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_command_is_a_module_that_can_be_run() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", TEXT))
    assert modules >= {"tests.simulation", "tests.storm"}
    for module in modules:
        found = importlib.util.find_spec(module)
        assert found is not None, module
        package = found.submodule_search_locations is not None
        source = importlib.util.find_spec(f"{module}.__main__") if package else found
        assert source is not None, module
        assert source.origin is not None
        assert 'if __name__ == "__main__"' in Path(source.origin).read_text(encoding="utf-8")
