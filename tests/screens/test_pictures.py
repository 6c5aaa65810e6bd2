"""The README's pictures are of the app as it is today: the words in each are those on the screen."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldapp.language import set_language
from tests.screens.conftest import FieldHome
from tests.screens.pictures import FOLDER, PICTURES, take

README = Path(__file__).parents[2] / "README.md"


def words(picture: str) -> str:
    """What is to be read in it."""
    return html.unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture))).replace("\xa0", " ")


@pytest.mark.parametrize(("name", "person", "spoken", "keys"), PICTURES, ids=[picture[0] for picture in PICTURES])
def test_a_picture_of_the_readme_shows_the_app_of_today(
    name: str, person: str, spoken: str, keys: tuple[str, ...], field_home: Callable[[str], FieldHome]
) -> None:
    assert f"docs/pictures/{name}.svg" in README.read_text(encoding="utf-8")
    set_language(spoken)
    shown = asyncio.run(take(field_home(person), keys))
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert words(kept) == words(shown), "take them again: python -m tests.screens.pictures"
    assert not re.findall(r"""(?:url\(|href=)["']?https?:""", kept), "a picture fetches nothing"
