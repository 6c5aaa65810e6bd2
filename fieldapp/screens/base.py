"""What all screens share: header, footer, going back, and hearing what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen, Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from fieldapp.domain.safe import plain_text
from fieldapp.language import _
from fieldapp.screens.actions import bindings
from fieldapp.widgets.footer import KeyFooter
from fieldapp.widgets.header import StatusHeader
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp

ResultT = TypeVar("ResultT")
SAVING_S = 15.0
"""Keys wait so long for an answer to be saved: longer than another program is waited for that has the home."""
SLOW_S = 0.5
"""What is not saved by then is said to be under way."""
EVERYWHERE = ("help", "language", "theme", "network")


class FieldScreen(Screen[None]):
    """A full screen: `body()` between header and footer.

    A screen refreshes only when it shows one of the streams that changed: `shows(streams)`; then `reload()` reads again.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back", *EVERYWHERE)]
    TITLE_TEXT: ClassVar[str] = ""
    _filled = False

    @property
    def field(self) -> FieldApp:
        """The app, with its type."""
        return cast("FieldApp", self.app)

    def compose(self) -> ComposeResult:
        self._know_the_width()
        yield StatusHeader(*self.field.who())
        yield from self.body()
        yield KeyFooter()

    def body(self) -> Iterable[Widget]:
        return ()

    def _know_the_width(self) -> None:
        """Textual says whether a screen is narrow or wide only after its first picture: then it would be laid out once more."""
        reached = [name for least, name in self.app.HORIZONTAL_BREAKPOINTS or () if least <= self.size.width]
        self.add_class(*reached[-1:], update=False)

    def shows(self, streams: frozenset[str]) -> bool:
        """Whether a change of these streams concerns this screen."""
        return True

    def sync_moved(self) -> None:
        """The exchange with the server has moved on (`field.sync_status`). Only screens that show it care."""

    def reload(self) -> None:
        """Read again what is shown. Keeps cursor, scroll position and everything typed."""

    def read_again(self) -> None:
        """`reload`, unless the screen is not filled yet, which reads when it is there, or is being taken down."""
        if self._filled and self.app.is_running:
            self.reload()

    def scanned(self, code: str) -> None:
        """A code from a scanner: into the field that has the focus, else into the search. It never fires actions."""
        focused = self.focused
        if isinstance(focused, Input):
            focused.insert_text_at_cursor(plain_text(code))
        elif any(active.binding.id == "search" for active in self.active_bindings.values()):
            from fieldapp.screens.search import SearchScreen

            self.app.push_screen(SearchScreen(plain_text(code)))

    def on_mount(self) -> None:
        """Fills the screen, once: a screen that goes on from there calls it, and Textual calls it for the base class as well."""
        if not self._filled:
            self._filled = True
            self.query_one(StatusHeader).line = self.field.sync_line
            self.reload()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        if not self.field.begun:
            event.prevent_default()
            return
        self.query_one(StatusHeader).line = self.field.sync_line
        if self.field.changed_while_hidden(self):
            self.read_again()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "network" and not self.app.check_action(action, parameters):
            return False  # only a demo has a network to cut
        return super().check_action(action, parameters)

    def action_sync_centre(self) -> None:
        from fieldapp.screens.technician.sync_centre import SyncCentreScreen

        self.app.push_screen(SyncCentreScreen())

    def action_search(self) -> None:
        from fieldapp.screens.search import SearchScreen

        self.app.push_screen(SearchScreen())

    def action_back(self) -> None:
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()


class FieldModal(ModalScreen[ResultT]):
    """A small window with a typed result; None means that the person went back.

    Where the result is recorded (`FieldApp.ask`) the window stays until that is saved: what is refused, on a full disk say, is
    still there as it was typed, and is tried again with the same key.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    DEFAULT_CSS = """
    FieldModal { align: center middle; background: $background 60%; }
    FieldModal > .window {
        width: auto; min-width: 40; max-width: 100%; height: auto; max-height: 90%;
        background: $surface; border: round $border; padding: 0 1; border-title-color: $text-primary;
    }
    """

    records: Callable[[ResultT], object] | None = None
    """Records the answer; whoever does so says how it went: `saved` or `not_saved`. Set by `FieldApp.ask`."""
    about: str = ""
    """What is asked, and about what: whoever leaves after a refusal finds again what stood here. '' where it is kept elsewhere."""
    _was_refused = False
    _answered: tuple[ResultT] | None = None
    _is_saved = False
    _slow: Timer | None = None
    _subtitle = ""

    @property
    def field(self) -> FieldApp:
        return cast("FieldApp", self.app)

    def answer(self, answer: ResultT) -> None:
        """The person has answered: the window closes, at once or when the answer is recorded. One answer is taken at a time."""
        if self.records is None:
            self.dismiss(answer)
        elif self._answered is None:
            self._answered = (answer,)
            self.field.keys.hold(SAVING_S)
            self._slow = self.set_timer(SLOW_S, self._say_saving)
            self.records(answer)

    def saved(self) -> None:
        """The answer is on the disk: the window closes, now or when it is in front again."""
        self._no_longer_saving()
        self._is_saved = True
        self.field.session.left.pop(self.about, None)
        self._close_saved()

    def not_saved(self) -> None:
        """The answer was refused. Keys that came meanwhile were meant for what would have come next: they are no part of it."""
        self._no_longer_saving()
        self._answered, self._was_refused = None, True
        self.field.keys.forget()
        self.field.keys.release()

    def recording(self) -> AbstractContextManager[None]:
        """Entered in the writing thread, around what records the answer: what was kept of it while it was typed goes with that."""
        return nullcontext()

    def entered(self) -> dict[str, Any]:
        """What stands in the window: all that `put_back` needs."""
        return {str(place): line.value for place, line in enumerate(self.query(Input))}

    def put_back(self, entered: dict[str, Any]) -> None:
        """Show again what stood here when the window was left."""
        for place, line in enumerate(self.query(Input)):
            line.value = entered[str(place)]

    def on_mount(self) -> None:
        """Subclasses fill the window before: Textual calls theirs first."""
        left = self.field.session.left.get(self.about) if self.about else None
        if left is not None:
            self._was_refused = True
            self.put_back(left)

    def on_screen_resume(self) -> None:
        self._close_saved()

    def action_back(self) -> None:
        if self._answered is not None:
            return
        if self._was_refused and self.about:
            self.field.session.left[self.about] = self.entered()
        self.dismiss(None)

    def _close_saved(self) -> None:
        if self._is_saved and self._answered is not None and self.app.screen is self:
            self.dismiss(self._answered[0])

    def _say_saving(self) -> None:
        for window in self.query(".window"):
            self._subtitle, window.border_subtitle = str(window.border_subtitle or ""), _("Saving ...")

    def _no_longer_saving(self) -> None:
        if self._slow is not None:
            self._slow.stop()
            self._slow = None
        if self._subtitle:
            for window in self.query(".window"):
                window.border_subtitle = safe_text(self._subtitle)
            self._subtitle = ""
