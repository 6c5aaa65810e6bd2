"""Find a job by any of its words, at every key, with no network: number, title, customer, site, asset tag or serial, step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from fieldapp.domain.problem import Problem
from fieldapp.domain.roles import WHOLE_LOG
from fieldapp.domain.safe import plain_text
from fieldapp.language import _, language, later, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.jobcards import draw_card
from fieldapp.store.queries.lists import JobCard, cards_of
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.search import Found, SearchIndex
from fieldapp.store.queries.search_words import fold
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import WindowList

MOST_WORDS = 400
"""Characters of a search that are looked at."""


class Hit:
    """A job that was found, with the text in which a word stands."""

    def __init__(self, card: JobCard, why: str) -> None:
        self.card, self.why = card, why


class HitList:
    """What was found, as rows of a list; a job is read when it comes into view."""

    def __init__(self, reader: Reader, found: Sequence[Found]) -> None:
        self._reader, self._found = reader, found

    def count(self) -> int:
        return len(self._found)

    def window(self, offset: int, limit: int) -> Sequence[Hit]:
        part = self._found[offset : offset + limit]
        cards = cards_of(self._reader, [found.stream for found in part])
        return [Hit(cards[found.stream], found.why) for found in part if found.stream in cards]

    def key(self, row: object) -> str:
        return row.card.stream if isinstance(row, Hit) else ""


class WordsInput(Input):
    """Where the words are typed. Enter opens the job below; it waits its turn behind the words, however fast a scanner is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        replace(bindings("open")[0], action="screen.open"),
    ]


