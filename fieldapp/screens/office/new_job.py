"""A new job: for whom, where, what, on which asset, when, by whom. Each name is looked up while it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from fieldapp.domain.problem import Problem
from fieldapp.domain.roles import FIELD
from fieldapp.domain.words import Words, say
from fieldapp.language import _, language, later
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.screens.office.reschedule import window_words
from fieldapp.screens.values import sentences, skill_words
from fieldapp.services.creating import JobWish
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList

FIELDS = (
    ("customer", later("Customer")),
    ("site", later("Site")),
    ("service", later("Service")),
    ("asset", later("Asset")),
    ("when", later("When")),
    ("person", later("Technician")),
    ("description", later("Reported")),
)
NEEDED = ("customer", "service")
LOOKED_UP = ("customer", "site", "service", "asset", "person")
_SHOWN = 50


@dataclass(frozen=True)
class NewJob:
    """What was filled in. `person`: id, '' for nobody yet."""

    wish: JobWish
    person: str = ""


@dataclass(frozen=True)
class Choice:
    """One thing that a typed name may mean. `words`: everything it is found by."""

    id: str
    label: str
    words: str


class NewJobScreen(FieldModal[NewJob]):
    """Seven fields; below them what the typed name may mean. Up and Down choose there, Enter takes it and goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    CSS_PATH = "new_job.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._taken: dict[str, Choice] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("New job")
            window.border_subtitle = _("↑↓ choose, Enter takes and goes on, Esc closes")
            for name, label in FIELDS:
                with Horizontal(classes="line"):
                    yield Static(_(label) + (" *" if name in NEEDED else ""), classes="label", markup=False)
                    yield Input(id=name, max_length=2000)
            yield Static("", id="means", markup=False)
            yield WindowList(self._draw)

    def on_mount(self) -> None:
        choices = self.query_one(WindowList)
        choices.can_focus = False
        self._input("customer").focus()

    def entered(self) -> dict[str, Any]:
        return super().entered() | {"taken": dict(self._taken)}

    def put_back(self, entered: dict[str, Any]) -> None:
        self._taken = dict(entered["taken"])  # before the lines: a line that says something else takes its choice away
        super().put_back(entered)

    def _input(self, name: str) -> Input:
        return self.query_one(f"#{name}", Input)

    @property
    def _at(self) -> str:
        focused = self.focused
        return focused.id or "" if isinstance(focused, Input) else ""

    # --- What a name may mean -----------------------------------------------------------------------------------------------------

    def _offered(self, name: str) -> list[Choice]:
        documents, lang = self.field.session.documents, language()
        customer, site = self._taken_id("customer"), self._taken_id("site")
        match name:
            case "customer":
                here = self.field.session.identity.log
                return [_choice(one.id, one.name, lang) for one in documents.customers() if one.branch == here]
            case "site":
                return [_choice(one.id, one.name, lang, say(one.address, lang)) for one in documents.sites(customer)]
            case "service":
                return [_choice(one.code, one.title, lang, one.code) for one in documents.products()]
            case "asset":
                assets = documents.assets(customer) if customer else ()
                return [
                    _choice(one.id, one.title, lang, f"{one.tag} {one.model}".strip()) for one in assets if site in ("", one.site)
                ]
            case "person":
                branch = self.field.session.identity.log
                return [
                    Choice(one.id, safe_text(f"{one.name}  {skill_words(one.skills)}").plain, one.name)
                    for one in documents.people()
                    if one.role in FIELD and one.branch == branch
                ]
        return []

    def _taken_id(self, name: str) -> str:
        taken = self._taken.get(name)
        return taken.id if taken else ""

    def _look_up(self) -> None:
        name, means, choices = self._at, self.query_one("#means", Static), self.query_one(WindowList)
        found: list[Choice] = []
        words = Content("")
        if name in LOOKED_UP:
            typed = self._input(name).value.strip().casefold()
            taken = self._taken.get(name)
            offered = self._offered(name)
            pieces = [] if taken else typed.split()
            found = [choice for choice in offered if all(piece in choice.words.casefold() for piece in pieces)][:_SHOWN]
            words = Content(self._help(name, offered, found))
        elif name == "when":
            typed = self._input(name).value
            words = window_words(typed, self._zone) if typed.strip() else Content(_("May be left out. Like 2026-11-22 09:00/12:00"))
        elif name == "description":
            words = Content(_("What the customer reported. Enter creates the job."))
        means.update(words)
        choices.show(Rows[object](found, lambda row: row.id if isinstance(row, Choice) else ""))

    def _help(self, name: str, offered: Sequence[Choice], found: Sequence[Choice]) -> str:
        if name in ("site", "asset") and not self._taken_id("customer"):
            return _("Choose the customer first.")
        if not offered:
            return _("There is none. Enter goes on.")
        if not found:
            return _("Nothing has that name.")
        return sentences(_("{count} to choose from.").format(count=len(found)), "" if name in NEEDED else _("May be left out."))

    @property
    def _zone(self) -> str:
        return self.field.session.documents.zone(self.field.session.identity.log)

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Choice)
        return safe_text(f" {row.label}").truncate(width, ellipsis=True)

    # --- Keys ---------------------------------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        name = event.input.id or ""
        taken = self._taken.get(name)
        if taken is not None and event.value != taken.label:
            del self._taken[name]
            if name == "customer":
                self._clear("site", "asset")
            if name == "site":
                self._clear("asset")
        if name == self._at:
            self._look_up()

    def _clear(self, *names: str) -> None:
        for name in names:
            self._taken.pop(name, None)
            self._input(name).value = ""

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._look_up()

    def on_key(self, event: events.Key) -> None:
        if event.key in ("up", "down"):
            self.query_one(WindowList).action_move(-1 if event.key == "up" else 1)
            event.stop()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        name = event.input.id or ""
        typed = event.value.strip()
        row = self.query_one(WindowList).row
        if (
            name in LOOKED_UP
            and isinstance(row, Choice)
            and (typed or name in NEEDED or self._only(name))
            and name not in self._taken
        ):
            self._take(name, row)
        elif name in LOOKED_UP and name not in self._taken and (typed or name in NEEDED) and not isinstance(row, Choice):
            return
        if name == FIELDS[-1][0]:
            self._finish()
        else:
            names = [field for field, _label in FIELDS]
            self._input(names[names.index(name) + 1]).focus()

    def _only(self, name: str) -> bool:
        """A site that is the only one needs no choosing."""
        return name == "site" and len(self._offered(name)) == 1

    @on(WindowList.Chosen)
    def _clicked(self, event: WindowList.Chosen) -> None:
        if self._at in LOOKED_UP and isinstance(event.row, Choice):
            self._take(self._at, event.row)

    def _take(self, name: str, choice: Choice) -> None:
        self._taken[name] = choice
        self._input(name).value = choice.label
        if name == "customer":
            sites = self._offered("site")
            if len(sites) == 1:
                self._take("site", sites[0])

    def _finish(self) -> None:
        for name in NEEDED:
            if name not in self._taken:
                self._input(name).focus()
                return
        if len(self._offered("site")) > 1 and not self._taken_id("site") and not self._taken_id("asset"):
            self.field.tell(Problem("site-needed", _("At which site of the customer is it?"), ""))
            self._input("site").focus()
            return
        wish = JobWish(
            customer=self._taken_id("customer"),
            service=self._taken_id("service"),
            assets=(self._taken_id("asset"),) if self._taken_id("asset") else (),
            when=self._input("when").value.strip(),
            site=self._taken_id("site"),
            description=self._input("description").value.strip(),
        )
        if wish.when and not window_words(wish.when, self._zone).plain.startswith("✓"):
            self._input("when").focus()
            return
        self.answer(NewJob(wish, self._taken_id("person")))


def _choice(name: str, words: Words, lang: str, more: str = "") -> Choice:
    label = "  ".join(part for part in (say(words, lang), more) if part)
    return Choice(name, safe_text(label).plain, " ".join((name, more, *words.values())))
