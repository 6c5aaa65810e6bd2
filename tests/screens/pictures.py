"""`python -m tests.screens.pictures`: the README's pictures, exported by the app itself over the demo company.

The font's address that the export names is taken out, so that a picture shows the same wherever it lies.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

import time_machine

from fieldapp.language import set_language
from tests.screens.conftest import NOW, FieldHome, _build

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PICTURES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("today", "tech-anna", "en", ()),
    ("step", "tech-anna", "en", ("down", "down", "enter", "enter", "f8", "1", "2")),
    ("step-zh", "tech-anna", "zh_CN", ("down", "down", "enter", "enter", "f8", "1", "2")),
    ("board", "sup-petra", "en", ()),
    ("review", "sup-petra", "en", ("f4", "enter")),
)
"""Name, person, language, keys pressed from the first screen on."""


async def take(home: FieldHome, keys: tuple[str, ...]) -> str:
    """The app's screen after these keys, at 80x24, as SVG."""
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.workers.wait_for_complete()
        for key in keys:
            await pilot.press(key)
            await app.workers.wait_for_complete()
            await pilot.pause()
        picture = app.export_screenshot(title="Fieldapp")
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, time_machine.travel(NOW, tick=False):
        for name, person, language, keys in PICTURES:
            set_language(language)
            home = FieldHome(_build(Path(folder) / name, person))
            (FOLDER / f"{name}.svg").write_text(asyncio.run(take(home, keys)), encoding="utf-8")
        set_language("en")


if __name__ == "__main__":
    main()
