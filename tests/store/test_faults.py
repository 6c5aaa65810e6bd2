"""Full disks, killed processes, two programs at once: what was called saved is there once, and every refusal is in clear words."""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from fieldapp.domain.entry_types import steps
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database
from fieldapp.store.evidence import take_in_bytes
from fieldapp.store.home import Home
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import EntryRow, LogRow, OwnEntryRow
from fieldapp.store.verify import verify_server
from tests.store.appending import append_for_ever
from tests.store.devices import Device, MakeDevice
from tests.store.pens import START_MS, Pen, created, everything

KILLS = 20


def notes(device: Device) -> list[str]:
    view = device.view()
    return [note.text for note in view.notes] if view else []


# --- Full disks -------------------------------------------------------------------------------------------------------------------


def test_a_full_database_refuses_clearly_and_works_again(make_device: MakeDevice) -> None:
    device = make_device("d-boss", "p-mei", "supervisor")
    device.say(created())
    with device.db.write() as conn:
        used = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {used + 12}")
    saved: list[str] = []

    def fill() -> None:
        while True:
            text = f"{len(saved)} " + "x" * 2000
            device.say(steps.NoteAdded(text=text))
            saved.append(text)

    with pytest.raises(Problem) as full:
        fill()
    assert full.value.code == "disk-full"
    assert "not saved" in full.value.message
    assert notes(device) == saved
    assert len(everything(device.db, OwnEntryRow)) == len(everything(device.db, EntryRow)) == len(saved) + 1
    assert device.findings() == ()
    with device.db.write() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count = 1000000")
    device.say(steps.NoteAdded(text="room again"))
    assert notes(device) == [*saved, "room again"]
    assert device.findings() == ()


def test_a_full_server_stores_nothing_and_receives_again(sqlite_server: Database) -> None:
    server, pen = ServerReplica(sqlite_server, lambda: START_MS), Pen("d-boss", "p-mei", "supervisor")
    pen.say(server, created())
    run = pen.run([pen.entry(steps.NoteAdded(text="y" * 50_000)) for _ in range(4)])
    with sqlite_server.write() as conn:
        used = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {used + 6}")
    before = everything(sqlite_server, LogRow)
    with pytest.raises(Problem) as full:
        server.receive(pen.who, run)
    assert full.value.code == "disk-full"
    assert everything(sqlite_server, LogRow) == before
    with sqlite_server.write() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert server.receive(pen.who, run).statuses == ("received",) * 4
    assert verify_server(sqlite_server) == ()


