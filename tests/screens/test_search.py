"""Finding jobs by their words: by itself, and on the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fieldapp.language import set_language
from fieldapp.screens.search import SearchScreen
from fieldapp.screens.technician.job import JobScreen
from fieldapp.screens.technician.today import TodayScreen
from fieldapp.store.queries.search import SearchIndex
from fieldapp.store.queries.search_file import index_file
from fieldapp.store.rows import Draft
from tests.screens.conftest import FieldHome
from tests.screens.until import press_text, shown, until

HomeOf = Callable[[str], FieldHome]


def index_of(home: FieldHome) -> SearchIndex:
    index = SearchIndex(home.home.database_file, home.home.files)
    for _ in index.refresh():
        pass
    return index


def numbers(index: SearchIndex, home: FieldHome, typed: str) -> list[str]:
    reader = home.session().reader
    found = index.find(typed)
    return [reader.rows("SELECT number FROM jobs WHERE stream = ?", (hit.stream,))[0]["number"] for hit in found]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("J-1053", "J-1053"),
        ("j-1053", "J-1053"),
        ("1053", "J-1053"),
        ("Ｊ-１０５３", "J-1053"),  # full-width, as an input method gives it
        ("brauhaus call", "J-1053"),
        ("七号啤酒坊", "J-1053"),
        ("啤酒坊 抢修", "J-1053"),
    ],
)
def test_a_job_is_found_by_number_customer_and_title_in_both_languages(field_home: HomeOf, typed: str, first: str) -> None:
    home = field_home("tech-anna")
    assert numbers(index_of(home), home, typed)[0] == first


def test_a_job_is_found_by_the_tag_the_serial_and_the_steps_of_its_equipment(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    index, session = index_of(home), home.session()
    job = session.reader.rows("SELECT stream, view FROM jobs WHERE number = 'J-1053'")[0]
    from fieldapp.store.queries.lists import view_of_job

    view = view_of_job(session.reader, job["stream"])
    assert view is not None
    asset = session.documents.asset(view.assets[0])
    assert asset is not None
    for label in (asset.tag, asset.serial, asset.tag.lower()):
        assert "J-1053" in numbers(index, home, label)
    hit = next(hit for hit in index.find("oil pressure", "en") if hit.stream == job["stream"])
    assert "Oil pressure" in hit.why, "it says which step"
    assert index.find("oil pressure zebra") == []


def test_open_jobs_come_before_closed_ones_and_numbers_before_words(field_home: HomeOf) -> None:
    home = field_home("sup-petra")
    index, reader = index_of(home), home.session().reader
    states = [reader.rows("SELECT status FROM jobs WHERE stream = ?", (hit.stream,))[0]["status"] for hit in index.find("chiller")]
    closed = [status in ("approved", "cancelled", "declined") for status in states]
    assert closed == sorted(closed)
    assert True in closed


def test_what_changes_is_found_and_what_is_gone_is_not(field_home: HomeOf) -> None:
    from fieldapp.domain.entry_types.lifecycle import JobCreated

    home = field_home("tech-anna")
    index = index_of(home)
    assert index.find("zanzibar") == []
    with home.services() as device:
        created = JobCreated("J-9001", "weser", "weser-b", {"en": "Zanzibar pump"})
        device.replica.append([Draft(home.identity.log, "job:j-9001", created)])
    for _ in index.refresh():
        pass
    assert numbers(index, home, "zanzibar") == ["J-9001"]


async def test_the_screen_finds_at_every_key_and_enter_opens(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(SearchScreen())
        await until(pilot, lambda: "on this device" in shown(app))
        await press_text(pilot, "brauhaus")
        await until(pilot, lambda: "J-1053" in shown(app))
        assert "J-1048" not in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, SearchScreen))


async def test_an_index_that_stays_damaged_is_made_anew_once_and_not_for_ever(field_home: HomeOf) -> None:
    """A file that nobody can read and that cannot be removed either would be begun anew at every key."""
    home = field_home("tech-anna")
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = SearchScreen()
        app.push_screen(screen)
        await until(pilot, lambda: screen._ready)
        index = screen._index

        async def spoil(letter: str) -> None:
            index.close()
            path = index_file(home.home.database_file)
            path.write_bytes(b"\x5a" * path.stat().st_size)
            await press_text(pilot, letter)

        await spoil("c")
        await until(pilot, lambda: screen._ready and not index.damaged and "J-1053" in shown(app))
        await spoil("h")
        await until(pilot, lambda: index.damaged)
        await press_text(pilot, "i")
        assert screen._ready  # nobody makes it again
        assert index.damaged


async def test_arrows_choose_among_what_was_found_while_the_words_keep_the_focus(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = SearchScreen()
        app.push_screen(screen)
        await until(pilot, lambda: "on this device" in shown(app))
        await press_text(pilot, "chiller")
        await until(pilot, lambda: screen._list.count > 2)
        first = screen._list.row
        await pilot.press("down")
        assert screen._list.row is not first
        await press_text(pilot, " q")
        assert screen._input.value == "chiller q"


async def test_a_scanned_label_opens_its_one_open_job(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    session = home.session()
    from fieldapp.store.queries.lists import view_of_job

    view = view_of_job(session.reader, session.reader.rows("SELECT stream FROM jobs WHERE number = 'J-1053'")[0]["stream"])
    assert view is not None
    tag = session.documents.asset(view.assets[0])
    assert tag is not None
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, TodayScreen))
        app.screen.scanned(tag.tag)
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        assert "J-1053" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TodayScreen))


async def test_a_label_nobody_knows_says_so_and_stays_to_be_mended(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, TodayScreen))
        app.screen.scanned("[b]NOPE-9[/b]")
        await until(pilot, lambda: any("code [b]NOPE-9[/b]." in told.message for told in app._notifications))
        assert isinstance(app.screen, SearchScreen)


async def test_the_screen_speaks_chinese(field_home: HomeOf) -> None:
    set_language("zh_CN")
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(SearchScreen())
        await until(pilot, lambda: "张工单" in shown(app))
        await pilot.press("z")
        app.screen._input.value = "抢修"  # type: ignore[attr-defined]
        await until(pilot, lambda: "冷水机组抢修" in shown(app))


def test_it_reads_nothing_where_there_is_no_database(tmp_path: Path) -> None:
    from fieldapp.domain.problem import Problem

    with pytest.raises(Problem, match="no data"):
        list(SearchIndex(tmp_path / "none.db", tmp_path).refresh())
