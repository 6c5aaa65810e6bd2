"""A damaged home, opened by somebody who knows nothing of databases: the app says what it found and works, at the first start."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fieldapp.bootstrap import open_device
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.store.home import Home
from fieldapp.store.mending import is_damaged
from fieldapp.store.rows import Draft
from tests.pty.terminal import Terminal

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")]


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Home:
    """With one unsent note."""
    shutil.copytree(prepared / "technician", tmp_path / "technician")
    place = Home(tmp_path / "technician")
    with open_device(place, "test") as device:
        job = device.reader.rows("SELECT stream, log FROM jobs LIMIT 1")[0]
        device.replica.append([Draft(job["log"], job["stream"], NoteAdded("Said at the gate"))])
    return place


def page_of(table: str) -> Callable[[Path], None]:
    """A disk that gives back nothing where the rows of this table begin."""

    def damage(database: Path) -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        raw = bytearray(database.read_bytes())
        raw[(page - 1) * size : page * size] = bytes(size)
        database.write_bytes(raw)

    return damage


def no_text(database: Path) -> None:
    """One bit of a text: no character any more, in pages that are well."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE jobs SET number = CAST(x'4aff31' AS TEXT)")
        connection.commit()


@pytest.mark.parametrize(
    "damage",
    [page_of("jobs"), page_of("own_entries"), page_of("entries"), page_of("settings"), no_text],
    ids=["jobs", "own entries", "entries", "settings", "a text that is none"],
)
def test_a_damaged_page_costs_one_message(home: Home, damage: Callable[[Path], None]) -> None:
    damage(home.database_file)
    with Terminal.fieldapp("--home", str(home.path)) as terminal:
        screen = terminal.until(lambda text: "1 unsent" in text and "could not be read and lies" in " ".join(text.split()))
        assert "Traceback" not in terminal.written.decode("utf-8", "replace")
        assert screen
        (aside,) = home.database_file.parent.glob("damaged-*.db")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
        assert aside.name in terminal.text.replace("\n", ""), "said where it stays to be read, too"
    with Terminal.fieldapp("--home", str(home.path)) as terminal:
        terminal.until("1 unsent")
        assert "could not be read" not in terminal.settled()
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
    assert list(home.database_file.parent.glob("damaged-*.db")) == [aside]


@pytest.mark.parametrize(
    "spoiled", ["UPDATE jobs SET view = substr(view, 1, 40)", "UPDATE documents SET body = substr(body, 1, 9)"]
)
def test_what_is_folded_from_the_entries_is_folded_again(home: Home, spoiled: str) -> None:
    """Bytes that mean nothing any more, in pages that are well: the entries are well too, and nothing is put aside."""
    with closing(sqlite3.connect(home.database_file)) as connection:
        connection.execute(spoiled)
        connection.commit()
    with Terminal.fieldapp("--home", str(home.path)) as terminal:
        terminal.until(lambda text: "1 unsent" in text and "OVERDUE PROMISE" in text and "Nothing is lost" in text)
        assert "Traceback" not in terminal.written.decode("utf-8", "replace")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
    assert list(home.database_file.parent.glob("damaged-*.db")) == []


def test_an_entry_that_is_not_what_its_hash_says_is_damage(home: Home) -> None:
    assert not is_damaged(home.database_file)
    with closing(sqlite3.connect(home.database_file)) as connection:
        connection.execute("UPDATE entries SET body = replace(body, 'gate', 'gaze') WHERE type = 'note.added'")
        connection.execute("UPDATE entries SET body = CAST(body AS BLOB) WHERE type = 'note.added'")
        connection.commit()
    assert is_damaged(home.database_file)


@pytest.mark.parametrize("left", [None, b""], ids=["deleted", "of no length"])
def test_a_database_that_is_gone_is_made_anew_and_said(home: Home, left: bytes | None) -> None:
    home.database_file.unlink()
    if left is not None:
        home.database_file.write_bytes(left)
    with Terminal.fieldapp("--home", str(home.path)) as terminal:
        terminal.until(lambda text: "1 unsent" in text and "was missing" in text)
        terminal.press("ctrl+q")
        assert terminal.ended() == 0


def test_a_folder_at_the_place_of_the_database_is_said(home: Home) -> None:
    home.database_file.unlink()
    home.database_file.mkdir()
    with Terminal.fieldapp("--home", str(home.path)) as terminal:
        assert terminal.ended() == 1
        said = "".join(terminal.text.split())  # the terminal breaks words
    assert "isnofile" in said
    assert "Moveitaway" in said
    assert "later" not in said
