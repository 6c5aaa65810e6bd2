"""The first start: address and code, the reasons when they do not work, and the first exchange."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input

from fieldapp.commands.fixture_loading import load_fixtures
from fieldapp.language import LANGUAGES, language
from fieldapp.screens.welcome import WelcomeApp, first_fetched
from fieldapp.settings import DeviceSettings
from fieldapp.store.home import Home
from fieldapp.sync.enrol import enrol
from tests.live_server import LiveServer, serving
from tests.screens.silent import silence
from tests.screens.until import text_of, until

SETTINGS = DeviceSettings({})


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        load_fixtures(server.services)
        yield server


def fill(app: WelcomeApp, url: str, code: str) -> None:
    app.screen.query_one("#url", Input).value = url
    app.screen.query_one("#code", Input).value = code
    app.screen.query_one("#code", Input).focus()


async def test_a_code_that_works_fetches_everything_and_opens(company: LiveServer, tmp_path: Path) -> None:
    home = Home(tmp_path / "device")
    app = WelcomeApp(home, SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Welcome" in text_of(app, "#greeting"))  # type: ignore[arg-type]
        fill(app, company.url, company.services.accounts.issue_code("tech-anna").code.lower())
        await pilot.press("enter")
        await until(pilot, lambda: app.return_value is not None, "enrolled and fetched")
    identity = app.return_value
    assert identity is not None
    assert identity.person == "tech-anna"
    assert home.identity() == identity
    parts, ready, jobs = first_fetched(home)
    assert parts == ready > 10
    assert jobs > 5


async def test_a_wrong_code_says_why_and_can_be_mended(company: LiveServer, tmp_path: Path) -> None:
    app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        fill(app, company.url, "WRON-GONE")
        await pilot.press("enter")
        await until(pilot, lambda: "not known here" in text_of(app, "#news"))  # type: ignore[arg-type]
        assert "ask for a new code" in text_of(app, "#news")  # type: ignore[arg-type]
        fill(app, company.url, company.services.accounts.issue_code("tech-emre").code)
        await pilot.press("enter")
        await until(pilot, lambda: app.return_value is not None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "cannot be reached"),
        ("http://example.org", "https"),
        ("not an address", "is not the address of a server"),
    ],
)
async def test_an_address_that_does_not_work_says_why(tmp_path: Path, url: str, words: str) -> None:
    app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        fill(app, url, "66XA-NRZG")
        await pilot.press("enter")
        await until(pilot, lambda: words in text_of(app, "#news"))  # type: ignore[arg-type]
        await pilot.press("escape")
    assert app.return_value is None
    assert Home(tmp_path / "device").identity() is None


async def test_reasons_are_said_in_the_language_chosen(company: LiveServer, tmp_path: Path) -> None:
    app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("f11")
        assert language() == "zh_CN"
        await until(pilot, lambda: "欢迎" in text_of(app, "#greeting"))  # type: ignore[arg-type]
        fill(app, company.url, "WRON-GTWO")
        await pilot.press("enter")
        await until(pilot, lambda: "不认识此代码" in text_of(app, "#news"))  # type: ignore[arg-type]


LATIN = re.compile(r"[A-Za-z]{3,}")


@pytest.mark.parametrize("chosen", list(LANGUAGES))
async def test_each_reason_is_said_in_each_language(company: LiveServer, tmp_path: Path, chosen: str) -> None:
    """In Chinese nothing is left in English but what was typed, and the names of things."""
    used, late = (company.services.accounts.issue_code("tech-anna").code for _ in range(2))
    enrol(company.url, used, Home(tmp_path / "other"), device_name="other")
    with sqlite3.connect(company.services.settings.home / "server.db") as conn:
        conn.execute("UPDATE enrol_codes SET expires = ? WHERE device = ''", (time.time_ns() // 1_000_000 - 60_000,))
    conn.close()
    reasons = (
        (company.url, "WRON-GTHR", "not known here", "不认识此代码", "不認識此代碼"),
        (company.url, used, "used already", "已用过", "已用過"),
        (company.url, late, "has expired", "已过期", "已過期"),
        (f"{company.url}/app", late, "has nothing at", "不是 Fieldapp", "不是 Fieldapp"),
        ("http://127.0.0.1:9", late, "the server is not running", "服务器没有运行", "伺服器沒有執行"),
        ("https://fieldapp.invalid", late, "is not known in this network", "不认识名称", "不認識名稱"),
        (company.url.replace("http:", "https:"), late, "does not speak TLS", "TLS", "TLS"),
        ("ftp://not.here", late, "is not the address of a server", "不是服务器地址", "不是伺服器位址"),
        ("http://example.org", late, "would send everything readable", "明文发到网上", "明文發到網上"),
    )
    app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        while language() != chosen:
            await pilot.press("f11")
        for url, code, *told in reasons:
            words = told[list(LANGUAGES).index(chosen)]
            fill(app, url, code)
            await pilot.press("enter")
            await until(pilot, lambda words=words: words in text_of(app, "#news"), f"{words} of {url}")  # type: ignore[arg-type,misc]
            said = text_of(app, "#news")  # type: ignore[arg-type]
            typed = {*LATIN.findall(url), "Fieldapp", "TLS", "https"}
            assert chosen == "en" or not set(LATIN.findall(said)) - typed, said
            assert "127.0," not in said


async def test_leaving_does_not_wait_for_a_silent_server(tmp_path: Path) -> None:
    with silence() as server:
        app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            fill(app, server.url, "66XA-NRZG")
            await pilot.press("enter")
            await until(pilot, server.asked.is_set)
            assert "Asking the server" in text_of(app, "#news")  # type: ignore[arg-type]
            began = time.monotonic()
            await pilot.press("escape")
        assert time.monotonic() - began < 2


async def test_enter_goes_from_line_to_line_and_asks_only_when_both_are_there(tmp_path: Path) -> None:
    app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        assert app.focused is app.screen.query_one("#url")
        app.screen.query_one("#url", Input).value = "https://example.org"
        await pilot.press("enter")
        assert app.focused is app.screen.query_one("#code")
        await pilot.press("enter")
        assert text_of(app, "#news") == ""  # type: ignore[arg-type]


async def test_the_cursor_is_in_the_line_that_was_wrong(company: LiveServer, tmp_path: Path) -> None:
    app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        fill(app, company.url, "WRON-GONE")
        app.screen.query_one("#url", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "not known here" in text_of(app, "#news"))  # type: ignore[arg-type]
        assert app.focused is app.screen.query_one("#code")
        fill(app, "http://example.org", "WRON-GONE")
        await pilot.press("enter")
        await until(pilot, lambda: "https" in text_of(app, "#news"))  # type: ignore[arg-type]
        assert app.focused is app.screen.query_one("#url")


async def test_an_address_as_people_say_it_becomes_a_secure_one(tmp_path: Path) -> None:
    app = WelcomeApp(Home(tmp_path / "device"), SETTINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        fill(app, " 127.0.0.1:9 ", "ABCD-EFGH")
        await pilot.press("enter")
        await until(pilot, lambda: "https://127.0.0.1:9 cannot be reached" in text_of(app, "#news"))  # type: ignore[arg-type]
        assert app.screen.query_one("#url", Input).value == "https://127.0.0.1:9"


def test_nothing_is_fetched_where_there_is_no_database(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "device", ignore_errors=True)
    assert first_fetched(Home(tmp_path / "device")) == (0, 0, 0)
