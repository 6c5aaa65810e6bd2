"""Customer handover: the laptop in the customer's hands for a minute, locked, in their language.

They read what was done, rate it, say a line, sign; it is recorded as one action. The signature is bound to the hash of exactly the
text that was shown. Only the technician's PIN leads back into the app.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import Worker

from fieldapp.domain.problem import Problem, RecordedAnyway
from fieldapp.domain.words import say, spoken
from fieldapp.language import LANGUAGES, _, language, later, set_language
from fieldapp.screens.actions import bindings
from fieldapp.screens.customer import pages
from fieldapp.screens.customer.answers import STEP, Answers, kept, read_answers
from fieldapp.screens.customer.lock import Locking
from fieldapp.screens.customer.questions import Scale, Tick
from fieldapp.screens.technician.drafting import DraftKeeper
from fieldapp.screens.technician.moving import NOTHING_TO_RATE
from fieldapp.store.queries.lists import view_of_job
from fieldapp.widgets.drawing import Drawing
from fieldapp.widgets.footer import KeyFooter
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.screens.app import FieldApp

PAGES = ("ready", "text", "scores", "words", "sign", "confirm", "thanks")
_STAFF = ("ready",)
"""Pages in the technician's language."""


class HandoverScreen(Locking, Screen[None]):
    """Locked from the first of the customer's pages until the PIN is typed.

    Args:
        stream: of the job.
    """

    TITLE_TEXT = later("Customer handover")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("page_on", "page_back", "customer_language", "clear_drawing", "new_pin", "unlock"),
        # Before the laptop changes hands nothing is locked: Escape simply goes back, and says so.
        Binding("escape", "leave", later("back"), key_display="Esc", id="leave"),
    ]
    CSS_PATH = "handover.tcss"
    AUTO_FOCUS = ""
    ALLOW_SELECT = False

    def __init__(self, stream: str) -> None:
        super().__init__()
        self._stream = stream
        self._drafts: DraftKeeper | None = None
        self.page = "ready"
        self._texts: dict[str, str] = {}
        self._shown: str = ""
        self._recording = False
        self.answers = Answers()
        self._unfinished = False
        self._number, self._title, self._customer = "", "", ""

    @property
    def field(self) -> FieldApp:
        return cast("FieldApp", self.app)

    # --- Pages --------------------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        number = PAGES.index(self.page)
        count = "" if self.page in ("ready", "thanks") else f"{number} / {len(PAGES) - 2}"
        yield Static(Content.assemble(safe_text(self._title, "bold"), f"   {count}"), id="head", markup=False)
        with VerticalScroll(id="page", can_focus=self.page in ("ready", "text", "confirm", "thanks")):
            yield from self._body()
        yield KeyFooter()

    def _body(self) -> Iterable[Widget]:
        match self.page:
            case "ready":
                yield from pages.ready(self._title, self._customer, self.spoken, unfinished=self._unfinished)
            case "text":
                yield from pages.text(self._shown)
            case "scores":
                yield from pages.scores(self.answers)
            case "words":
                yield from pages.words(self.answers)
            case "sign":
                yield from pages.sign(self.answers)
            case "confirm":
                yield from pages.confirm(self.answers)
            case _:
                yield from pages.thanks(self.answers)

    @property
    def spoken(self) -> str:
        """The language of the customer's pages."""
        return self.answers.language if self.answers.language in LANGUAGES else "en"

    async def on_mount(self) -> None:
        job = view_of_job(self.field.session.reader, self._stream)
        if job is None:
            self.app.pop_screen()
            return
        documents = self.field.session.documents
        customer = documents.customer(job.customer)
        if job.status in NOTHING_TO_RATE:
            nothing = Problem(
                "not-now", _("Nothing is done on this job yet that its customer could rate."), _("Start the work first.")
            )
            self.field.tell(nothing)
            self.app.pop_screen()
            return
        self._drafts = DraftKeeper(cast("Screen[object]", self), self.field, self._stream)
        self.answers = read_answers(self._drafts.read(STEP, 0))
        self._unfinished = self.answers.given
        if self.answers.language not in LANGUAGES:
            self.answers.language = spoken(customer.language if customer else "en")
        self._number, self._title = job.number, f"{job.number}  {say(job.title, language())}"
        self._customer = say(customer.name, language()) if customer else job.customer
        await self._go("ready")

    def on_unmount(self) -> None:
        if self._drafts is not None:
            self._drafts.flush()
        set_language(self.staff_language)

    async def _go(self, page: str) -> None:
        """Show a page, in the language that it is for."""
        self.page = page
        set_language(self.staff_language if page in _STAFF else self.spoken)
        job = view_of_job(self.field.session.reader, self._stream)
        if job is not None:
            self._title = f"{job.number}  {say(job.title, language())}"
        await self.recompose()
        first = {"scores": "#csat", "words": "#comment", "sign": "#name"}.get(page, "#page")
        self.query_one(first).focus()
        self.refresh_bindings()

    @work(group="handover", exclusive=True, exit_on_error=False)
    async def show_text(self) -> None:
        """The page that is read and signed. The same language shows the same bytes as long as this screen is open."""
        spoken, number = self.spoken, self._number
        if spoken not in self._texts:
            try:
                self._texts[spoken] = await self.field.session.write(lambda services: services.work.handover_text(number, spoken))
            except Problem as problem:
                self.field.tell(problem)
                return
        self._shown = self._texts[spoken]
        await self._go("text")

    # --- What is entered ----------------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        if self._drafts is not None:
            self._drafts.typed(STEP, 0, kept(self.answers))

    def _forget(self) -> None:
        if self._drafts is not None:
            self._drafts.forget(STEP, 0)

    @on(Scale.Answered)
    def _answered(self, event: Scale.Answered) -> None:
        setattr(self.answers, event.scale.id or "", event.scale.score)
        self._keep()

    @on(Tick.Ticked)
    def _ticked(self, event: Tick.Ticked) -> None:
        setattr(self.answers, {"contact": "contact_me", "consent": "consent"}[event.tick.id or ""], event.tick.ticked)
        self._keep()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        setattr(self.answers, event.input.id or "", event.value)
        self._keep()

    @on(Drawing.Drawn)
    def _drawn(self, event: Drawing.Drawn) -> None:
        self.answers.strokes = event.strokes
        self._keep()
        self.refresh_bindings()

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "name" and self.answers.name.strip() and not self.answers.consent:
            self.query_one("#consent").focus()
        elif event.input.id == "comment":
            self.query_one("#contact").focus()
        else:
            await self.action_page_on()

    # --- Keys ---------------------------------------------------------------------------------------------------------------------

    async def action_page_on(self) -> None:
        match self.page:
            case "ready":
                self.lock_up()
            case "sign":
                wrong = self._unsigned()
                if wrong:
                    self.query_one("#wrong", Static).update(wrong)
                else:
                    await self._go("confirm")
            case "confirm":
                self._confirm()
            case "text" | "scores" | "words":
                await self._go(PAGES[PAGES.index(self.page) + 1])

    def _unsigned(self) -> str:
        """Why the signature cannot be taken as it is; '' where it can, or there is none."""
        name = self.answers.name.strip()
        if name and not self.answers.consent:
            return _("To sign, tick the line below your name with Space; or leave the name empty.")
        if self.answers.drawn and not name:
            return _("Please type your name as well, or clear the drawing with F4.")
        return ""

    async def action_page_back(self) -> None:
        if self.page in ("scores", "words", "sign", "confirm"):
            await self._go(PAGES[PAGES.index(self.page) - 1])

    async def action_customer_language(self) -> None:
        codes = list(LANGUAGES)
        self.answers.language = codes[(codes.index(self.spoken) + 1) % len(codes)]
        if self.page == "text":
            self.show_text()
        else:
            await self._go(self.page)
        if self.locked:
            self._keep()

    def action_clear_drawing(self) -> None:
        self.query_one(Drawing).clear()

    # --- Recording ----------------------------------------------------------------------------------------------------------------

    def _confirm(self) -> None:
        """Record everything as one action: once, however often Enter is pressed."""
        if self._recording:
            return
        answers, number, shown = self.answers, self._number, self._shown
        if not answers.given:
            self._forget()
            self.run_worker(self._go("thanks"), exit_on_error=False)
            return
        self._recording = True
        draft = self._drafts.recording(STEP, 0) if self._drafts is not None else nullcontext()

        def write(services: DeviceServices) -> object:
            with draft:  # in one transaction: a power cut must not offer again what is recorded
                return services.work.feedback(
                    number, csat=answers.csat, nps=answers.nps, ces=answers.ces, comment=answers.comment,
                    contact_me=answers.contact_me, name=answers.name, consent=answers.consent,
                    strokes=answers.strokes if answers.name.strip() else "", language=answers.language, shown=shown,
                )  # fmt: skip

        def refused(problem: Problem) -> Awaitable[None] | None:
            return self._recorded(problem) if isinstance(problem, RecordedAnyway) else None

        if self._drafts is not None:
            self._drafts.flush()
        writing = self.field.record(write, then=self._recorded, refused=refused)
        self.run_worker(self._settled(writing), exit_on_error=False)

    async def _settled(self, writing: Worker[None]) -> None:
        """After a refusal (a full disk, say) the same page can be confirmed again; nothing that was entered is lost."""
        await writing.wait()
        self._recording = False

    async def _recorded(self, _done: object) -> None:
        self._forget()
        await self._go("thanks")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "page_on":
                return self.page != "thanks"
            case "page_back":
                return self.page in ("scores", "words", "sign", "confirm")
            case "new_pin":
                return self.page == "ready"
            case "unlock":
                return self.locked
            case "leave":
                return not self.locked
            case "clear_drawing":
                return self.page == "sign" and self.answers.drawn
            case "customer_language":
                return self.page != "thanks" or self.locked
        return super().check_action(action, parameters)
