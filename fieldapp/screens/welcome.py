"""The first start: whose device this is, at which server. Then the first exchange, as far as it really is, and the app opens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from fieldapp.domain.problem import Problem
from fieldapp.language import LANGUAGES, _, language, later, plural, set_language
from fieldapp.screens.actions import bindings
from fieldapp.screens.cause_words import cause_shown
from fieldapp.screens.problem_words import problem_words
from fieldapp.screens.technician.sync_centre import SENTENCES
from fieldapp.screens.themes import THEMES
from fieldapp.settings import DeviceSettings
from fieldapp.store.home import Home, Identity
from fieldapp.store.queries.reader import Reader
from fieldapp.version import version
from fieldapp.widgets.footer import KeyFooter
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.sync.status import SyncStatus


_ABOUT_THE_CODE = ("enrol-code-unknown", "enrol-code-used", "enrol-code-expired")
_ABOUT_THE_ADDRESS = ("bad-url", "plain-http", "not-a-server")
"""Problems after which the cursor is in the line that was wrong."""


class WelcomeApp(App[Identity]):
    """Gives the identity once this home is enrolled and has been filled; None when the person leaves before.

    Args:
        home: the folder that becomes a device. settings: certificates and proxy of the company.
    """

    TITLE = "Fieldapp"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, home: Home, settings: DeviceSettings) -> None:
        super().__init__()
        self.home, self.settings = home, settings
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def on_mount(self) -> None:
        self.push_screen(WelcomeScreen(self.home, self.settings))


class LineInput(Input):
    """Enter goes on: to the next line, or to the server."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", later("go on"), id="go_on", key_display="Enter")]


