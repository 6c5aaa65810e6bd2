"""Writes what is drawn from the code and kept beside it: the golden corpus, docs/lifecycle.md and docs/entries.md."""

from __future__ import annotations

import sys
from pathlib import Path

from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.domain.lifecycle_document import lifecycle_document
from tests.domain.entries_document import entries_document
from tests.domain.golden.corpus import FOLDER, fold_all, load, write
from tests.domain.golden.stories import STORIES


def refresh(folder: Path = FOLDER) -> list[str]:
    """Bring the corpus up to date; names of the files that may not change because FOLD_VERSION was not raised."""
    refused = []
    for path in sorted(folder.glob("*.json")):
        version, facts, streams = load(path)
        if version == FOLD_VERSION and fold_all(facts) != streams:
            refused.append(path.name)
        elif version != FOLD_VERSION:
            write(path, facts)
    for story in STORIES:
        path = folder / f"{story.__name__}.json"
        if not path.exists():
            write(path, story().facts)
    return refused


def main() -> int:
    docs = FOLDER.parents[2] / "docs"
    for name, drawn in (("lifecycle.md", lifecycle_document()), ("entries.md", entries_document())):
        (docs / name).write_text(drawn, encoding="utf-8")
    refused = refresh()
    if refused:
        sys.stderr.write(
            f"{', '.join(refused)}: these logs fold to other states than before. "
            "Nothing was written to them. If that is meant, raise FOLD_VERSION in fieldapp/domain/fold.py first.\n"
        )
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
