"""The index behind the search: it finds what looking through every text finds, in the same order, whatever became of it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fieldapp.domain.documents import Customer
from fieldapp.domain.entry_types import reference
from fieldapp.domain.entry_types.lifecycle import JobCreated
from fieldapp.domain.job import JobState
from fieldapp.domain.words import Words
from fieldapp.screens.search import SearchScreen
from fieldapp.store.queries import search, search_file
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.search import SearchIndex
from fieldapp.store.queries.search_file import index_file
from fieldapp.store.queries.search_words import fold, gram_query, grams
from fieldapp.store.rows import Draft
from fieldapp.store.tables import DocumentRow
from tests.screens.conftest import FieldHome
from tests.screens.until import press_text, shown, until

HomeOf = Callable[[str], FieldHome]


def learnt(home: FieldHome) -> SearchIndex:
    index = SearchIndex(home.home.database_file, home.home.files)
    for _ in index.refresh():
        pass
    return index


class LookingThrough:
    """Every text of every job, read from the database and looked through."""

    def __init__(self, home: FieldHome) -> None:
        with closing(Reader(home.home.database_file)) as reader:
            documents = Documents(reader, home.home.files)
            self.jobs = []
            for row in reader.rows("SELECT stream, status, coalesce(due, window_start) AS at, view FROM jobs"):
                view = msgspec.json.decode(row["view"], type=JobState)
                closed = row["status"] in ("approved", "cancelled", "declined")
                order = (closed, (1 << 62) if row["at"] is None else row["at"], view.number, row["stream"])
                self.jobs.append((order, *self._texts(view, documents)))

    def _texts(self, view: JobState, documents: Documents) -> tuple[list[tuple[int, str]], set[str]]:
        customer, site = documents.customer(view.customer), documents.site(view.customer, view.site)
        fields: list[tuple[int, Words]] = [(1, {"en": view.number}), (2, view.title), (3, {"en": view.description})]
        fields.append((3, customer.name if customer else {"en": view.customer}))
        fields += [(3, words) for words in ((site.name, site.address) if site else ())]
        exact = {view.number}
        for name in view.assets:
            asset = documents.asset(name)
            if asset is not None:
                exact |= {asset.tag, asset.serial, asset.id}
                fields += [(3, {"": f"{asset.tag} {title} {asset.model} {asset.serial}"}) for title in asset.title.values()]
        for procedure in documents.pinned(view.procedures).values():
            fields += [(4, step.title) for step in procedure.steps]
        texts = [(rank, fold(text)) for rank, words in fields for text in words.values()]
        return texts, {fold(text) for text in exact if text}

    def find(self, typed: str) -> list[str]:
        wanted = fold(typed).split()
        found = []
        for order, texts, exact in self.jobs:
            ranks = [min((rank for rank, text in texts if word in text), default=9) for word in wanted]
            if ranks and max(ranks) < 9:
                found.append((0 if " ".join(wanted) in exact else min(ranks), order))
        return [order[3] for _, order in sorted(found)]

    def searches(self, count: int) -> list[str]:
        """Words and parts of words that stand somewhere, and some that do not, alone and together."""
        chance = random.Random(count)
        words = sorted({word for _, texts, _ in self.jobs for _, text in texts for word in text.split()})
        whole = sorted({code for _, _, exact in self.jobs for code in exact})
        found = [*whole, "zzz", "zq", "压", "压力", "·", '"', "'", "-", "oil pressure", "c 1", "a b c"]
        for _ in range(count):
            parts = []
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                word = chance.choice(words)
                at = chance.randrange(len(word))
                parts.append(word[at : at + chance.randint(1, 6)])
            found.append(" ".join(parts))
        return found


@pytest.fixture(params=["few jobs", "common words", "no FTS5"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the index is asked: what 100 jobs need, what 100,000 need, and what an old SQLite can."""
    if request.param == "common words":
        monkeypatch.setattr(search, "_FEW_TEXTS", 2)
        monkeypatch.setattr(search, "_FEW_JOBS", 2)
        monkeypatch.setattr(search, "FIRST", 5)
        monkeypatch.setattr(search, "_SOON_S", 60.0)
    if request.param == "no FTS5":
        monkeypatch.setattr(search_file, "_GRAMS", "CREATE VIRTUAL TABLE grams USING fts99(listed)")
    return str(request.param)


