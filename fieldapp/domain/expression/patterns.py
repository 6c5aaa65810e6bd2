"""Regular expressions that other people wrote, bounded in length and time."""

from __future__ import annotations

from typing import Any

from fieldapp.domain.problem import Problem

PATTERN_LIMIT = 1_000
"""Characters of one regular expression."""
PATTERN_SECONDS = 0.25
"""Seconds one regular expression may run."""


def matches(text: str, pattern: str) -> bool:
    """Whether the whole text matches a regular expression; bounded in length and time.

    Raises:
        Problem: `bad-expression` for a broken pattern, `expression-too-heavy` where matching takes too long.
    """
    import regex

    if len(pattern) > PATTERN_LIMIT:
        raise Problem("expression-too-heavy", f"A pattern of {len(pattern):,} characters is too long.")
    try:
        found: Any = regex.compile(pattern)  # type: ignore[no-untyped-call]  # it keeps compiled patterns itself
        return found.fullmatch(text, timeout=PATTERN_SECONDS) is not None
    except (TimeoutError, MemoryError, RecursionError):
        raise Problem("expression-too-heavy", f"The pattern {pattern[:60]!r} takes too long on this text.") from None
    except (regex.error, ValueError, OverflowError, IndexError, KeyError) as error:
        raise Problem("bad-expression", f"The pattern {pattern[:60]!r} is not a regular expression: {error}.") from None
