"""One family of errors a person may see.

Each has a code (stable, listed in docs/errors.md), a message (what happened) and a hint (what is safe, what to do).
The server answers with the same codes in problem+json, so a device can repeat the server's words.
"""

from __future__ import annotations


class Problem(Exception):
    """A failure in one clear sentence. Never shown with a traceback.

    Args:
        code: stable kebab-case name, listed in docs/errors.md.
        message: what happened, in the user's words.
        hint: what is safe and what to do next; may be empty.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class RecordedAnyway(Problem):
    """What was asked for is recorded; something that had to follow was not done. To ask for it again would record it twice.

    Args:
        problem: what was not done. streams: those whose view changed.
    """

    def __init__(self, problem: Problem, streams: frozenset[str]) -> None:
        super().__init__(problem.code, problem.message, problem.hint)
        self.streams = streams