def limited(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def run_limited(size: int, code: str, *arguments: object) -> str:
    """Run code in a process whose files cannot grow beyond `size` bytes. Returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, preexec_fn=lambda: limited(size),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from fieldapp.domain.problem import Problem
        from fieldapp.store.evidence import take_in_bytes
        from fieldapp.store.home import Home
        home = Home(Path(sys.argv[1]))
        take_in_bytes(home, b"small", "small.txt")
        try:
            take_in_bytes(home, b"x" * 200_000, "large.bin")
        except Problem as problem:
            print(problem.code, problem.message)
    """
    assert run_limited(100_000, code, tmp_path / "home").startswith("disk-full large.bin could not be copied")
    home = Home(tmp_path / "home")
    assert len(list(home.files.iterdir())) == 1
    take_in_bytes(home, b"x" * 200_000, "large.bin")
    assert len(list(home.files.iterdir())) == 2


def test_a_database_file_that_may_not_grow_is_a_full_disk(tmp_path: Path, device_template: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from fieldapp.domain.entry_types import steps
        from fieldapp.domain.problem import Problem
        from tests.store.devices import Device
        from tests.store.pens import created
        device = Device(Path(sys.argv[1]), Path(sys.argv[2]), "d-boss", "p-mei", "supervisor")
        device.say(created())
        try:
            for number in range(1000):
                device.say(steps.NoteAdded(text=f"{number} " + "x" * 3000))
                print("saved", number)
        except Problem as problem:
            print(problem.code)
    """
    printed = run_limited(1_000_000, code, tmp_path, device_template).splitlines()
    assert printed[-1] == "disk-full"
    device = Device(tmp_path, None, "d-boss", "p-mei", "supervisor")
    assert len(notes(device)) == len(printed) - 1 > 5
    assert device.findings() == ()
    device.say(steps.NoteAdded(text="room again"))
    assert device.findings() == ()
    device.close()


def test_a_second_copy_that_could_not_be_written_follows(make_device: MakeDevice) -> None:
    """The write that fails is a real one: on a device file that is always full."""
    device = make_device("d-boss", "p-mei", "supervisor")
    device.say(created())
    whole = device.home.journal_file
    device.journal.path = Path("/dev/full")
    device.journal.close()
    with pytest.raises(Problem) as failed:
        device.say(steps.NoteAdded(text="saved once"))
    assert failed.value.code == "journal-failed"
    assert "saved in the database" in failed.value.hint
    assert notes(device) == ["saved once"]
    device.journal.path = whole
    device.journal.close()
    device.say(steps.NoteAdded(text="saved twice"))
    assert len(device.journal.read().entries) == 3
    assert device.findings() == ()


# --- Two programs at once ---------------------------------------------------------------------------------------------------------


HOLD = """
    import sys
    from pathlib import Path
    from fieldapp.store.home import Home
    with Home(Path(sys.argv[1])).locked("fieldapp sync"):
        print("held", flush=True)
        sys.stdin.readline()
"""


def test_a_second_process_is_told_who_holds_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(home.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Problem) as locked, home.locked("fieldapp record", wait=0.1):
            pytest.fail("two programs hold one home")
        assert locked.value.code == "home-locked"
        assert "`fieldapp sync`" in locked.value.message
        assert str(other.pid) in locked.value.message
        other.stdin.write("\n")
        other.stdin.flush()
    with home.locked("fieldapp record"):
        assert "fieldapp record" in home.lock_file.read_text()
    assert home.lock_file.read_text() == ""


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(home.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        other.kill()
    with home.locked("fieldapp record", wait=5):
        assert "fieldapp record" in home.lock_file.read_text()


def test_a_program_that_waits_goes_on_when_the_other_has_finished(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    inside, waiting = threading.Event(), threading.Event()

    def first() -> None:
        with home.locked("first"):
            inside.set()
            waiting.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    threading.Timer(0.15, waiting.set).start()
    with home.locked("second", wait=10):
        assert waiting.is_set()
    thread.join()


# --- Kills ------------------------------------------------------------------------------------------------------------------------


def killed_while_appending(home: Home, label: str, after_s: float) -> list[str]:
    """Ids that a process said it had saved before it was killed, `after_s` seconds after it said so for the first time."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.store.appending"])
    listener, mouth = processes.Pipe(duplex=False)
    process = processes.Process(target=append_for_ever, args=(home.path, label, mouth))
    process.start()
    mouth.close()
    said: list[str] = []
    timer = threading.Timer(after_s, process.kill)
    try:
        while True:
            said += listener.recv()
            if not timer.ident:
                timer.start()
    except (EOFError, OSError):  # a torn last word was not said
        pass
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()
    listener.close()
    return said


def test_what_a_killed_process_called_saved_is_there_exactly_once(make_device: MakeDevice, sqlite_server: Database) -> None:
    """Killed at random moments, 20 times; every fourth time the database is lost as well."""
    device = make_device("d-boss", "p-mei", "supervisor")
    device.say(created())
    device.close()
    chance = random.Random(20261123)
    said: list[str] = []
    for kill in range(KILLS):
        said += killed_while_appending(device.home, f"k{kill}", chance.uniform(0.0, 0.08))
        if kill % 4 == 3:
            device.put_database(None)
            device.close()
    device.start()
    kept = [row["entry_id"] for row in everything(device.db, OwnEntryRow) if row["lane"] == "unsent"]
    assert len(kept) == len(set(kept))
    assert set(said) <= set(kept)
    assert len(said) > KILLS
    assert device.findings() == ()
    device.push(ServerReplica(sqlite_server, lambda: START_MS))
    placed = [row["entry_id"] for row in everything(sqlite_server, LogRow) if row["kind"] == "entry"]
    assert len(placed) == len(set(placed))
    assert set(said) <= set(placed)
    assert verify_server(sqlite_server) == ()
