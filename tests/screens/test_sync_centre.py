"""The sync centre says what is where, what does not stand and why, and whether it is safe to leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.domain.problem import Problem
from fieldapp.language import set_language
from fieldapp.screens.app import FieldApp
from fieldapp.screens.asking import ConfirmScreen
from fieldapp.screens.technician.diagnosis import DiagnosisScreen
from fieldapp.screens.technician.export import ExportScreen
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.screens.technician.job import JobScreen
from fieldapp.screens.technician.places import Place, places
from fieldapp.screens.technician.sync_centre import SyncCentreScreen, only_here_words
from fieldapp.screens.values import size_words
from fieldapp.services.unsent import write_unsent
from fieldapp.store.journal import parse_journal
from fieldapp.store.queries.outbox import BackedUp, backed_up
from fieldapp.store.queries.own import own_lines, own_places
from fieldapp.store.rows import Draft
from fieldapp.sync.status import Moving, SyncStatus
from fieldapp.widgets.paragraphs import Paragraphs
from tests.screens.conftest import FieldHome
from tests.screens.until import shown, text_of, until

HomeOf = Callable[[str], FieldHome]
JOB = "job:j-1053"


def record(home: FieldHome, notes: int, *, photo: bool = False) -> None:
    with home.services() as device:
        for number in range(notes):
            device.replica.append([Draft(home.identity.log, JOB, NoteAdded(f"note {number} [b]bold[/b]"))])
        if photo:
            device.work.attach("J-1053", "", home.put("pump.png", b"\x89PNG\r\n\x1a\n" + b"x" * 2_345_678))


def set_lanes(home: FieldHome, **lanes: str) -> None:
    """Put own entries by position into lanes, as receipts and outcomes do."""
    with sqlite3.connect(home.home.database_file) as conn:
        for seq, lane in lanes.items():
            name, _, outcome = lane.partition("/")
            reason = "this job was created already" if outcome == "conflict" else ""
            conn.execute(
                "UPDATE own_entries SET lane = ?, outcome = ?, reason = ? WHERE seq = ?",
                (name, outcome, reason, int(seq.strip("_"))),
            )
    conn.close()


async def opened(app: FieldApp, pilot: object) -> SyncCentreScreen:
    screen = SyncCentreScreen()
    app.push_screen(screen)
    await until(pilot, lambda: screen.is_mounted and screen._list.size.height > 0)  # type: ignore[arg-type]
    return screen


async def test_nothing_recorded_is_safe_to_leave_and_says_what_will_show_here(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert "Safe to leave: yes" in text_of(app, "#safe")
        assert "Nothing was recorded on this device yet." in shown(app)
        assert "The server has not been asked yet." in shown(app)


async def test_what_is_only_here_is_counted_by_kind(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 2, photo=True)
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert text_of(app, "#safe") == "! Safe to leave: no, 3 facts and 1 photo are only on this device"
        assert "unsent 3" in text_of(app, "#lanes")
        assert "pump.png" in shown(app)
        assert "2.3 MB" in shown(app)
        assert "3 unsent, 1 file" in shown(app).splitlines()[0]
        assert "only here" in shown(app)
        await pilot.press("end")
        await until(pilot, lambda: "0 of 1 files of job" in _about(app))


async def test_each_lane_lists_its_entries_and_what_does_not_stand_says_why_and_what_to_do(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 5)
    set_lanes(home, _1="settled/applied", _2="settled/conflict", _3="received", _4="refused")
    app = home.app()
    async with app.run_test(size=(80, 40)) as pilot:
        screen = await opened(app, pilot)
        assert " ".join(text_of(app, "#lanes").split()) == "↑ unsent 1 ⇡ sending 0 ◐ received 1 ✓ settled 1 ✗ refused 2"
        await until(pilot, lambda: "REFUSED  2" in shown(app))
        assert "noted: note 3 [b]bold[/b]" in shown(app), "foreign text is shown as it is"
        await pilot.press("down")
        await until(pilot, lambda: "the office decides on it" in " ".join(shown(app).split()))
        assert "Somebody else changed the same" not in shown(app), "nobody did: the job was there already"
        assert "this job was created already" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)


async def test_how_far_the_verified_backup_goes_is_said(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 5)
    set_lanes(home, _1="settled/applied", _2="received", _3="received")
    with sqlite3.connect(home.home.database_file) as conn:
        conn.execute("UPDATE epochs SET acked_seq = 3, safe_seq = 2")
    conn.close()
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert "In a verified backup: 2 of 5 records." in " ".join(text_of(app, "#connection").split())
        set_lanes(home, _2="unsent")  # a restored server asks for it once more
        assert backed_up(app.session.reader) == BackedUp(1, 5)


async def test_a_file_that_is_gone_is_not_waited_for_for_ever(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 0, photo=True)
    (file,) = home.home.files.glob("[0-9a-f]*")
    file.unlink()
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        set_lanes(home, _1="settled/applied")
        screen.reload()
        assert text_of(app, "#safe") == "! Safe to leave: no, pump.png is gone from this device: attach it again"
        assert not app.screen.query_one("#safe").has_class("-yes")
        await pilot.press("home")
        await until(pilot, lambda: "✗ gone from this device" in shown(app))
        assert "only here" not in shown(app)
        assert "What was recorded about it is safe." in _about(app)
        assert "0 of 1 files of job J-1053 are at the server." in _about(app)
        assert screen.check_action("export_unsent", ()) is None
        app._heard(SyncStatus("online", since=1, files=(f"the file {file.name} cannot be read here (No such file or directory)",)))
        await until(pilot, lambda: "Connected." in text_of(app, "#connection"))
        assert file.name[:12] not in shown(app)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen and "unsent 1" in text_of(app, "#lanes"), "given up")
        await until(pilot, lambda: "1 fact is only on this device" in text_of(app, "#safe"))
        assert "gone from this device" not in shown(app)
        assert "It never reached the server." in _about(app)
        assert screen.check_action("give_up_file", ()) is False
        set_lanes(home, _2="settled/applied")
        screen.reload()
        assert text_of(app, "#safe") == "✓ Safe to leave: yes  Everything is at the server but 1 lost file."


async def test_a_file_that_the_disk_spoiled_is_found_once_the_server_refuses_it(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 0, photo=True)
    (file,) = home.home.files.glob("[0-9a-f]*")
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        set_lanes(home, _1="settled/applied")
        screen.reload()
        assert "1 photo is only on this device" in text_of(app, "#safe")
        app._heard(SyncStatus("online", since=1, files=("What arrived is not the file that was announced.",)))
        await until(pilot, lambda: "pump.png is gone from this device: attach it again" in text_of(app, "#safe"))
        await pilot.press("home")
        await until(pilot, lambda: screen.check_action("give_up_file", ()) is True)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen and "unsent 1" in text_of(app, "#lanes"), "given up")
        assert "gone from this device" not in shown(app)


async def test_work_that_comes_back_as_not_standing_is_told_once_wherever_the_person_is(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 3)
    set_lanes(home, _1="settled/conflict")
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app._opened, "ready")

        def told() -> list[str]:
            return [note.message for note in app._notifications if "not stand" in note.message]

        app._heard(SyncStatus("online", since=1, streams=frozenset({"job:j-1053"})))
        await pilot.pause()
        assert told() == [], "it was known before"
        set_lanes(home, _2="settled/conflict", _3="settled/held")
        for _again in range(2):
            app._heard(SyncStatus("online", since=1, streams=frozenset({"job:j-1053"})))
            await until(pilot, lambda: len(told()) == 1, "told")
        assert told() == ["2 records of yours do not stand; the office decides. The sync centre (s) says why."]


async def test_it_follows_the_exchange_live(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 2, photo=True)
    app = home.app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)
        reader = app.session.reader
        epoch = reader.rows("SELECT epoch FROM own_entries")[0]["epoch"]
        sha256 = reader.rows("SELECT sha256 FROM files WHERE state = 'here'")[0]["sha256"]
        app._heard(SyncStatus("online", syncing=True, since=1, sending=(epoch, 1, 2), moving=Moving(sha256, 2, 5)))
        await until(pilot, lambda: "sending 2" in text_of(app, "#lanes"))
        assert "SENDING  2" in shown(app)
        assert text_of(app, "#safe") == "! Safe to leave: no, 3 facts and 1 photo are only on this device", "sent is not received"
        assert "sending 40 %" in shown(app)
        assert "asking the server now" in text_of(app, "#connection")
        app._heard(SyncStatus("offline", "127.0.0.1 does not answer", since=1, moving=Moving(sha256, 0, 5)))
        await until(pilot, lambda: "offline" in text_of(app, "#connection"))
        assert "sending 0 %" not in shown(app), "nothing is on its way"
        assert "only here" in shown(app)
        set_lanes(home, _1="received", _2="received", _3="received")
        with sqlite3.connect(home.home.database_file) as conn:
            conn.execute("UPDATE files SET state = 'sent'")
        conn.close()
        app._heard(SyncStatus("online", since=1, synced=2))
        await until(pilot, lambda: "Safe to leave: yes" in text_of(app, "#safe"))
        app._heard(SyncStatus("offline", "127.0.0.1 does not answer", since=1))
        await until(pilot, lambda: "The server cannot be reached" in text_of(app, "#connection"))
        assert "127.0.0.1 does not answer" in text_of(app, "#connection")


async def test_export_writes_the_journal_to_a_new_file_and_never_over_another(field_home: HomeOf, tmp_path: Path) -> None:
    home = field_home("tech-anna")
    record(home, 2)
    target = tmp_path / "unsent.jsonl"
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        app.screen.query_one(Field).value = str(target)
        await pilot.press("enter")
        await until(pilot, target.exists)
        await until(pilot, lambda: isinstance(app.screen, SyncCentreScreen))
        content = parse_journal(target.read_bytes())
        assert len(content.lines) == 2
        assert not content.damaged
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        app.screen.query_one(Field).value = str(target)
        await pilot.press("enter")
        await until(pilot, lambda: "a file of that name already" in text_of(app, "#wrong"))


@pytest.mark.parametrize("gone", [False, True])
async def test_an_export_says_which_files_are_in_it_and_which_are_not(field_home: HomeOf, tmp_path: Path, gone: bool) -> None:
    home = field_home("tech-anna")
    record(home, 1, photo=True)
    if gone:
        for photo in home.home.files.glob("[0-9a-f]*"):
            photo.unlink()
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        app.screen.query_one(Field).value = str(tmp_path / "unsent.jsonl")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SyncCentreScreen))
        said = "\n".join(note.message for note in app._notifications)
        assert f"2 entries and {'0 files' if gone else '1 file'} written to" in said
        assert ("Not in it, for they are gone from this device: pump.png." in said) is gone


async def test_the_path_of_an_export_follows_the_places_of_this_machine(field_home: HomeOf, tmp_path: Path) -> None:
    home = field_home("tech-anna")
    record(home, 2)
    stick, papers = tmp_path / "STICK", tmp_path / "Documents"
    stick.mkdir()
    papers.mkdir()
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        app.push_screen(ExportScreen([Place(stick, carried=True), Place(papers)], "unsent.jsonl"))
        await until(pilot, lambda: isinstance(app.screen, ExportScreen) and app.screen.query(Field))
        assert "can be taken along" in shown(app)
        field = app.screen.query_one(Field)
        assert field.value == str(stick / "unsent.jsonl")
        await pilot.press("down")
        await until(pilot, lambda: field.value == str(papers / "unsent.jsonl"))
        await pilot.press("x")
        assert field.value == str(papers / "unsent.jsonlx"), "typing goes on in the path"
        await pilot.press("backspace", "enter")
        await until(pilot, (papers / "unsent.jsonl").exists)
        assert not any(stick.iterdir())


def test_places_begin_with_what_can_be_carried_and_end_with_the_home(tmp_path: Path) -> None:
    assert places(tmp_path, "nobody-of-that-name") == [Place(tmp_path)]
    (tmp_path / "Documents").mkdir()
    assert places(tmp_path, "nobody-of-that-name") == [Place(tmp_path / "Documents"), Place(tmp_path)]


def test_export_says_where_it_cannot_write(field_home: HomeOf, tmp_path: Path) -> None:
    with field_home("tech-anna").services() as device, pytest.raises(Problem) as caught:
        write_unsent(device.home, device.identity, tmp_path / "nowhere" / "x.jsonl")
    assert caught.value.code == "file-unwritable"


async def test_there_is_nothing_to_export_where_all_is_sent(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        assert screen.check_action("export_unsent", ()) is None


async def test_the_diagnosis_is_shown_and_copied(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DiagnosisScreen))
        await until(pilot, lambda: "clipboard" in shown(app))
        assert "Device T1 of Anna Behrens" in shown(app)
        assert "Device T1 of Anna Behrens" in app.clipboard
        assert "database" in app.clipboard


async def test_what_is_doubted_is_told(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with sqlite3.connect(home.home.database_file) as conn:
        conn.executemany("INSERT INTO doubts VALUES (?, 1)", [(f"job:{number}",) for number in range(7)])
    conn.close()
    app = home.app()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        assert "7 things held here are no longer yours" in text_of(app, "#connection")


async def test_sync_now_says_when_there_is_no_network_in_the_app(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: any("without a network" in told.message for told in app._notifications))


def test_a_thousand_entries_are_read_in_windows(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    record(home, 30)
    reader = home.session().reader
    places = own_places(reader)["unsent"]
    assert len(places) == 30
    lines = own_lines(reader, "unsent", places[10:14])
    assert [line.place for line in lines] == places[10:14]
    assert own_lines(reader, "unsent", [("gone", 1)]) == []


def test_what_is_only_here_in_words() -> None:
    assert only_here_words(1, 0, 0) == "1 fact is only on this device"
    assert only_here_words(2, 1, 1) == "2 facts, 1 photo and 1 file are only on this device"
    set_language("zh_CN")
    assert only_here_words(2, 1, 0) == "2 条记录和 1 张照片只在本机上"


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1500, "2 kB"), (2_345_678, "2.3 MB"), (999_999, "1.0 MB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert size_words(size) == words


def _about(app: FieldApp) -> str:
    """What is said about the row under the cursor."""
    return " ".join(str(app.screen.query_one("#about", Paragraphs).render()).split())
