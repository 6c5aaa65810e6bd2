"""The application's style rules, each parsed once.

Textual parses every rule anew whenever a screen brings a style file of its own and whenever a theme is named: a sixth of the time
to the first frame, and 40 ms at the first opening of each screen. Rules depend on their text and on the theme's variables alone.
"""

from __future__ import annotations

from textual.css.stylesheet import Stylesheet


class KeptStylesheet(Stylesheet):
    """Keeps what is parsed until the variables change. Our style files are fixed with the program, so a file that does not parse is
    a defect that every test of its screen finds: there is no need to try it on a copy first."""

    def __init__(self, *, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._for = dict(variables)

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._for:
            self._for = dict(variables)
            super().set_variables(variables)

    def reparse(self) -> None:
        self.parse()
