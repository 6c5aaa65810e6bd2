"""One option, or several: a list with marks, searched by typing where it is long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from fieldapp.domain.procedure import Choice
from fieldapp.domain.words import say
from fieldapp.language import _, language
from fieldapp.screens.technician.inputs.base import RECORD, Asked, Field, StepInput
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList
from fieldapp.widgets.wrapping import wrap

LONG = 10
"""More options than this are searched by typing."""


class OptionList(WindowList):
    """Options with their marks. In a list of one the cursor chooses, as in any group of radio buttons; in a list of several space
    marks. 1 to 9 choose by place."""

    DEFAULT_CSS = """
    OptionList { height: auto; max-height: 12; border: tall $border-blurred; background: $surface; }
    OptionList:focus { border: tall $border; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *RECORD,
        Binding("space", "mark", show=False),
        *(Binding(str(digit), f"place({digit})", show=False) for digit in range(1, 10)),
    ]

    def __init__(self, options: Sequence[Choice], chosen: Sequence[str], *, several: bool) -> None:
        super().__init__(self._row, empty=_("No option fits the other answers."))
        self.options, self.several = tuple(options), several
        known = {option.id for option in options}
        self.chosen = [option for option in chosen if option in known]
        self._shown = self.options

    def on_mount(self) -> None:
        self.show(Rows[object](self._shown, _id))
        if self.chosen:
            self.go_to(self.chosen[0])

    def on_resize(self) -> None:
        longest = max((safe_text(say(option.label, language()) or option.id).cell_length for option in self.options), default=0)
        self._row_height = max(1, min(3, -(-longest // max(1, self.size.width - 7))))
        super().on_resize()

    def _row(self, row: object, width: int) -> Content:
        assert isinstance(row, Choice)
        number = self._shown.index(row) + 1
        marks = ("[x]", "[ ]") if self.several else ("(●)", "( )")
        mark = marks[0] if row.id in self.chosen else marks[1]
        place = f"{number} " if number < 10 and len(self.options) <= LONG else "  "
        label = wrap(safe_text(say(row.label, language()) or row.id), max(4, width - 7))
        head = Content.assemble(" ", (place, "$text-muted"), mark, " ")
        lines = [Content.assemble(head if number == 0 else " " * 7, line) for number, line in enumerate(label)]
        return Content("\n").join(lines)

    def narrow(self, words: str) -> None:
        """Show only the options with these words in a label or id."""
        wanted = words.strip().casefold()
        self._shown = tuple(
            option
            for option in self.options
            if not wanted or any(wanted in text.casefold() for text in (option.id, *option.label.values()))
        )
        self.show(Rows[object](self._shown, _id))
        self.refresh(layout=True)

    # --- Choosing ---------------------------------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        if self.several or self.chosen:
            super().action_move(step)
        if not self.several:
            self._take()

    def action_page(self, step: int) -> None:
        super().action_page(step)
        if not self.several:
            self._take()

    def action_edge(self, step: int) -> None:
        super().action_edge(step)
        if not self.several:
            self._take()

    def action_mark(self) -> None:
        if self.several:
            self.toggle()
        else:
            self._take()

    def action_place(self, number: int) -> None:
        if number <= len(self._shown) and len(self.options) <= LONG:
            self.go_to(self._shown[number - 1].id)
            self.action_mark()

    def on_click(self, event: events.Click) -> None:
        super().on_click(event)
        if self.index_at(event) is not None:
            self.action_mark()

    def toggle(self) -> None:
        """Mark the option under the cursor, or take its mark away."""
        row = self.row
        if isinstance(row, Choice):
            if row.id in self.chosen:
                self.chosen.remove(row.id)
            else:
                self.chosen.append(row.id)
            self._tell()

    def _take(self) -> None:
        row = self.row
        if isinstance(row, Choice) and self.chosen != [row.id]:
            self.chosen = [row.id]
            self._tell()

    def _tell(self) -> None:
        self.refresh()
        self.post_message(StepInput.Edited(self.text))

    @property
    def text(self) -> str:
        return " ".join(option.id for option in self.options if option.id in self.chosen)


def _id(row: object) -> str:
    assert isinstance(row, Choice)
    return row.id


class _Search(Field):
    """Narrows the list below it; up and down move there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "across(-1)", show=False),
        Binding("down", "across(1)", show=False),
        Binding("enter", "take", show=False),
    ]

    def __init__(self, options: OptionList, hint: str) -> None:
        super().__init__("", hint)
        self._options = options

    def action_across(self, step: int) -> None:
        self._options.action_move(step)

    async def action_take(self) -> None:
        """Enter takes what was searched for; with nothing typed it records."""
        if self.value.strip() and self._options.count:
            if self._options.several:
                self._options.toggle()
                self.value = ""
                return
            self._options.action_mark()
        await self.run_action("screen.record")


class OptionInput(StepInput):
    """A choice, or several."""

    DEFAULT_CSS = """
    OptionInput OptionList { max-height: 12; }
    """

    def __init__(self, asked: Asked, text: str) -> None:
        super().__init__(asked, text)
        self.several = asked.place.step.type == "multiple_choice"

    def compose(self) -> ComposeResult:
        options = OptionList(self.asked.offered, self.first.split(), several=self.several)
        if len(self.asked.offered) > LONG:
            hint = _("type to search; Enter marks, then records") if self.several else _("type to search; Enter takes and records")
            yield _Search(options, hint)
        yield options

    @property
    def text(self) -> str:
        return self.query_one(OptionList).text

    def grab(self) -> None:
        search = self.query(_Search)
        self.screen.set_focus(search.first() if search else self.query_one(OptionList))

    @on(Input.Changed)
    def _narrowed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(OptionList).narrow(event.value)
