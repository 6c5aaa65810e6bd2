"""The customer's pages, one function each: what stands on them, in the language spoken now."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from fieldapp.domain.safe import plain_text
from fieldapp.domain.signing import read_strokes
from fieldapp.language import LANGUAGES, _
from fieldapp.screens.customer.answers import Answers
from fieldapp.screens.customer.questions import Scale, Tick
from fieldapp.widgets.drawing import Drawing, braille
from fieldapp.widgets.safe_text import safe_text

_LABEL = 18
"""Columns of the labels on the last page."""


def ready(title: str, customer: str, language: str, *, unfinished: bool) -> Iterable[Widget]:
    """The technician's page, before the laptop changes hands."""
    yield Static(_("Hand the laptop to the customer"), classes="big", markup=False)
    yield Static(safe_text(title, "bold"), classes="calm", markup=False)
    yield Static(safe_text(customer), classes="calm", markup=False)
    yield Static(
        _("Their pages are in: {language} (F2 changes it)").format(language=LANGUAGES[language]), classes="calm", markup=False
    )
    yield Static(
        _("From Enter on the screen is locked: only your PIN leads back. What the customer enters is kept at every key."),
        classes="calm", markup=False,
    )  # fmt: skip
    if unfinished:
        words = _("An earlier handover of this job was not finished. Its answers are still there.")
        yield Static(Content.styled(words, "$text-warning"), classes="calm", markup=False)


def text(shown: str) -> Iterable[Widget]:
    """What was done, word for word: the signature is bound to these bytes. Headings are only drawn bold."""
    lines = shown.split("\n")
    heads = {number for number, line in enumerate(lines) if number == 0 or (not lines[number - 1] and line[:1] not in ("", "-"))}
    drawn = [safe_text(line, "bold" if number in heads else "") for number, line in enumerate(lines)]
    yield Static(Content("\n").join(drawn), id="shown", markup=False)


def scores(answers: Answers) -> Iterable[Widget]:
    """Satisfaction, recommendation, effort."""
    yield Static(_("How was it?"), classes="big", markup=False)
    satisfied = [_("very dissatisfied"), _("dissatisfied"), _("neither"), _("satisfied"), _("very satisfied")]
    yield Scale(_("How satisfied are you with this service?"), 1, 5, satisfied, score=answers.csat, stars=True, id="csat")
    likely = [_("not at all likely"), _("extremely likely")]
    yield Scale(_("How likely are you to recommend us?"), 0, 10, likely, score=answers.nps, id="nps")
    easy = [_("very difficult"), _("very easy")]
    yield Scale(_("How easy was it for you to get this done?"), 1, 7, easy, score=answers.ces, id="ces")


def words(answers: Answers) -> Iterable[Widget]:
    """A line of comment, and whether somebody may call."""
    yield Static(_("Anything you want to tell us?"), classes="big", markup=False)
    comment = plain_text(answers.comment)  # not selected on focus, here and below: a key goes on with what stands there
    yield Input(comment, placeholder=_("A line of comment, if you like"), id="comment", max_length=1000, select_on_focus=False)
    yield Tick(_("Please contact me about this."), ticked=answers.contact_me, id="contact")


def sign(answers: Answers) -> Iterable[Widget]:
    """Name, consent, and a line drawn with the mouse."""
    yield Static(_("Your signature"), classes="big", markup=False)
    yield Static(_("Your name"), classes="ask", markup=False)
    hint = _("Type your name to sign; leave it empty not to sign")
    yield Input(plain_text(answers.name), placeholder=hint, id="name", max_length=200, select_on_focus=False)
    yield Tick(_("I agree that my name and signature are kept with this record."), ticked=answers.consent, id="consent")
    yield Drawing(answers.strokes, hint=_("Draw your signature here with the mouse, if you like"), id="drawing")
    yield Static("", id="wrong", markup=False)


def confirm(answers: Answers) -> Iterable[Widget]:
    """Everything once more, before it is recorded."""
    yield Static(_("Is this right?"), classes="big", markup=False)
    if not answers.given:
        yield Static(_("You have left everything empty. That is all right."), classes="calm", markup=False)
    rows: list[tuple[str, str]] = []
    if answers.csat is not None:
        rows.append((_("Satisfaction"), "★" * answers.csat + "☆" * (5 - answers.csat) + f"  {answers.csat} / 5"))
    if answers.nps is not None:
        rows.append((_("Recommendation"), f"{answers.nps} / 10"))
    if answers.ces is not None:
        rows.append((_("How easy"), f"{answers.ces} / 7"))
    if answers.comment.strip():
        rows.append((_("Comment"), answers.comment))
    if answers.contact_me:
        rows.append((_("Contact"), _("Please contact me about this.")))
    if answers.given:
        rows.append((_("Signed"), answers.name.strip() or _("not signed")))
    for label, value in rows:
        name = Content.styled(label, "$text-muted").truncate(_LABEL, pad=True)
        yield Static(Content.assemble(name, safe_text(value, "bold")), classes="calm", markup=False)
    if answers.drawn and answers.name.strip():
        width, height, strokes = read_strokes(answers.strokes)
        yield Static(Content("\n".join(braille(strokes, -(-width // 2), -(-height // 4)))), classes="calm", markup=False)
    last = _("Enter confirms. F7 goes back to change something.") if answers.given else _("Enter ends. F7 goes back.")
    yield Static(last, classes="calm", markup=False)


def thanks(answers: Answers) -> Iterable[Widget]:
    """The end, until staff takes the laptop back."""
    yield Static(_("Thank you!"), classes="big", markup=False)
    saved = _("Your answers are saved.") if answers.given else _("Nothing was recorded from you.")
    yield Static(saved, classes="calm", markup=False)
    yield Static(_("Please give the laptop back."), classes="calm", markup=False)
