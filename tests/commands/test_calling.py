"""What every command keeps to: exit codes, one sentence instead of a traceback, harmless output whatever people typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fieldapp.commands import calling
from fieldapp.commands.output import Output
from tests.commands.runs import ROOT, Commands, Device, Stream, environment
from tests.commands.work import BEGIN, JOB

HOSTILE = "\x1b]52;c;ZXZpbA==\x07 \x9b31m [b]bold[/b] \u202egnp.exe\u2066 \x00"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("jbos",), "Did you mean `fieldapp jobs`?"),
        (("admin", "persn"), "Did you mean `fieldapp admin person"),
        (("xyzzy",), "`fieldapp --help` lists them."),
        (("record", "J-1", "step"), "required: VALUE"),
        (("do", JOB, "dance"), "invalid choice: 'dance'"),
        (("jobs", "--limit", "many"), "invalid int value"),
        (("jobs", "--limit", "-1"), "--limit is 0 or more"),
        (("jobs", "--status", "done"), "'done' is no status; choose from unassigned, assigned"),
        (("jobs", "--staus", "assigned"), "unrecognized arguments: --staus"),
        (("review", JOB, "approve", "tag"), "approve takes no steps"),
        (("reschedule", JOB), "say once when"),
        (("reschedule", JOB, "2026-12-02 09:00", "--when", "2026-12-03 09:00"), "say once when"),
    ],
)
def test_mistakes_in_the_command_line(technician: Device, words: tuple[str, ...], said: str) -> None:
    ran = technician(*words)
    assert ran.code == 2
    assert said in ran.err
    assert not ran.out


def test_no_command_prints_the_help() -> None:
    ran = Commands()()
    assert ran.code == 0
    assert ran.out == Commands()("--help").out
    assert "fieldapp demo --prepare" in ran.out
    assert Commands()("admin").code == 2


def test_home_comes_before_or_after_the_command(technician: Device) -> None:
    before = Commands()("--home", str(technician.home), "locate", "--json")
    assert before.json == technician("locate", "--json").json


def test_a_folder_that_is_no_device_says_what_to_do(tmp_path: Path) -> None:
    for words in (("jobs",), ("record", "J-1", "step", "1"), ("sync",), ("outbox",)):
        ran = Device(tmp_path / "nothing")(*words).refused("is not a device of yours yet")
        assert "fieldapp enrol URL CODE" in ran.err
    assert not (tmp_path / "nothing").exists()


def test_problems_are_json_when_json_was_asked_for(technician: Device) -> None:
    ran = technician("job", "J-0", "--json")
    assert ran.code == 1
    assert not ran.out
    problem = json.loads(ran.err)["problem"]
    assert problem["code"] == "job-unknown"
    assert problem.keys() == {"code", "message", "hint"}


def test_hostile_text_is_shown_and_not_obeyed(technician: Device) -> None:
    for _, verb in BEGIN:
        technician("do", JOB, verb).good()
    typed = HOSTILE.replace("\x00", "")
    technician("note", JOB, typed).good()
    for words in (("log", JOB), ("job", JOB), ("log", JOB, "--json"), ("note", JOB, typed, "--json")):
        ran = technician(*words).good()
        assert not {sign for sign in ran.out if sign != "\n" and (ord(sign) < 32 or 127 <= ord(sign) < 160)}
        assert "\u202e" not in ran.out
    bodies = [line["body"] for line in technician("log", JOB, "--json").json if line["type"] == "note.added"]
    assert bodies[0]["text"] == typed.strip()


def test_text_that_is_none_is_refused_and_nothing_is_saved(technician: Device) -> None:
    before = len(technician("log", JOB, "--json").json)
    technician("note", JOB, "broken \udcff encoding").refused("no character")
    technician("do", JOB, "accept", "--note", "x" * 70_000).refused("one record holds at most")
    technician("job", "\udcff").refused("no character")
    assert len(technician("log", JOB, "--json").json) == before


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk", "utf-8"])
def test_every_terminal_gets_what_it_can_show(technician: Device, encoding: str) -> None:
    technician("note", JOB, "冷水机组 🧊 é").good()
    for words in (("log", JOB), ("log", JOB, "--json")):
        done = subprocess.run(
            [sys.executable, "-m", "fieldapp", *words, *technician.options],
            cwd=ROOT, env=environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0"), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        text = done.stdout.decode(encoding)
        if "--json" in words:
            assert json.loads(text)[-1]["body"]["text"] == "冷水机组 🧊 é"
        elif encoding == "utf-8":
            assert "冷水机组" in text


def test_a_reader_that_has_seen_enough_is_no_error(technician: Device) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fieldapp", "jobs", "--json", *technician.options],
            cwd=ROOT, env=environment(), stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_nobody_expected_is_one_sentence_and_a_log(technician: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError("a defect of ours")

    known = calling.command_of
    monkeypatch.setattr(calling, "command_of", lambda listed: known(listed)._replace(run=broken))
    ran = technician("jobs").refused("Something unexpected went wrong (ZeroDivisionError).")
    log = technician.home / "logs" / "errors.log"
    assert str(log) in ran.err
    assert "a defect of ours" in log.read_text(encoding="utf-8")
    assert "Traceback" in log.read_text(encoding="utf-8")
    monkeypatch.setattr(calling, "_note_down", lambda *_: None)  # there is no room for a log either
    assert "Please report this to whoever looks after Fieldapp." in technician("jobs").err


def test_ctrl_c_is_quiet(technician: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    known = calling.command_of
    monkeypatch.setattr(calling, "command_of", lambda listed: known(listed)._replace(run=interrupted))
    ran = technician("jobs")
    assert (ran.code, ran.out, ran.err.strip()) == (1, "", "")


def test_tables_align_han_characters() -> None:
    stream = Stream()
    Output(stdout=stream).table(("NAME", "ROLE"), [["陈立", "technician"], ["Anna", "supervisor"]])
    assert stream.getvalue().splitlines() == ["NAME  ROLE", "陈立  technician", "Anna  supervisor"]


def test_strict_settings(technician: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    monkeypatch.setenv("FIELDAPP_CONFIG", str(file))
    file.write_text(f'[device]\nhome = "{technician.home.as_posix()}"\n', encoding="utf-8")
    assert Commands()("locate", "--json").json["home"] == str(technician.home)
    file.write_text('[device]\nhom = "/x"\n', encoding="utf-8")
    Commands()("jobs").refused("unknown key 'device.hom'")
    file.write_text("[devise]\n", encoding="utf-8")
    assert "Did you mean device?" in Commands()("jobs").refused("unknown key 'devise'").err
    file.write_text("[device\n", encoding="utf-8")
    Commands()("jobs").refused("cannot be used")
    file.write_text("x = " + "[" * 100_000, encoding="utf-8")
    Commands()("jobs").refused("too deep inside one another")
    file.write_text("[device]\nlanguage = 3\n", encoding="utf-8")
    Commands()("jobs").refused("device.language is not a text")
    file.write_text('[server]\nport = "many"\n', encoding="utf-8")
    Commands()("admin", "init", "--server-home", str(tmp_path / "s")).refused("setting port cannot be used")
    file.write_text("[server]\nprot = 1\n", encoding="utf-8")
    Commands()("admin", "init", "--server-home", str(tmp_path / "s")).refused("Did you mean port?")


def test_a_server_lies_below_the_home_that_its_commands_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*words: str) -> Path:
        return Path(Commands()(*words, "--json").json["database"].removeprefix("sqlite:///"))

    assert made("--home", str(tmp_path / "a"), "admin", "init") == tmp_path / "a" / "server" / "server.db"
    assert made("admin", "init", "--home", str(tmp_path / "b")) == tmp_path / "b" / "server" / "server.db"
    monkeypatch.setenv("FIELDAPP_HOME", str(tmp_path / "c"))
    assert made("admin", "init") == tmp_path / "c" / "server" / "server.db"
    assert made("admin", "init", "--server-home", str(tmp_path / "d")) == tmp_path / "d" / "server.db"
    monkeypatch.setenv("FIELDAPP_SERVER_HOME", str(tmp_path / "e"))
    assert made("admin", "init") == tmp_path / "e" / "server.db"
    assert all((tmp_path / name).exists() for name in ("a/server/server.db", "d/server.db", "e/server.db"))


def test_a_database_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    ran = Commands("--home", str(tmp_path))("admin", "init", "--database", "mysql://u:secret@h/x")
    assert "secret" not in ran.refused("begins with 'mysql'").err
