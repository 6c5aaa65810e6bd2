"""Foreign text reaches a widget through `safe_text` only: the source of all screens and widgets is read for exceptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.screens.foreign_text import leaks

SOURCE = Path(__file__).parents[2] / "fieldapp"
FILES = sorted(file for part in ("screens", "widgets") for file in (SOURCE / part).rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCE).as_posix())
def test_foreign_text_goes_through_safe_text(file: Path) -> None:
    found = leaks(file.name, file.read_text(encoding="utf-8"))
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize(
    "line",
    [
        "Static(job.title, markup=False)",
        "Content(f'{job.number}')",
        "Content.styled(say(job.title), 'bold')",
        "Content.assemble('x', (person.name, 'bold'))",
        "box.update(' '.join([note.text]))",
        "title = say(job.title); box.update(f'{title}!')",
        "window.border_title = _('For {name}').format(name=person.name)",
        "window.border_title = plain_text(person.name)",
        "self.notify(_('Saved {name}').format(name=name))",
        "self.notify(problem.message, markup=False)",
        "Static(own)",
        "Content.from_markup(own)",
        "Static(own, markup=True)",
        "Content(value_words(procedure, step, value))",
    ],
)
def test_a_leak_is_found(line: str) -> None:
    body = "\n".join(f"    {part.strip()}" for part in line.split(";"))
    assert leaks("x.py", f"def draw(self, job):\n{body}\n")


@pytest.mark.parametrize(
    "line",
    [
        "Static(safe_text(job.title), markup=False)",
        "Content.styled(_('open'), 'bold')",
        "Content.assemble('x', safe_text(person.name, 'bold'))",
        "window.border_title = safe_text(person.name)",
        "window.border_title = _('Who?')",
        "self.notify(_('Saved.'), timeout=3)",
        "self.notify(plain_text(told), markup=False)",
        "Content(plural('{count} job', '{count} jobs', n).format(count=n))",
    ],
)
def test_what_is_safe_is_left_alone(line: str) -> None:
    assert not leaks("x.py", f"def draw(self, job):\n    {line}\n")