@pytest.mark.parametrize("person", ["tech-anna", "sup-petra"])
def test_it_finds_what_looking_through_every_text_finds(field_home: HomeOf, person: str, road: str) -> None:
    home = field_home(person)
    index, plain = learnt(home), LookingThrough(home)
    whole = 0
    for typed in plain.searches(300):
        expected = plain.find(typed)
        assert [found.stream for found in index.find(typed)] == expected, typed
        first = index.first(typed)
        assert [found.stream for found in first.found] == expected[: len(first.found)], typed
        assert first.whole == (len(first.found) == len(expected)) or road == "common words", typed
        assert len(first.found) >= min(5, len(expected)), typed
        whole += first.whole
    assert whole > 50
    index.close()


def test_first_results_that_would_take_too_long_are_the_best_of_what_was_come_upon(
    field_home: HomeOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = field_home("sup-petra")
    index = learnt(home)
    everything = [found.stream for found in index.find("e")]
    monkeypatch.setattr(search, "_FEW_TEXTS", 2)
    monkeypatch.setattr(search, "_FEW_JOBS", 2)
    monkeypatch.setattr(search, "_SOON_S", -1.0)
    answer = index.first("e")
    assert not answer.whole
    assert {found.stream for found in answer.found} <= set(everything)
    assert index.find("e", stop=lambda: True) == [], "nobody waits for it any more"


def test_a_gram_never_crosses_white_space_and_no_sign_ends_one() -> None:
    assert set(grams("ab c").split()) == {"a", "b", "ab", "c"}
    for word in ("b-0", '"', "a\x01b", "冷水机", "o'neil", "c++", "50%"):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(search_file._GRAMS)
            connection.execute("INSERT INTO grams (rowid, listed) VALUES (7, ?)", (grams(f"x{word}y z"),))
            asked = connection.execute("SELECT rowid FROM grams WHERE grams MATCH ?", (gram_query(word),)).fetchall()
            assert asked == [(7,)], word


def test_a_customer_with_another_name_is_found_by_the_new_one_alone(field_home: HomeOf) -> None:
    home = field_home("sup-petra")
    index = learnt(home)
    before = [found.stream for found in index.find("brauhaus")]
    assert before
    with home.services() as device:
        customer = reference.CustomerRecorded(Customer("brauhaus", {"en": "Zanzibar Ltd", "zh_CN": "桑给巴尔"}, "bre"))
        body = msgspec.json.encode(customer)
        with device.database.write() as conn:
            found = device.database.rows(conn, "SELECT customer FROM jobs WHERE stream = ?", (before[0],))
            where = "stream = ? AND type = 'customer.recorded'"
            device.database.run(
                conn, f"UPDATE {DocumentRow.__tablename__} SET body = ? WHERE {where}", (body, f"customer:{found[0][0]}")
            )
    for _ in index.refresh():
        pass
    assert [found.why for found in index.find("桑给", "zh_CN")] == ["桑给巴尔"] * len(index.find("zanzibar"))
    assert index.find("zanzibar")
    plain = LookingThrough(home)
    assert [found.stream for found in index.find("brauhaus")] == plain.find("brauhaus")


def test_what_no_job_has_any_more_leaves_the_index(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    index = learnt(home)
    with home.services() as device:
        created = JobCreated("J-9001", "weser", "weser-b", {"en": "Zanzibar pump"}, description="Knock twice")
        device.replica.append([Draft(home.identity.log, "job:j-9001", created)])
    for _ in index.refresh():
        pass
    assert [found.stream for found in index.find("knock zanzi")] == ["job:j-9001"]
    with home.services() as device, device.database.write() as conn:
        device.database.run(conn, "DELETE FROM jobs WHERE stream = 'job:j-9001'")
    for _ in index.refresh():
        pass
    assert index.find("zanzi") == index.find("J-9001") == []
    with closing(sqlite3.connect(index_file(home.home.database_file))) as connection:
        orphans = "SELECT count(*) FROM texts WHERE id NOT IN (SELECT text FROM links)"
        assert connection.execute(orphans).fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM texts WHERE folded LIKE '%zanzi%'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM todo").fetchone() == (0,)


def test_an_index_lives_on_and_learns_only_what_is_new(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    learnt(home).close()
    index = SearchIndex(home.home.database_file, home.home.files)
    assert index.jobs > 0
    assert index.find("J-1053"), "before anything is learnt in this run"
    with closing(sqlite3.connect(index_file(home.home.database_file))) as connection:
        connection.execute("CREATE TABLE seen AS SELECT * FROM texts WHERE 0")
        connection.execute(
            "CREATE TRIGGER watch AFTER INSERT ON texts BEGIN INSERT INTO seen SELECT * FROM texts WHERE id = NEW.id; END"
        )
        connection.commit()
    with home.services() as device:
        created = JobCreated("J-9001", "weser", "weser-b", {"en": "Zanzibar pump"})
        device.replica.append([Draft(home.identity.log, "job:j-9001", created)])
    for _ in index.refresh():
        pass
    with closing(sqlite3.connect(index_file(home.home.database_file))) as connection:
        keys = {key for (key,) in connection.execute("SELECT key FROM seen")}
    assert {key.partition(":")[0] for key in keys} == {"number", "title"}


@pytest.mark.parametrize("where", ["all of it", "behind its first page"])
def test_a_damaged_index_is_made_anew(field_home: HomeOf, where: str) -> None:
    home = field_home("tech-anna")
    index = learnt(home)
    plain = LookingThrough(home)
    index.close()
    path = index_file(home.home.database_file)
    data = bytearray(path.read_bytes())
    begin = 0 if where == "all of it" else 4096
    data[begin:] = random.Random(1).randbytes(len(data) - begin)
    path.write_bytes(data)
    index = SearchIndex(home.home.database_file, home.home.files)
    index.find("brauhaus")
    index.first("brauhaus")
    assert index.damaged
    for _ in index.refresh():
        pass
    assert not index.damaged
    assert [found.stream for found in index.first("brauhaus").found] == plain.find("brauhaus")
    index.close()


def test_a_database_that_was_put_back_to_an_earlier_day_is_noticed(field_home: HomeOf, tmp_path: Path) -> None:
    home = field_home("tech-anna")
    old = tmp_path / "old.db"

    def record(number: str, title: str) -> None:
        with home.services() as device:
            created = JobCreated(number, "weser", "weser-b", {"en": title})
            device.replica.append([Draft(home.identity.log, f"job:{number.lower()}", created)])

    shutil.copy(home.home.database_file, old)
    record("J-9001", "Zanzibar pump")
    learnt(home).close()
    for ending in ("-wal", "-shm"):
        Path(f"{home.home.database_file}{ending}").unlink(missing_ok=True)
    shutil.copy(old, home.home.database_file)
    home.home.journal_file.unlink()
    record("J-9002", "Timbuktu valve")
    index = learnt(home)
    assert [found.stream for found in index.find("timbuktu")] == ["job:j-9002"]
    assert index.find("zanzibar") == []


def test_an_index_that_cannot_be_written_says_so(field_home: HomeOf) -> None:
    from fieldapp.domain.problem import Problem

    home = field_home("tech-anna")
    index_file(home.home.database_file).mkdir()
    index = SearchIndex(home.home.database_file, home.home.files)
    with pytest.raises(Problem) as told:
        list(index.refresh())
    assert told.value.code == "search-incomplete"
    assert index.find("brauhaus") == []


async def test_very_common_words_show_their_first_jobs_and_then_all(field_home: HomeOf, monkeypatch: pytest.MonkeyPatch) -> None:
    home = field_home("sup-petra")
    expected = LookingThrough(home).find("e")
    monkeypatch.setattr(search, "_FEW_TEXTS", 2)
    monkeypatch.setattr(search, "_FEW_JOBS", 2)
    monkeypatch.setattr(search, "FIRST", 3)
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = SearchScreen()
        app.push_screen(screen)
        await until(pilot, lambda: "on this device" in shown(app))
        await press_text(pilot, "e")
        await until(pilot, lambda: f"{len(expected)} jobs found" in shown(app))
        assert screen._list.count == len(expected) > 3


def test_an_index_is_emptied_while_a_screen_has_it_open(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    index = learnt(home)
    found = index.first("brauhaus").found
    assert found
    assert search_file.forget(index_file(home.home.database_file))
    assert b"brauhaus" not in index_file(home.home.database_file).read_bytes()
    assert index.first("brauhaus").found == []
    assert not index.damaged
    for _ in index.refresh():
        pass
    assert index.first("brauhaus").found == found
    index.close()