class WelcomeScreen(Screen[None]):
    """Address and code; below them what is going on, or why it did not work and what to do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        replace(bindings("language")[0], show=True),
        Binding("enter", "open_now", later("open"), show=False),
        Binding("escape", "leave", later("leave"), id="leave", key_display="Esc"),
    ]
    CSS_PATH = "welcome.tcss"

    class Enrolled(Message):
        """The server knows this device now."""

        def __init__(self, identity: Identity) -> None:
            super().__init__()
            self.identity = identity

    class Refused(Message):
        """It did not work, and why."""

        def __init__(self, problem: Problem) -> None:
            super().__init__()
            self.problem = problem

    class Fetched(Message):
        """The first exchange has moved on."""

        def __init__(self, status: SyncStatus) -> None:
            super().__init__()
            self.status = status

    class Complete(Message):
        """Everything this device needs is here, and the home is let go."""

    def __init__(self, home: Home, settings: DeviceSettings) -> None:
        super().__init__()
        self._home, self._settings = home, settings
        self._identity: Identity | None = None
        self._problem: Problem | None = None
        self._status: SyncStatus | None = None
        self._busy = False
        self._over = threading.Event()

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield from self._lines()
        yield KeyFooter()

    def _lines(self) -> Iterable[Widget]:
        yield Static(id="greeting", markup=False)
        yield Static(id="languages", markup=False)
        yield Static(id="url-label", classes="label", markup=False)
        yield LineInput("https://", id="url", select_on_focus=False, max_length=300)
        yield Static(id="code-label", classes="label", markup=False)
        yield LineInput("", id="code", max_length=40)
        yield Static(id="news", markup=False)

    def on_mount(self) -> None:
        self._say()
        self.query_one("#url", Input).focus()

    def on_unmount(self) -> None:
        self._over.set()

    # --- Words --------------------------------------------------------------------------------------------------------------------

    def _say(self) -> None:
        """Everything again, in the language spoken now."""
        nobody = _("This device belongs to nobody yet. The office gives you a one-time code.")
        greeting = Content.assemble((_("Welcome to Fieldapp"), "bold $text-primary"), "\n", (nobody, "$text-muted"))
        self.query_one("#greeting", Static).update(greeting)
        names = [(name, "reverse" if code == language() else "$text-muted") for code, name in LANGUAGES.items()]
        self.query_one("#languages", Static).update(Content("  ").join(Content.styled(f" {name} ", style) for name, style in names))
        self._write("url-label", _("Server"), _("its address, as the office wrote it down"))
        self._write("code-label", _("Code"), _("letters and digits; capitals and hyphens do not matter"))
        self.query_one("#news", Static).update(self._news())
        self.refresh_bindings()

    def _write(self, name: str, title: str, more: str) -> None:
        self.query_one(f"#{name}", Static).update(Content.assemble((title, "bold"), "  ", (more, "$text-muted")))

    def _news(self) -> Content:
        if self._problem is not None:
            return safe_text("✗ " + problem_words(self._problem), "$text-error")
        if self._identity is not None:
            return self._progress(self._identity)
        if self._busy:
            return Content.styled(_("Asking the server ..."), "$text-primary")
        return Content("")

    def _progress(self, identity: Identity) -> Content:
        hello = Content.assemble(("✓ ", "$text-success"), safe_text(identity.name, "bold"), ", ", _("this is your device now."))
        parts, ready, jobs = first_fetched(self._home)
        lines = [hello, Content(_("Fetching your jobs and all they need. From then on everything works without a network."))]
        if parts:
            filled = 30 * ready // parts
            bar = Content.assemble(("█" * filled, "$text-primary"), ("░" * (30 - filled), "$text-muted"))
            count = plural("{count} job", "{count} jobs", jobs).format(count=jobs)
            lines.append(Content.assemble(bar, "  ", _("{ready} of {parts} parts").format(ready=ready, parts=parts), ", ", count))
        status = self._status
        if status is not None and status.connection not in ("online", "unknown"):
            why = cause_shown(status.connection, status.words)
            cause = safe_text(f" ({why})") if why else Content("")
            lines += [Content.styled(_(SENTENCES[status.connection]), "$text-warning") + cause]
            lines += [Content(_("Enter opens the app now; what is missing comes later by itself."))]
        return Content("\n").join(lines)

    # --- What is done ---

    def action_language(self) -> None:
        codes = list(LANGUAGES)
        set_language(codes[(codes.index(language()) + 1) % len(codes)])
        self._say()

    def action_leave(self) -> None:
        """Nothing is lost: a code that was used answers again, and a device that is enrolled goes on fetching at the next start."""
        self.app.exit(self._identity)

    def action_open_now(self) -> None:
        if self._identity is not None:
            self.app.exit(self._identity)

    @on(Input.Submitted)
    def _go_on(self) -> None:
        url, code = self.query_one("#url", Input), self.query_one("#code", Input)
        if not url.value.strip().removeprefix("https://").removeprefix("http://"):
            url.focus()
        elif not code.value.strip():
            code.focus()
        elif not self._busy:
            self._problem, self._busy = None, True
            if "://" not in url.value:  # the address as people say it
                url.value = "https://" + url.value.strip()
            self._say()
            self._enrol(url.value.strip(), code.value.strip())

    def _enrol(self, url: str, code: str) -> None:
        """In a thread that does not keep the program alive: whoever leaves does not wait for a server that is silent."""
        threading.Thread(target=self._ask, args=(url, code), name="enrol", daemon=True).start()

    def _ask(self, url: str, code: str) -> None:
        from fieldapp.sync.enrol import enrol

        try:
            with self._home.locked("fieldapp"):
                identity = enrol(
                    url, code, self._home, device_name=socket.gethostname(), app_version=version(),
                    ca_file=self._settings.ca_file, proxy=self._settings.proxy,
                )  # fmt: skip
        except Problem as problem:
            self.post_message(self.Refused(problem))
        except Exception as error:  # whatever it was, the person is told and can try again
            self.post_message(self.Refused(Problem("unexpected", f"Something unexpected went wrong ({type(error).__name__}).")))
        else:
            self.post_message(self.Enrolled(identity))

    @on(Refused)
    def _refused(self, event: Refused) -> None:
        self._problem, self._busy = event.problem, False
        self._say()
        if event.problem.code in _ABOUT_THE_CODE:
            self.query_one("#code", Input).focus()
        elif event.problem.code in _ABOUT_THE_ADDRESS:
            self.query_one("#url", Input).focus()

    @on(Enrolled)
    def _enrolled(self, event: Enrolled) -> None:
        self._identity = event.identity
        for field in self.query(Input):
            field.display = False
        for label in self.query(".label"):
            label.display = False
        self.set_focus(None)
        self._say()
        self._fetch()

    @work(group="fetch", exclusive=True, exit_on_error=False, thread=True)
    def _fetch(self) -> None:
        """The first exchange, by the same loop that the app runs, until everything is here or the person goes on without."""
        from fieldapp.bootstrap import open_device
        from fieldapp.sync.once import sync_loop

        def heard(status: SyncStatus) -> None:
            self.post_message(self.Fetched(status))
            if status.synced is not None:
                self._over.set()

        try:
            with open_device(self._home, "fieldapp") as device:
                loop = sync_loop(device, self._settings, heard)
                try:
                    self._over.wait()
                finally:
                    loop.stop()
        except Problem as problem:
            self.post_message(self.Refused(problem))
            return
        self.post_message(self.Complete())

    @on(Complete)
    def _complete(self) -> None:
        self.app.exit(self._identity)

    @on(Fetched)
    def _fetched(self, event: Fetched) -> None:
        self._status = event.status
        self.query_one("#news", Static).update(self._news())


def first_fetched(home: Home) -> tuple[int, int, int]:
    """(streams this device needs, those that are here, jobs) as of now."""
    reader = Reader(home.database_file)
    try:
        row = reader.rows("SELECT count(*) AS parts, coalesce(sum(live), 0) AS ready FROM scope")[0]
        jobs = reader.rows("SELECT count(*) AS n FROM jobs")[0]["n"]
    except Problem:
        return 0, 0, 0  # the database is being made
    finally:
        reader.close()
    return row["parts"], row["ready"], jobs
