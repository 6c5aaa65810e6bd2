"""What all inputs of a step share: they hold one text, say when it changes, and leave recording it to the screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from fieldapp.domain.procedure import Choice
from fieldapp.domain.progress import StepPlace
from fieldapp.domain.safe import plain_text
from fieldapp.screens.actions import bindings

RECORD: list[BindingType] = [
    replace(binding, action="screen.record") for binding in bindings("record") if isinstance(binding, Binding)
]
"""Enter, for a widget that would otherwise keep it to itself."""


def erasing(word: str, text: str) -> list[BindingType]:
    """The keys that take away a word and all that was typed, for help and palette too: which actions of the field they are."""
    actions = {"erase_word": word, "erase_text": text}
    return [replace(binding, action=f"focused.{actions[str(binding.id)]}") for binding in bindings(*actions)]


@dataclass(frozen=True)
class Asked:
    """What is asked at a step, as its input needs it.

    offered: options that the choice filter lets through. files: names of the attached files; wanted: how many are asked for.
    shown: the value of a step at which nothing is entered, or the text that is signed. now: local time as `2026-11-20T09:30`.
    """

    place: StepPlace
    offered: tuple[Choice, ...] = ()
    files: tuple[str, ...] = ()
    wanted: int = 0
    shown: str = ""
    now: str = field(default="", compare=False)


class StepInput(Vertical):
    """One input. Made with the text that stands in it at first: a draft, the recorded value, a default, or nothing.

    `text` is what would be recorded now. Foreign text in it shows its control characters (see domain/safe.py).
    """

    DEFAULT_CSS = """
    StepInput { height: auto; }
    """

    class Edited(Message):
        """The person changed what stands in it. `place` is the step it was typed at, which need not be the open one any more."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text
            self.place: StepPlace | None = None

    def __init__(self, asked: Asked, text: str) -> None:
        super().__init__()
        self.asked = asked
        self.first = plain_text(text, lines=True)

    @on(Edited)
    def _typed_here(self, event: StepInput.Edited) -> None:
        event.place = self.asked.place

    @property
    def text(self) -> str:
        raise NotImplementedError

    def grab(self) -> None:
        """Take the focus at once, so that the first picture is the last; the cursor at the end of what stands there."""
        self.screen.set_focus(self.query("*").filter(":can-focus").first())

    @property
    def settled(self) -> bool:
        """Whether what stands there is to be judged; a running timer is not."""
        return True

    @property
    def more(self) -> bool:
        """Whether something was entered besides the value, so that the same value is not the same answer."""
        return False

    def scanned(self, code: str) -> bool:
        """Whether it takes a scanned code."""
        return False


class Field(Input):
    """One line. Enter records; pasted text is made visible before it is in.

    Args: first: looks at each key before the field does; True where it was not meant for the field.
    """

    DEFAULT_CSS = """
    Field { width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*RECORD, *erasing("delete_left_word", "delete_left_all")]

    def __init__(self, value: str = "", placeholder: str = "", first: Callable[[events.Key], bool] = lambda key: False) -> None:
        super().__init__(value, placeholder=placeholder, select_on_focus=False)
        self._first = first

    def on_key(self, event: events.Key) -> None:
        if self._first(event):
            event.stop()
            event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.text = plain_text(event.text.strip("\r\n"))


class LineInput(StepInput):
    """A step answered in one line."""

    DEFAULT_CSS = """
    LineInput > Horizontal { height: 3; }
    LineInput .unit { width: auto; padding: 1 1; color: $text-muted; }
    """
    UNIT = ""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Field(self.first.replace("\n", " "), self.hint(), self.meant)
            if self.unit():
                yield Static(self.unit(), classes="unit", markup=False)

    def hint(self) -> str:
        """What the empty field says."""
        return ""

    def unit(self) -> str:
        return ""

    def meant(self, event: events.Key) -> bool:
        """Whether a key means something else than its character."""
        return False

    @property
    def field(self) -> Field:
        return self.query_one(Field)

    @property
    def text(self) -> str:
        return self.field.value

    def grab(self) -> None:
        self.screen.set_focus(self.field)
        self.field.cursor_position = len(self.field.value)

    def fill(self, text: str) -> None:
        """Put another text in, as if it had been typed."""
        self.field.value = text
        self.field.cursor_position = len(text)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self.first:
            self.first = "\x00"  # from here on every change is the person's
            self.post_message(self.Edited(event.value))
