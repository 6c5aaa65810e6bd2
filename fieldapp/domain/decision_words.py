"""The words of a decision, as an outcome row carries them.

A decision is an entry of the office; what follows from it is an outcome row of each entry concerned, with the reason in the form
`VERB by PERSON: why`. So the author's device hears who decided what and why, also where the job has left it meanwhile.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Verb = Literal["released", "dismissed", "take", "keep", "merge"]

STANDS: frozenset[str] = frozenset({"released", "take"})
"""Decisions that let an entry stand; after the others it stays what it was, and asks nothing of anybody any more."""
_SAID: dict[str, Verb] = {
    "released": "released", "dismissed": "dismissed", "taken": "take", "not taken": "keep", "merged": "merge",
}  # fmt: skip
_PHRASES = {verb: phrase for phrase, verb in _SAID.items()}
_WORDS = re.compile(r"(released|dismissed|taken|not taken|merged) by ([A-Za-z0-9._\-]{1,80})(?:: (.*))?\Z", re.DOTALL)
ALREADY = "it was decided already: "
"""Before the words of a decision, in the reason of a second one that decides otherwise."""
REASON_LIMIT = 500


class Decided(NamedTuple):
    """Who decided what, and why ('' where nothing was said)."""

    verb: Verb
    person: str
    reason: str


def decision_words(verb: str, person: str, reason: str) -> str:
    """The reason of the outcome row: `dismissed by p-mei: recorded twice`."""
    said = reason.replace("\x00", "").strip()[:REASON_LIMIT]
    return f"{_PHRASES[verb]} by {person}" + (f": {said}" if said else "")  # type: ignore[index]


def read_decision(reason: str) -> Decided | None:
    """What `decision_words` wrote; None for any other reason."""
    found = _WORDS.match(reason)
    return Decided(_SAID[found[1]], found[2], found[3] or "") if found else None


def without_why(reason: str) -> str:
    """What stays of a row's reason when its content is erased: who decided what, without what they said about it. Other reasons are
    the program's own words and stay as they are."""
    before = ALREADY if reason.startswith(ALREADY) else ""
    said = read_decision(reason.removeprefix(ALREADY))
    return before + decision_words(said.verb, said.person, "") if said else reason
