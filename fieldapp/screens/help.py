"""What can be done here: every action of the screen below, with its key and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from fieldapp.language import _
from fieldapp.screens.actions import ACTIONS, bindings, display
from fieldapp.screens.base import FieldModal
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.wrapping import wrap

_KEYS, _WIDTH = 9, 70
"""Columns for the keys, and for a whole line beside the scroll bar."""


_LAST = ("erase_word", "erase_text", "back", "help", "language", "theme", "network")
"""What works on every screen, or in every field, comes after what this screen is for."""


def _everywhere(name: str) -> int:
    return _LAST.index(name) + 1 if name in _LAST else 0


class HelpScreen(FieldModal[None]):
    """Shows the actions of the screen it was called from, those that work now first.

    Args:
        title: of the screen. working, waiting: ids of the actions that work now, and of the others. typing: into a text, there.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back"), Binding("f1,question_mark,enter", "back", show=False)]
    DEFAULT_CSS = """
    HelpScreen > .window { width: 76; }
    HelpScreen VerticalScroll { height: auto; max-height: 100%; }
    """

    def __init__(self, title: str, working: Sequence[str], waiting: Sequence[str], *, typing: bool = False) -> None:
        super().__init__()
        self._typing = typing
        self._title, self._working, self._waiting = title, sorted(working, key=_everywhere), waiting

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window") as window:
            window.border_title = safe_text(_("Help: {screen}").format(screen=self._title) if self._title else _("Help"))
            window.border_subtitle = _("Esc closes")
            yield Paragraphs(lambda width: self._text(min(width, _WIDTH)))

    def _text(self, width: int) -> Content:
        lines = [line for name in self._working for line in self._lines(name, "bold $text-accent", width)]
        if self._waiting:
            lines += [Content(""), Content.styled(_("Not possible right now:"), "$text-muted")]
            lines += [line for name in self._waiting for line in self._lines(name, "$text-muted", width)]
        if self._typing:
            words = _("While the cursor is in a text, letters and signs are typed; F-keys and Ctrl act as always.")
            lines += [Content(""), *wrap(Content.styled(words, "$text-muted"), width)]
        last = Content.styled(_("Ctrl+P finds every action by its name. Whatever you record is saved at once."), "$text-muted")
        lines += [Content(""), *wrap(last, width)]
        return Content("\n").join(lines)

    def _lines(self, name: str, style: str, width: int) -> list[Content]:
        action = ACTIONS[name]
        keys = " ".join(display(key) for key in action.keys.split(","))
        text = Content.assemble((_(action.label) + _(": "), "bold"), _(action.help))
        lines = wrap(text, width - _KEYS - 2)
        return [Content.assemble((f"{keys if number == 0 else '':>{_KEYS}}  ", style), line) for number, line in enumerate(lines)]
