"""The last line: the keys that work here, clickable. What does not fit is one `?` away."""

from __future__ import annotations

from textual import events
from textual.app import RenderResult
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget

from fieldapp.language import _


class KeyFooter(Widget):
    """Shows the active bindings that have an id in the order the screen declares them; help always keeps its place at the end."""

    DEFAULT_CSS = """
    KeyFooter { dock: bottom; height: 1; background: $footer-background; color: $footer-foreground; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._spots: list[tuple[int, int, str]] = []
        self._offered: tuple[list[Binding], list[Binding]] = ([], [])

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self._look())
        self._look()

    def render(self) -> RenderResult:
        return self._line(*self._offered)

    def _look(self) -> None:
        """What can be done now. Behind a question the keys stay as they were: none works there."""
        if self.screen.is_active:
            bindings = {active.binding.id: active.binding for active in self.screen.active_bindings.values() if active.enabled}
            shown = [binding for name, binding in bindings.items() if name and name != "help" and binding.show]
            self._offered = self._tab_in_its_place(shown), [bindings["help"]] if "help" in bindings else []
        self.refresh()

    def _tab_in_its_place(self, shown: list[Binding]) -> list[Binding]:
        """Every Textual screen has Tab before all keys of ours; it comes after what the screen names before it."""
        named = [binding.id for binding in type(self.screen).BINDINGS if isinstance(binding, Binding)]
        for binding in [binding for binding in shown if binding.key_display == "Tab" and binding.id in named]:
            before = named[: named.index(binding.id)]
            places = [place for place, other in enumerate(shown) if other.id in before]
            if places and places[-1] > shown.index(binding):
                shown.insert(places[-1] + 1, binding)
                shown.remove(binding)
        return shown

    def _line(self, shown: list[Binding], helps: list[Binding]) -> Content:
        """As many as there is room for, help at the end."""
        width = self.size.width
        end = [_chip(binding) for binding in helps]
        room = width - sum(chip.cell_length for chip in end)
        parts: list[Content] = []
        self._spots = []
        x = 0
        for binding in shown:
            chip = _chip(binding)
            if x + chip.cell_length > room:
                break
            self._spots.append((x, x + chip.cell_length, binding.action))
            parts.append(chip)
            x += chip.cell_length
        gap = max(0, room - x)
        for binding, chip in zip(helps, end, strict=True):
            self._spots.append((x + gap, x + gap + chip.cell_length, binding.action))
        return Content.assemble(*parts, " " * gap, *end)

    async def on_click(self, event: events.Click) -> None:
        for start, stop, action in self._spots:
            if start <= event.x < stop:
                if not await self.app.run_action(action, default_namespace=self.screen):
                    await self.app.run_action(action)  # what works on every screen is the app's
                return


def _chip(binding: Binding) -> Content:
    key = binding.key_display or binding.key
    return Content.assemble((f" {key} ", "bold $footer-key-foreground"), (f"{_(binding.description)} ", ""))
