"""The application: areas by role, one writer, one sync loop, one language.

The first frame needs Textual, the domain and plain sqlite3 only; what writes and what talks to the network is imported afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import msgspec
from textual import events, on, work
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.command import CommandPalette, Provider
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import WorkerFailed

from fieldapp.domain.problem import Problem, RecordedAnyway
from fieldapp.domain.roles import WHOLE_LOG
from fieldapp.domain.safe import plain_text
from fieldapp.domain.words import say
from fieldapp.language import LANGUAGES, _, language, plural, set_language
from fieldapp.screens.actions import ACTIONS, bindings
from fieldapp.screens.base import EVERYWHERE, FieldModal, FieldScreen
from fieldapp.screens.key_gate import KeyGate
from fieldapp.screens.key_path import Followed, KeyPath
from fieldapp.screens.leaving import Leaving
from fieldapp.screens.session import KEPT_LANGUAGE, KEPT_THEME, LAST_CONTACT, Session
from fieldapp.screens.stylesheet import KeptStylesheet
from fieldapp.screens.themes import THEMES
from fieldapp.screens.tidying import EVERY_S, Tidying
from fieldapp.store.full_disk import full_disk
from fieldapp.store.queries.outbox import outbox
from fieldapp.widgets.header import StatusHeader, SyncLine
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.sync.asked import Asked
    from fieldapp.sync.loop import SyncLoop
    from fieldapp.sync.status import SyncStatus

ResultT = TypeVar("ResultT")
AnswerT = TypeVar("AnswerT")
WARM_S = 0.1
"""Between the first frame and the import of what writes: both together would make the frame wait."""
TOLD_S = 10.0
"""What went wrong can be read so long."""
NOTICE_S = 30.0
"""What was mended at the start is read when whoever sits there has found their place."""
OPEN_AGAIN_S = 10.0
"""Until what writes is opened again after a refusal."""
_TECHNICIAN_SCREENS = ("technician.job", "technician.step_runner", "technician.complete_check", "customer.handover")
_OFFICE_SCREENS = ("office.review_job", "office.review", "office.entry", "office.desk")
_BOTH = ("technician.sync_centre", "search", "help")
_EXPRESSIONS = "fieldapp.domain.expression.language"
_WHILE_LOCKED = frozenset({"focus_next", "focus_previous"})
"""What the app itself still does while a screen is locked (the customer's pages): no quitting, no palette, no help."""
_ANYWHERE = frozenset({*EVERYWHERE, "back", "search", "sync_centre", "today", "board", "desk", "review_queue"})
"""Actions that the palette names after what the screen itself is for."""


def _screen_commands() -> type[Provider]:
    from fieldapp.screens.palette import ScreenCommands

    return ScreenCommands


async def _awaited(outcome: object) -> None:
    if isinstance(outcome, Awaitable):
        await outcome


def _noted(error: Exception) -> Problem:
    """A mistake of the program: the traceback goes into the home's log."""
    logging.getLogger(__name__).error("what was entered could not be recorded", exc_info=error)
    return Problem(
        "unexpected",
        "Something unexpected went wrong. What was entered is not saved, and still there.",
        "What was reported as saved before is safe; the log file has the details.",
    )


def _damage(error: BaseException) -> Problem | None:
    """What was read here and is not what was written: a page that cannot be read, or bytes that mean nothing any more."""
    if isinstance(error, Problem):
        return error if error.code == "database-damaged" else None
    if not isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        return None
    logging.getLogger(__name__).error("what the database holds cannot be read", exc_info=error)
    return Problem(
        "database-damaged",
        f"The database cannot be read ({error}).",
        "Unsent work is also kept in the journal folder. Run `fieldapp doctor`.",
    )


class FieldApp(App[None]):
    """Fieldapp in a terminal.

    Args:
        session: the enrolled home. loop: makes the object that keeps in step with the server (None: this device stays offline).
        network: for the demo, a switch that cuts and restores the network. scanner_prefix: what a code scanner sends first.
        ask_desk: asks the server what only it knows of what is not as it should be; it waits for the network.
    """

    TITLE = "Fieldapp"
    DEFAULT_MODE = "work"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_screen_commands}
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 (Textual's own type)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("help", "language", "theme", "network")]

    def __init__(
        self,
        session: Session,
        *,
        loop: Callable[[DeviceServices, Callable[[SyncStatus], None]], SyncLoop] | None = None,
        network: Callable[[], bool] | None = None,
        ask_desk: Callable[[], Asked] | None = None,
        scanner_prefix: str = "",
    ) -> None:
        super().__init__()
        self.session = session
        contact = session.kept(LAST_CONTACT)
        self.sync_line = SyncLine(synced=int(contact) if contact.isdigit() else None)
        self._make_loop, self._network, self.ask_desk = loop, network, ask_desk
        self._tidying = Tidying()
        self._told: tuple[str, float] | None = None
        self._opened = self._opening = False
        self.stopped_by: Problem | None = None
        """What has ended the app: a database that cannot be read. Whoever opened it mends that and opens it again."""
        self.in_the_way: Problem | None = None
        """Why nothing can be recorded and sent now, such as another program that holds the home; tried again by itself."""
        self.begun = False
        self._sync_loop: SyncLoop | None = None
        self.sync_status: SyncStatus | None = None
        self._unsent: frozenset[str] = frozenset()
        self._refused = 0
        """Own work that does not stand, as far as the person has been told."""
        self._stale: set[FieldScreen] = set()
        self.keys = KeyGate(
            prefix=scanner_prefix, after=self.set_timer, scanned=self._scanned, released=self._typed_again,
            slash=self._slash_scans, begun=self._search_begun, acting=self._letters_act,
        )  # fmt: skip
        self.add_mode(self.DEFAULT_MODE, self._first_screen)  # the screen at the bottom: no empty one is laid out below it
        self._key_path = KeyPath(self)
        for theme in THEMES:
            self.register_theme(theme)
        kept = session.kept(KEPT_THEME)
        self.theme = kept if kept in (theme.name for theme in THEMES) else THEMES[0].name
        self.stylesheet = KeptStylesheet(variables=self.get_css_variables())

    # --- Start and end ------------------------------------------------------------------------------------------------------------

    def on_load(self) -> None:
        self.refresh_line()  # the first frame must not call sent what is only here

    def on_mount(self) -> None:
        if not self.is_headless:
            Leaving(asyncio.get_running_loop(), self.exit).begin()
        self._key_path.begins()
        self.call_later(self._begin)

    def _begin(self) -> None:
        """Textual paints nothing until it is through with its own start; a screen laid out before that would be painted twice."""
        self.begun = True
        self.screen.post_message(events.ScreenResume(refresh_styles=False))
        self.screen.call_after_refresh(self.set_timer, WARM_S, self._warm)

    def _first_screen(self) -> FieldScreen:
        if self.session.identity.role in WHOLE_LOG:
            from fieldapp.screens.office.board import BoardScreen

            return BoardScreen()
        from fieldapp.screens.technician.today import TodayScreen

        return TodayScreen()

    @work(group="open", exclusive=True)
    async def _warm(self) -> None:
        """After the first frame: import the next screens, open what writes, then begin to keep in step with the server.

        What no Problem explains ends the app, which says so: one that looks well and can save nothing would be worse.
        """
        await asyncio.to_thread(self._import_screens)
        if self.session.closed:  # an app that ended meanwhile
            return
        if not self.is_headless:
            self._tidying.begin()
        self._refused = len(outbox(self.session.reader).refused)
        await self._open_writer()
        if self.session.identity.role in WHOLE_LOG and not self.session.closed:
            await asyncio.to_thread(self.session.read_ahead, self.now())
        if not self.is_headless:
            self._tidying.begin()
            self.set_interval(EVERY_S, self._tidying.tick)
        self.refresh_line()

    async def _open_writer(self, *, again: bool = False) -> None:
        """Open what writes, and begin to keep in step with the server. What stands in the way now (another program that holds the
        home, a full disk) need not do so for long: it is told once and tried again; work goes on meanwhile, and whatever is
        recorded first opens it as well."""
        if self._opened or self._opening or self.session.closed:
            return
        self._opening = True
        try:
            await self.session.open()
            if self._make_loop is not None:
                make = self._make_loop
                self._sync_loop = await self.session.write(lambda services: make(services, self._heard))
            self._opened, self.in_the_way = True, None
        except Exception as error:
            problem = error if isinstance(error, Problem) else full_disk(error)
            if problem is None:
                raise
            self.in_the_way = problem
            if not again:
                self.tell(problem)
            self.set_timer(OPEN_AGAIN_S, self._open_again)
        finally:
            self._opening = False
        self._opening_told()

    @work(group="open again")
    async def _open_again(self) -> None:
        await self._open_writer(again=True)

    def _opening_told(self) -> None:
        """Tell what the opening has found and mended; show what is there now."""
        if self.session.made_anew:
            self.session.read_anew()
            self._stale |= {screen for screen in self.screen_stack[:-1] if isinstance(screen, FieldScreen)}
            if isinstance(self.screen, FieldScreen):
                self.screen.read_again()
            self.refresh_line()
        while self.session.notices:
            self.tell(self.session.notices.pop(0), seconds=NOTICE_S, severity="warning")

    def _handle_exception(self, error: Exception) -> None:
        """A database that cannot be read is no mistake of the program: no traceback, and `stopped_by` says what it was."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        self.stopped_by = self.stopped_by or _damage(cause)
        super()._handle_exception(error)
        if self.stopped_by is not None:
            self._exit_renderables.clear()

    def _import_screens(self) -> None:
        """What would otherwise be imported while somebody waits for a screen to open."""
        own = _OFFICE_SCREENS if self.session.identity.role in WHOLE_LOG else _TECHNICIAN_SCREENS
        for name in (*(f"fieldapp.screens.{screen}" for screen in (*own, *_BOTH)), _EXPRESSIONS):
            import_module(name)

    async def on_unmount(self) -> None:
        if self._sync_loop is not None:
            self._sync_loop.stop()
        self.session.close()

    # --- Writing and hearing of changes -------------------------------------------------------------------------------------------

    def ask(self, window: FieldModal[AnswerT], record: Callable[[AnswerT], object], about: str = "") -> None:
        """Show a window whose answer is recorded. It stays until that is saved: nothing typed in it is lost by a full disk.

        Args:
            record: calls `record(..., asked=window)` with what was answered. Going back calls nothing.
            about: what is asked, and about what: where it was refused and the window left, it stands there again the next time.
        """
        window.records, window.about = record, about
        self.push_screen(window)

    @work(group="write", exit_on_error=False)
    async def record(
        self,
        action: Callable[[DeviceServices], ResultT],
        then: Callable[[ResultT], object] | None = None,
        told: str = "",
        refused: Callable[[Problem], object] | None = None,
        asked: FieldModal[Any] | None = None,
    ) -> None:
        """Write something; then say so and show it. What is refused is told and changes nothing.

        Args:
            action: runs in the writing thread. then: called with its result, on the screen's thread. told: said when it is saved.
            refused: called after a refusal was told, or after a `RecordedAnyway`. asked: the window whose answer this is; it closes
                when it is saved.
        """

        def write(services: DeviceServices) -> ResultT:
            with asked.recording() if asked is not None else nullcontext():
                return action(services)

        try:
            result = await self.session.write(write)
        except Exception as error:  # whatever it was: what was typed stays, and the person hears of it
            problem = error if isinstance(error, Problem) else full_disk(error) or _noted(error)
            self.tell(problem)
            if isinstance(problem, RecordedAnyway):
                self._recorded(problem, asked)
            elif asked is not None:
                asked.not_saved()
            if refused is not None:
                await _awaited(refused(problem))
            return
        if asked is not None:
            asked.saved()
        if not self._opened:
            self._open_again()
        saved = getattr(result, "saved", result)
        self.streams_changed(getattr(saved, "streams", frozenset()))
        if told:
            self.notify(plain_text(told), timeout=3, markup=False)
        if self._sync_loop is not None:
            self._sync_loop.hurry("saved")
        if then is not None:
            await _awaited(then(result))
        if asked is not None:
            self.call_after_refresh(self.keys.release)  # what was typed meanwhile is for what is there now

    def _recorded(self, problem: RecordedAnyway, asked: FieldModal[Any] | None) -> None:
        """It is recorded, and would be twice if it were answered again; what should have followed is not done."""
        if asked is not None:
            asked.saved()
            self.call_after_refresh(self.keys.release)
        self.streams_changed(problem.streams)
        if self._sync_loop is not None:
            self._sync_loop.hurry("saved")

    def keep(self, action: Callable[[DeviceServices], object]) -> None:
        """Write something that no screen shows and nobody waits for, such as a draft. Only what goes wrong is told."""
        loop = asyncio.get_running_loop()

        def done(future: Future[object]) -> None:
            problem = future.exception()
            if isinstance(problem, Problem):
                loop.call_soon_threadsafe(self._tell_again, problem)

        self.session.later(action).add_done_callback(done)

    def streams_changed(self, streams: frozenset[str]) -> None:
        """Refresh the screen in view if it shows one of these; the others when they come into view again."""
        self.refresh_line()
        if not streams:
            return
        front: object = self.screen
        for screen in self.screen_stack:
            if isinstance(screen, FieldScreen) and screen.shows(streams):
                if screen is front:
                    screen.read_again()
                else:
                    self._stale.add(screen)

    def changed_while_hidden(self, screen: FieldScreen) -> bool:
        """Whether something this screen shows has changed since it was last in view."""
        if screen in self._stale:
            self._stale.discard(screen)
            return True
        return False

    class SyncMoved(Message):
        """The connection, what is on its way, or streams have changed. Posted from the sync loop's thread, which never waits."""

        def __init__(self, status: SyncStatus) -> None:
            super().__init__()
            self.status = status

    def _heard(self, status: SyncStatus) -> None:
        self.post_message(self.SyncMoved(status))

    @on(SyncMoved)
    def _sync_moved(self, event: SyncMoved) -> None:
        status = self.sync_status = event.status
        if not self.is_running:  # the last that came before the end: the screens are being taken down
            return
        if status.sealed:  # its data goes when the app is closed: nothing is shown any more
            self.exit()
            return
        line = self.sync_line
        synced = status.synced or line.synced  # the loop knows of this run only
        self.sync_line = SyncLine(status.connection, status.since, line.unsent, line.files, synced)
        before, self._unsent = self._unsent, self._unsent_streams()
        self.streams_changed(status.streams | (before ^ self._unsent))
        for screen in self.screen_stack:
            if isinstance(screen, FieldScreen):
                screen.sync_moved()
        if status.streams:
            self._tell_refused()

    def _tell_refused(self) -> None:
        """Tell, wherever the person is, of own work that has just come back as not standing. A customer does not see it."""
        if any(getattr(screen, "locked", False) for screen in self.screen_stack):
            return
        refused = len(outbox(self.session.reader).refused)
        before, self._refused = self._refused, refused
        if refused > before:
            words = plural(
                "{count} record of yours does not stand; the office decides. The sync centre (s) says why.",
                "{count} records of yours do not stand; the office decides. The sync centre (s) says why.",
                refused - before,
            )
            self.notify(words.format(count=refused - before), severity="warning", timeout=12, markup=False)

    def _unsent_streams(self) -> frozenset[str]:
        rows = self.session.reader.rows("SELECT DISTINCT stream FROM own_entries WHERE lane = 'unsent'")
        return frozenset(row["stream"] for row in rows)

    def refresh_line(self) -> None:
        """Read again how much is unsent, and show it in every header."""
        rows = self.session.reader.rows("SELECT count(*) AS n FROM own_entries WHERE lane = 'unsent'")
        files = self.session.reader.rows("SELECT count(*) AS n FROM files WHERE state = 'here'")
        line = self.sync_line
        self.sync_line = SyncLine(line.connection, line.since, rows[0]["n"], files[0]["n"], line.synced)
        for screen in self.screen_stack:
            for header in screen.query(StatusHeader):
                header.line = self.sync_line

    # --- Keys ---------------------------------------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key):
            self._tidying.key()
            if event.is_forwarded:
                with self._key_path.comes_up(event):
                    await super().on_event(event)
                return
            if self.keys.takes(event):
                return
            target, screen = self.focused or self.screen, self.screen
            await super().on_event(event)
            if event is self.keys.going:
                self._key_path.follow(event, target, screen)
            return
        await super().on_event(event)

    @on(Followed)
    def _key_came_back(self, event: Followed) -> None:
        self._key_path.came_back(event)

    def _typed_again(self, keys: list[events.Key]) -> None:
        for key in keys:
            key.set_sender(self)  # else it counts as the screen's own that let it go, and never comes back up to where bindings are
            self.post_message(key)

    def _slash_scans(self) -> bool:
        """`/` begins a code, or a search, wherever nothing is typed."""
        from textual.widgets import TextArea  # costs the first frame a tenth of its time

        return isinstance(self.screen, FieldScreen) and not isinstance(self.focused, Input | TextArea)

    def _letters_act(self) -> bool:
        """Letters are actions here, and a code can be looked for. A program at the keys (headless) has neither hand nor scanner."""
        return (
            not self.is_headless
            and self._slash_scans()
            and any(active.binding.id == "search" for active in self.screen.active_bindings.values())
        )

    def _scanned(self, code: str) -> None:
        if isinstance(self.screen, FieldScreen):
            self.screen.scanned(code)
        elif isinstance(self.focused, Input):
            self.focused.insert_text_at_cursor(plain_text(code))

    def _search_begun(self) -> None:
        self.call_later(self._search_then_release)

    async def _search_then_release(self) -> None:
        await self.run_action("search", default_namespace=self.screen)
        self.call_after_refresh(self.keys.release)

    # --- Words to the person ------

    def tell(self, problem: Problem, seconds: float = TOLD_S, severity: Literal["warning", "error"] = "error") -> None:
        """Say what went wrong: what happened, what is safe, what to do; for so many seconds."""
        from fieldapp.screens.problem_words import problem_words  # costs the first frame some milliseconds

        text = safe_text(problem_words(problem))
        self.notify(text.plain, severity=severity, timeout=seconds, markup=False)
        self._told = (problem.code, time.monotonic())

    def _tell_again(self, problem: Problem) -> None:
        """Say it, unless it is still to be read: a draft is written with every few letters."""
        if self._told is None or self._told[0] != problem.code or time.monotonic() - self._told[1] > TOLD_S:
            self.tell(problem)

    def who(self) -> tuple[str, str]:
        """Person and branch, for the header."""
        branch = self.session.documents.branch(self.session.identity.log)
        name = branch.name if branch else {}
        return self.session.identity.name, say(name, language()) or self.session.identity.log

    def now(self) -> int:
        """Milliseconds UTC by the server's clock, as far as known."""
        return time.time_ns() // 1_000_000 + self._skew

    @property
    def _skew(self) -> int:
        row = self.session.reader.row("SELECT value FROM settings WHERE name = 'skew_ms'")
        return int(row["value"]) if row else 0

    # --- Actions that work everywhere ------

    def action_help(self) -> None:
        from textual.widgets import TextArea

        from fieldapp.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            return
        active = self.screen.active_bindings.values()
        working = list(dict.fromkeys(b.binding.id for b in active if b.enabled and b.binding.id in ACTIONS))
        waiting = list(dict.fromkeys(b.binding.id for b in active if not b.enabled and b.binding.id in ACTIONS))
        title = _(getattr(self.screen, "TITLE_TEXT", ""))
        typing = isinstance(self.focused, Input | TextArea)
        self.push_screen(HelpScreen(title, [i for i in working if i], [i for i in waiting if i], typing=typing))

    def action_language(self) -> None:
        codes = list(LANGUAGES)
        self.speak(codes[(codes.index(language()) + 1) % len(codes)])

    def speak(self, code: str) -> None:
        """Go over to another language, everywhere, without losing the place."""
        set_language(code)
        self.remember(KEPT_LANGUAGE, code)
        for screen in self.screen_stack:
            if isinstance(screen, FieldScreen):
                screen.read_again()
            screen.refresh(recompose=False, layout=True)
            for header in screen.query(StatusHeader):
                header.show_person(*self.who())
            for widget in screen.query("*"):
                widget.refresh()

    def action_theme(self) -> None:
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.remember(KEPT_THEME, self.theme)

    def remember(self, name: str, value: str) -> None:
        """Keep a choice in this home for the next start."""
        self.keep(lambda services: services.replica.set_settings(**{name: value}))

    def action_network(self) -> None:
        if self._network is not None:
            up = self._network()
            self.hurry()
            self.notify(_("The network is back.") if up else _("The network is cut. Work goes on."), timeout=3)

    def hurry(self) -> bool:
        """Ask the sync loop to try now. False where this device does not sync in the app."""
        if self._sync_loop is None:
            return False
        self._sync_loop.hurry("asked")
        return True

    @property
    def syncs(self) -> bool:
        """Whether this app keeps in step with the server, or will as soon as nothing is in the way."""
        return self._make_loop is not None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action not in _WHILE_LOCKED and any(getattr(screen, "locked", False) for screen in self.screen_stack):
            return False
        if action == "network":
            return self._network is not None
        return super().check_action(action, parameters)

    def action_command_palette(self) -> None:
        if self.use_command_palette and not any(isinstance(screen, CommandPalette) for screen in self.screen_stack):
            self.push_screen(CommandPalette(id="--command-palette", placeholder=_("Find what to do by its name ...")))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action of the screen, as `Noun: label`, for the command palette."""
        offered = {active.binding.id: active for active in screen.active_bindings.values() if active.enabled}
        # once each, whatever number of keys it has; what this screen is for comes first
        for name, active in sorted(offered.items(), key=lambda item: item[0] in _ANYWHERE):
            action = ACTIONS.get(name or "")
            if action is None:
                continue

            async def call(run: str = active.binding.action) -> None:
                if not await self.run_action(run, default_namespace=screen):
                    await self.run_action(run)  # what works on every screen is the app's

            yield SystemCommand(_(": ").join((_(action.noun), _(action.label))), _(action.help), call)
        for code, name in LANGUAGES.items():
            yield SystemCommand(_(": ").join((_("Language"), name)), "", lambda code=code: self.speak(code))
        yield SystemCommand(_("App: quit"), _("Leave. Everything recorded is saved."), self.exit)
