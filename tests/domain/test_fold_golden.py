"""The golden corpus: logs written once fold to the states written beside them, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldapp.domain.entry_types import ENTRY_TYPES
from fieldapp.domain.fold import FOLD_VERSION
from tests.domain.golden.__main__ import refresh
from tests.domain.golden.corpus import FOLDER, fold_all, load, write
from tests.domain.golden.stories import STORIES, happy

FILES = sorted(FOLDER.glob("*.json"))
HELP = "raise FOLD_VERSION in fieldapp/domain/fold.py and run: python -m tests.domain.golden"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_log_folds_to_what_it_always_did(path: Path) -> None:
    version, facts, expected = load(path)
    assert fold_all(facts) == expected, HELP
    assert version == FOLD_VERSION, HELP


def test_every_story_has_its_file() -> None:
    assert {story.__name__ for story in STORIES} <= {path.stem for path in FILES}, "run: python -m tests.domain.golden"


def test_the_corpus_covers_every_entry_type_and_outcome() -> None:
    facts = [fact for path in FILES for fact in load(path)[1]]
    assert {fact.entry.envelope.type for fact in facts} >= set(ENTRY_TYPES), "tell a new story in tests/domain/golden/stories.py"
    assert {fact.outcome for fact in facts} == {"applied", "late", "conflict", "held", "quarantined"}


def test_a_file_is_never_rewritten_while_the_version_stands(tmp_path: Path) -> None:
    assert refresh(tmp_path) == []
    assert len(list(tmp_path.glob("*.json"))) == len(STORIES)
    assert refresh(tmp_path) == []
    path = tmp_path / "happy.json"
    write(path, happy().facts[:-1])
    bent = path.read_text(encoding="utf-8").replace('"status": "completed"', '"status": "approved"')
    path.write_text(bent, encoding="utf-8")
    assert refresh(tmp_path) == ["happy.json"]
    assert path.read_text(encoding="utf-8") == bent
    old = json.loads(bent) | {"fold_version": FOLD_VERSION - 1}
    path.write_text(json.dumps(old), encoding="utf-8")
    assert refresh(tmp_path) == []
    _, facts, streams = load(path)
    assert len(facts) == len(happy().facts) - 1  # its entries stay; only the states are new
    assert fold_all(facts) == streams
