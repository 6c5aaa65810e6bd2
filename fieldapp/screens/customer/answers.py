"""What a customer has entered so far: kept as a draft at every key, so that nothing has to be asked twice."""

from __future__ import annotations

import msgspec

STEP = "handover"
"""The drafts of a handover are kept under this name, version 0."""


class Answers(msgspec.Struct, omit_defaults=True):
    """Scores are None where not answered. `strokes`: the drawn signature as text; `language`: of the customer's pages."""

    csat: int | None = None
    nps: int | None = None
    ces: int | None = None
    comment: str = ""
    contact_me: bool = False
    name: str = ""
    consent: bool = False
    strokes: str = ""
    language: str = ""

    @property
    def given(self) -> bool:
        """Whether there is anything to record."""
        scores = (self.csat, self.nps, self.ces)
        return any(score is not None for score in scores) or bool(self.comment.strip() or self.contact_me or self.name.strip())

    @property
    def drawn(self) -> bool:
        return bool(self.strokes)


def kept(answers: Answers) -> str:
    """As the text of a draft."""
    return msgspec.json.encode(answers).decode()


def read_answers(draft: str | None) -> Answers:
    """From the text of a draft; empty where there is none, or one that this version cannot read."""
    try:
        return msgspec.json.decode(draft or "{}", type=Answers)
    except msgspec.MsgspecError:
        return Answers()
