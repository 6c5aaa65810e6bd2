"""Texts as they are compared, and the grams under which the index knows them.

Every text is folded (NFKC, no case). Of each stretch without white space all runs of one, two and three characters are its grams,
so a word is found in any script without knowing where words begin: a word of up to three characters is a gram itself, and what
holds a longer one has all its grams. Typed words have no white space, so no gram crosses any.
"""

from __future__ import annotations

import unicodedata

LONGEST = 3
"""Characters of the longest gram."""
_PRIVATE = 0xE000
_AS_LETTERS = {code: _PRIVATE + code for code in range(128) if not chr(code).isalnum()}
"""SQLite's `ascii` tokenizer ends a token at all that is ASCII and neither letter nor figure; in a gram it stands as a character of
its own that ends nothing."""


def fold(text: str) -> str:
    """A text as it is compared: full-width letters as letters, no case."""
    return unicodedata.normalize("NFKC", text).casefold()


def grams(folded: str) -> str:
    """The grams of a folded text, each once, with a space between them: what the index takes as its words."""
    found: dict[str, None] = {}
    for run in folded.split():
        plain = run.translate(_AS_LETTERS)
        for length in range(1, LONGEST + 1):
            found.update(dict.fromkeys(plain[at : at + length] for at in range(len(plain) - length + 1)))
    return " ".join(found)


def gram_query(word: str) -> str:
    """What FTS5 is asked for: texts that have all grams of a folded word. For a word of up to LONGEST characters these are exactly
    the texts that hold it; for a longer one some may hold its grams elsewhere."""
    plain = word.translate(_AS_LETTERS)
    parts = [plain] if len(plain) <= LONGEST else [plain[at : at + LONGEST] for at in range(len(plain) - LONGEST + 1)]
    return " AND ".join(f'"{part}"' for part in dict.fromkeys(parts))