class SearchScreen(FieldScreen):
    """The words above, what they find below.

    Args:
        code: what a scanner sent: the job it names is opened at once where only one is meant.
    """

    TITLE_TEXT = later("Find")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor(-1)", show=False, priority=True),
        Binding("down", "cursor(1)", show=False, priority=True),
        Binding("pageup", "cursor_page(-1)", show=False),
        Binding("pagedown", "cursor_page(1)", show=False),
    ]
    CSS_PATH = "search.tcss"

    def __init__(self, code: str = "") -> None:
        super().__init__()
        self._code = code
        self._ready = self._made_anew = False
        self._shown = ""
        self._whole = True
        """Whether all that the words find is shown."""

    def body(self) -> Iterable[Widget]:
        yield WordsInput(self._code, id="words", select_on_focus=False, max_length=MOST_WORDS)
        yield Static(id="count", markup=False)
        yield WindowList(self._draw, row_height=2, id="found")

    @property
    def _index(self) -> SearchIndex:
        return self.field.session.search

    @property
    def _input(self) -> Input:
        return self.query_one("#words", Input)

    @property
    def _list(self) -> WindowList:
        return self.query_one("#found", WindowList)

    def on_mount(self) -> None:
        super().on_mount()
        self._list.can_focus = False  # it follows the arrows while the words keep the focus
        self._input.focus()
        self._learn()

    @work(group="search", exclusive=True, exit_on_error=False, thread=True)
    def _learn(self) -> None:
        """Bring the index up to date, in parts; what is found so far is shown after each."""
        try:
            for _jobs in self._index.refresh():
                self.app.call_from_thread(self._find)
        except Problem as problem:
            self.app.call_from_thread(self.field.tell, problem)
        self.app.call_from_thread(self._learned)

    def _learned(self) -> None:
        self._ready = True
        self._find()
        if self._code:
            self._open_meant()

    def shows(self, streams: frozenset[str]) -> bool:
        return any(stream.partition(":")[0] in ("job", "customer", "asset") for stream in streams)

    def reload(self) -> None:
        self._input.placeholder = _("number, customer, site, asset tag, serial, step ...")
        self._find()
        if self._ready:
            self._learn()

    @on(Input.Changed, "#words")
    def _typed(self) -> None:
        self._find()

    def _find(self) -> None:
        """Show what the words find. What they find again stays where it is."""
        typed = self._input.value
        same, self._shown = typed == self._shown, typed
        answer = self._index.first(typed, language())
        if self._index.damaged and self._ready and not self._made_anew:
            self._made_anew, self._ready = True, False  # once: a file that cannot be removed would be tried for ever
            self._learn()
        if not same:
            self._list.show(HitList(self.field.session.reader, ()))  # another search begins at its first job
        if answer.whole or not same or self._list.count < len(answer.found):
            self._show(typed, answer.found, answer.whole)
        if answer.whole:
            self.workers.cancel_group(self, "rest")
        else:
            self._find_rest(typed, language())

    @work(group="rest", exclusive=True, exit_on_error=False, thread=True)
    def _find_rest(self, typed: str, spoken: str) -> None:
        """All that very common words find, which takes longer than a key may."""
        worker = get_current_worker()
        found = self._index.find(typed, spoken, lambda: worker.is_cancelled)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._found_rest, typed, found)

    def _found_rest(self, typed: str, found: Sequence[Found]) -> None:
        if typed != self._input.value:
            return
        self._show(typed, found, True)
        if self._code and self._ready:
            self._open_meant()

    def _show(self, typed: str, found: Sequence[Found], whole: bool) -> None:
        self._whole = whole
        self.query_one("#count", Static).update(self._count_words(typed, len(found)))
        self._list.set_empty(self._empty_words(typed))
        self._list.show(HitList(self.field.session.reader, found))
        self.refresh_bindings()

    def _count_words(self, typed: str, found: int) -> Content:
        if not typed.strip():
            jobs = self._index.jobs
            return Content(plural("{count} job on this device", "{count} jobs on this device", jobs).format(count=jobs))
        if not self._whole:
            return Content(_("{count} found so far, looking on ...").format(count=found))
        return Content(plural("{count} job found", "{count} jobs found", found).format(count=found))

    def _empty_words(self, typed: str) -> str:
        if not typed.strip():
            return _("Type any words of the job, or scan the label on the equipment.")
        if not self._ready:
            return _("Reading this device's jobs ...")
        if not self._whole:
            return _("Looking on ...")
        return _("No job on this device has all these words.\nFewer words find more. Esc goes back.")

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Hit)
        why = safe_text("    " + row.why, "$text-muted")
        return draw_card(row.card, width, self.field.now()) + Content("\n") + _marked(why, self._input.value)

    # --- Actions ------------------------------------------------------------------------------------------------------------------

    def action_cursor(self, step: int) -> None:
        self._list.action_move(step)

    def action_cursor_page(self, step: int) -> None:
        self._list.action_page(step)

    @on(WindowList.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self._shown != self._input.value:
            self._find()  # Enter came faster than the words before it were looked for
        row = self._list.row
        if isinstance(row, Hit):
            self.app.push_screen(job_screen(self, row.card.stream))
        elif self._input.value.strip():
            self._code = self._input.value  # open it as soon as it is known
            if self._ready and self._whole:
                self._code = ""
                self.notify(_("No job on this device has all these words."), timeout=3)

    def _open_meant(self) -> None:
        """A scanned code opens its job; where several have it, the person chooses."""
        code, self._code = self._code, ""
        stream = self._index.meant(code)
        if stream is not None:
            self.app.switch_screen(job_screen(self, stream))
        elif not self._list.count:
            self.notify(_("Nothing on this device has the code {code}.").format(code=plain_text(code)), timeout=5, markup=False)

    def scanned(self, code: str) -> None:
        self._input.value = plain_text(code)
        self._code = self._input.value
        self._open_meant()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "open":
            return True if self.is_mounted and self._list.count else None
        return super().check_action(action, parameters)


def job_screen(screen: FieldScreen, stream: str) -> FieldScreen:
    """The screen on which this person works on a job: the office sees its log, a technician its steps."""
    if screen.field.session.identity.role in WHOLE_LOG:
        from fieldapp.screens.office.review_job import ReviewJobScreen

        return ReviewJobScreen(stream)
    from fieldapp.screens.technician.job import JobScreen

    return JobScreen(stream)


def _marked(text: Content, typed: str) -> Content:
    """The words that were looked for stand out."""
    plain = fold(text.plain)
    if len(plain) != len(text.plain):
        return text  # folding changed its length: positions would be wrong
    for word in fold(typed).split():
        at = plain.find(word)
        if at >= 0:
            text = text.stylize("bold $text-accent", at, at + len(word))
    return text
