"""The desk: what waits for a decision of the office, with both sides; what came late and stands; and what only the server knows:
bytes, devices, files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.roles import FIELD
from fieldapp.language import _, later, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.asking import AskScreen, Question
from fieldapp.screens.office.asking_server import AsksServer
from fieldapp.screens.office.desk_rows import DeskRows, Heading
from fieldapp.screens.values import day_time
from fieldapp.store.queries.desk import DeskItem, on_desk, step_of
from fieldapp.store.queries.lists import view_of_job
from fieldapp.sync.asked import silent
from fieldapp.sync.protocol import AsideBytes, KnownDevice, MissingFile
from fieldapp.widgets.giving_way import page
from fieldapp.widgets.window_list import Rows, WindowList

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.services.desk import DeskDecision

_ACTIONS = {
    "desk_theirs": ("conflict",), "desk_ours": ("conflict",), "desk_merge": ("conflict",),
    "desk_release": ("quarantined", "held", "bytes"), "desk_dismiss": ("quarantined", "held", "bytes"),
}  # fmt: skip


class DeskScreen(AsksServer):
    """The list; what the row under the cursor is about, with both sides: below it, or beside it from 110 columns on."""

    TITLE_TEXT = later("Desk")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(
            "desk_read",
            "desk_theirs", "desk_ours", "desk_merge", "desk_release", "desk_dismiss", "open", "sync_centre", "search", "board",
            "review_queue",
        )
    ]  # fmt: skip
    CSS_PATH = "desk.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._rows = DeskRows(lambda: self.field.session, lambda: self.field.now())

    def body(self) -> Iterable[Widget]:
        yield Static(id="about", markup=False)
        with Horizontal():
            yield WindowList(self._rows.in_list, row_height=2, skip=lambda row: isinstance(row, Heading), id="items")
            with VerticalScroll(id="detail-box", can_focus=False):
                yield Static(id="detail", markup=False)

    @property
    def _list(self) -> WindowList:
        return self.query_one("#items", WindowList)

    def on_mount(self) -> None:
        super().on_mount()
        self._list.focus()
        self.watch(self.query_one("#detail-box"), "virtual_size", self.refresh_bindings, init=False)  # whether all of it is in view

    # --- The rows -----------------------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        session, answer, now = self.field.session, self.answer, self.field.now()
        self._rows.read_anew()
        desk, decided = on_desk(session.reader, now), self._rows.decided
        items = desk.waiting
        aside = answer.aside if answer else ()
        sections: tuple[tuple[str, Sequence[object]], ...] = (
            ("decide", [item for item in items if not item.decided]),
            ("bytes", [one for one in aside if one.id not in decided]),
            ("decided", [*(item for item in items if item.decided), *(one for one in aside if one.id in decided)]),
            ("late", desk.late),
            ("devices", silent(answer, now)),
            ("files", answer.files if answer else ()),
        )
        rows = [row for name, found in sections if found for row in (Heading(name, len(found)), *found)]
        self._list.set_empty(_("Nothing waits for a decision.\nWhat does not stand by itself comes here, with both sides."))
        self._list.show(Rows[object](rows, _key))
        open_ = [row for name, found in sections if name in ("decide", "bytes") for row in found]
        self._show_about(open_, now)

    def _show_about(self, open_: Sequence[object], now: int) -> None:
        late = sum(1 for row in open_ if isinstance(row, DeskItem) and row.overdue(now))
        words = plural("{count} thing to decide", "{count} things to decide", len(open_)).format(count=len(open_))
        parts = [Content.styled(words, "bold")]
        if late:
            text = plural("{count} held for more than a day", "{count} held for more than a day", late).format(count=late)
            parts.append(Content.styled(f"! {text}", "$text-warning"))
        answer = self.answer
        if answer is None:
            parts.append(Content.styled(_("unreadable records, devices, files: not asked for yet"), "$text-muted"))
        else:
            time = day_time(answer.time)
            parts.append(Content.styled(_("unreadable records, devices and files as of {time}").format(time=time), "$text-muted"))
        self.query_one("#about", Static).update(Content("   ").join(parts))

    # --- What the row under the cursor is about -----------------------------------------------------------------------------------

    @on(WindowList.Moved)
    def _moved(self) -> None:
        self._show_detail()
        self.query_one("#detail-box").scroll_home(animate=False, immediate=True)
        self.refresh_bindings()

    def on_resize(self) -> None:
        if self.is_mounted:
            self.call_after_refresh(self._show_detail)
            self.call_after_refresh(self.refresh_bindings)

    def _show_detail(self) -> None:
        detail = self.query_one("#detail", Static)
        self.query_one("#detail-box").display = self._list.count > 0
        width = max(30, (detail.size.width or self.size.width - 4))
        detail.update(Content("\n").join(self._rows.in_pane(self._list.row, width, wide=self.has_class("-wide"))))

    def action_desk_read(self) -> None:
        """A page further; after the last one from the top again."""
        box = self.query_one("#detail-box")
        if not page(box, 1):
            box.scroll_home(animate=False, immediate=True)

    # --- Deciding -----------------------------------------------------------------------------------------------------------------

    def action_desk_theirs(self) -> None:
        self._ask_reason(_("Why does the second one stand?"), lambda services, item, why: services.desk.keep(item, "theirs", why))

    def action_desk_ours(self) -> None:
        self._ask_reason(_("Why is what stands kept?"), lambda services, item, why: services.desk.keep(item, "ours", why))

    def action_desk_release(self) -> None:
        log = self._log_of_bytes()
        words = _("Why does it stand after all?")
        self._ask_reason(words, lambda services, item, why: services.desk.release(item, why, log), needed=False)

    def action_desk_dismiss(self) -> None:
        log = self._log_of_bytes()
        self._ask_reason(_("Why is it put aside?"), lambda services, item, why: services.desk.dismiss(item, why, log))

    def action_desk_merge(self) -> None:
        row = self._list.row
        if not isinstance(row, DeskItem):
            return
        name = row.id
        title = self._rows.stories[row.stream].step_title(step_of(row))

        questions = [Question(_("The value that stands from now on")), Question(_("Why"), _("whoever recorded it reads this"))]
        self._decide(name, AskScreen(title, questions), lambda services, texts: services.desk.merge(name, *texts))

    def _ask_reason(self, title: str, decide: Callable[[DeviceServices, str, str], DeskDecision], *, needed: bool = True) -> None:
        row = self._list.row
        if not isinstance(row, DeskItem | AsideBytes):
            return
        name = row.id

        asked = AskScreen(title, [Question(_("Why"), _("whoever recorded it reads this"), needed=needed)])
        self._decide(name, asked, lambda services, texts: decide(services, name, texts[0]))

    def _decide(self, name: str, asked: AskScreen, decide: Callable[[DeviceServices, tuple[str, ...]], DeskDecision]) -> None:
        told = _("Saved. Whoever recorded it hears of it with the next exchange.")

        def answered(texts: tuple[str, ...]) -> None:
            self.field.record(lambda services: decide(services, texts), told=told, then=lambda done: self.reload(), asked=asked)

        self.field.ask(asked, answered, f"{name} {asked.title_text}")

    def _log_of_bytes(self) -> str:
        row = self._list.row
        return row.log if isinstance(row, AsideBytes) else ""

    # --- Going elsewhere ----------------------------------------------------------------------------------------------------------

    @on(WindowList.Chosen)
    def action_open(self) -> None:
        """The job with its log."""
        from fieldapp.screens.search import job_screen

        stream = self._stream()
        if stream:
            self.app.push_screen(job_screen(self, stream))

    def _stream(self) -> str:
        row = self._list.row
        stream = row.stream if isinstance(row, DeskItem | MissingFile) else ""
        return stream if stream and view_of_job(self.field.session.reader, stream) is not None else ""

    def action_board(self) -> None:
        self.action_back()

    def action_review_queue(self) -> None:
        from fieldapp.screens.office.review import ReviewScreen

        self.app.switch_screen(ReviewScreen())

    def action_sync_centre(self) -> None:
        from fieldapp.screens.technician.sync_centre import SyncCentreScreen

        self.app.push_screen(SyncCentreScreen())

    def action_search(self) -> None:
        from fieldapp.screens.search import SearchScreen

        self.app.push_screen(SearchScreen())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        row = self._list.row if self.is_mounted else None
        if action == "open":
            return True if self.is_mounted and self._stream() else None
        if action == "desk_read":
            return self.is_mounted and self.query_one("#detail-box").max_scroll_y > 0
        if action in _ACTIONS:
            return self._can(action, row)
        return super().check_action(action, parameters)

    def _can(self, action: str, row: object) -> bool:
        if isinstance(row, AsideBytes):
            fits = "bytes" in _ACTIONS[action] and row.id not in self._rows.decided
            return fits and not (action == "desk_release" and row.why_not)
        if not isinstance(row, DeskItem) or row.decided or row.kind not in _ACTIONS[action]:
            return False
        return action != "desk_merge" or (self.field.session.identity.role in FIELD and bool(step_of(row)))


def _key(row: object) -> object:
    if isinstance(row, DeskItem | AsideBytes | KnownDevice):
        return row.id
    return row.sha256 if isinstance(row, MissingFile) else getattr(row, "section", None)
