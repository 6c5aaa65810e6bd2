"""What became of an own record, and what can be done about it, in words a technician understands."""

from __future__ import annotations

import re
from collections.abc import Callable

from fieldapp.domain.decision_words import Decided
from fieldapp.language import _, later

WHAT_TO_DO = {
    "conflict": later("Somebody else changed the same before this arrived. Both are kept; the office decides which stands."),
    "late": later("The job had left this device before this arrived. It stands, and the office sees that it came late."),
    "held": later("It builds on something that has not arrived yet. It is tried again by itself; after a day the office looks."),
    "quarantined": later("The server could not take it as it is. It is kept there and here: tell the office, then record it anew."),
}  # fmt: skip
"""By outcome, while nobody has decided on it."""
_NOBODY_ELSE = later("It does not stand by itself. It is kept here and at the server, and the office decides on it.")
"""A conflict where nobody has recorded another value: the job had been given to somebody else, or its status does not allow it."""
DECIDED = {
    "released": later("The office let it stand after all."),
    "take": later("The office decided that this one stands."),
    "keep": later("The office decided that the other one stands. This one stays in the log."),
    "merge": later("The office recorded another value from both. This one stays in the log."),
    "dismissed": later("The office put it aside. It stays in the log."),
}
"""By decision."""
LANES = {
    "sending": later("On its way to the server at this moment."),
    "unsent": later("Saved on this device, twice. It is sent as soon as the server can be reached."),
    "received": later("The server has it. What becomes of it comes with the next exchange."),
    "settled": later("The server has it, and it stands."),
    "refused": WHAT_TO_DO["quarantined"],
}
"""Of all others, by how far they have come."""


_MEANWHILE = re.compile(r"(?P<person>.+) recorded \S+ meanwhile")
"""How the server says that somebody's entry came first (docs/protocol.md)."""


def what_to_do(outcome: str, reason: str) -> str:
    """What becomes of an own record that nobody has decided on, and what can be done about it: a text of the catalogues.

    Args:
        outcome: a key of `WHAT_TO_DO`; of any other as of what was put aside. reason: why it does not stand, or came late.
    """
    if outcome == "conflict" and _MEANWHILE.fullmatch(reason) is None:
        return _NOBODY_ELSE
    return WHAT_TO_DO.get(outcome, WHAT_TO_DO["quarantined"])


def who_came_first(reason: str, name_of: Callable[[str], str]) -> str:
    """The reason of a conflict with the name of whoever recorded the same before; '' for every other reason.

    Args:
        name_of: a person's name by their id. It is foreign text: show it through `safe_text`.
    """
    other = _MEANWHILE.fullmatch(reason)
    return _("{name} recorded the same before this arrived").format(name=name_of(other["person"])) if other else ""


def decision_told(said: Decided, name: str) -> str:
    """What was decided, by whom and why. Foreign text is in it: show it through `safe_text`.

    Args:
        name: of the person who decided.
    """
    words = _(DECIDED[said.verb])
    return (
        _("{words} {name}: {reason}").format(words=words, name=name, reason=said.reason)
        if said.reason
        else (_("{words} ({name})").format(words=words, name=name))
    )
