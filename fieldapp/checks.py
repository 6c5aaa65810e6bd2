"""What `fieldapp doctor` and the diagnosis on the screen look at, each check one sentence.

It reads beside a running app and changes nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fieldapp.domain.entry import DOUBTFUL_SKEW_MS
from fieldapp.domain.problem import Problem
from fieldapp.services.lost_files import lost_files, lost_names
from fieldapp.settings import device_settings
from fieldapp.store.home import Home, Identity
from fieldapp.store.journal import Journal
from fieldapp.store.mending import PUT_ASIDE, check_place, lost_lines
from fieldapp.store.queries.outbox import outbox, setting
from fieldapp.store.queries.own import given_up_files
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.scope import doubted_words, scope_trouble
from fieldapp.store.sealing import WORDS

LITTLE_ROOM = 200 * 1024 * 1024
"""Bytes free on the disk below which somebody should make room."""


class Check(NamedTuple):
    """One thing that was looked at. `words` say what is so, and where it is not well what to do."""

    name: str
    ok: bool
    words: str


def checks(given_home: str | None, *, ask_server: bool) -> list[Check]:
    """Everything there is to check on a device, in the order in which one thing rests on another."""
    try:
        settings = device_settings(given_home)
    except Problem as problem:
        return [Check("settings", False, str(problem))]
    home = Home(settings.home.absolute())
    found = [_home(home)]
    try:
        identity = home.identity()
    except Problem as problem:
        return [*found, Check("identity", False, str(problem))]
    if identity is None:
        return [*found, Check("identity", False, "This is not a device of yours yet. Ask for a code: fieldapp enrol URL CODE.")]
    if identity.sealed:
        return [*found, Check("identity", False, f"{WORDS} Ask the office for a new code: fieldapp enrol URL CODE --again.")]
    whose = f"Device {identity.code} of {identity.name} ({identity.role}, {identity.log}), server {identity.url}."
    found.append(Check("identity", True, whose))
    found += _database(home, identity.role)
    found.append(_disk(home))
    if ask_server:
        found += _server(identity, settings.ca_file, settings.proxy)
    return found


def _home(home: Home) -> Check:
    if not home.path.is_dir():
        return Check("home", False, f"The folder {home.path} does not exist yet.")
    probe = home.path / ".doctor"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Check("home", False, f"Nothing can be written to {home.path} ({error.strerror}). Check its owner and the disk.")
    return Check("home", True, f"{home.path} can be written.")


def _database(home: Home, role: str) -> Iterator[Check]:
    if not home.database_file.exists():
        yield Check("database", False, "It is missing. The next command that records makes it anew, with all unsent work.")
        yield _journal(home, None)
        return
    try:
        check_place(home)
    except Problem as problem:
        yield Check("database", False, str(problem))
        yield _journal(home, None)
        return
    reader = Reader(home.database_file)
    try:
        verdict = str(reader.rows("PRAGMA integrity_check(1)")[0][0])
        if verdict != "ok":
            yield Check("database", False, _damaged(verdict))
            yield _journal(home, None)
            return
        aside = "".join(f" A damaged one lies at {path}." for path in sorted(home.database_file.parent.glob(PUT_ASIDE)))
        yield Check("database", True, f"Every page of {home.database_file.name} is well.{aside}")
        yield from _content(home, reader)
        yield _history(home, role)
    except (Problem, sqlite3.Error) as problem:
        yield Check("database", False, _unread(problem))
        yield _journal(home, None)
    finally:
        reader.close()


def _damaged(error: str) -> str:
    return (
        f"It is damaged: {error}. Unsent work is in the journal too: keep that folder. `fieldapp doctor --repair` puts the damaged "
        "one aside and makes a new one."
    )


def _unread(error: Exception) -> str:
    """Why a database cannot be read: what its disk does not give is no damage, and nothing to be made anew."""
    cause = error.__cause__ or error
    name = str(getattr(cause, "sqlite_errorname", ""))
    if name.startswith("SQLITE_IOERR"):
        return f"It cannot be read now ({cause}): the disk is full or does not answer. Nothing is lost; make room and look again."
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(str(cause))
    return str(error)


def _content(home: Home, reader: Reader) -> Iterator[Check]:
    box = outbox(reader)
    yield _journal(home, box.unsent)
    lines = lost_lines(home, reader)
    if lines is not None:
        yield Check("journal", False, str(lines))
    lost = lost_files(home, reader, closely=True)
    waiting = box.files_waiting - len(lost)
    words = f"Only on this device: entries {box.unsent}, files {waiting}."
    if not (box.unsent or waiting):
        whole = not (lost or given_up_files(reader))
        words = "Everything recorded here is at the server too." if whole else "Everything that is here is at the server too."
    yield Check("outbox", True, words)
    if box.refused:
        yield Check("decisions", True, f"{len(box.refused)} records do not stand by themselves; the office decides on them.")
    trouble = scope_trouble(reader)
    if trouble.doubted:
        yield Check("scope", True, doubted_words(trouble.doubted))
    if trouble.differing:
        names = ", ".join(trouble.differing[:5])
        words = f"{len(trouble.differing)} records look otherwise here than at the server, though they were read again: {names}."
        yield Check("agreement", False, words + " Nothing is lost. Upgrade this program, and tell the office if it stays so.")
    if lost:
        gone = f"{len(lost)} recorded files are gone from {home.files}, or damaged there, before the server had them: "
        safe = "What was recorded about them is safe. Attach them again; what cannot be found: fieldapp outbox give-up NAME."
        yield Check("files", False, f"{gone}{lost_names(lost)}. {safe}")
    else:
        yield Check("files", True, "Every recorded file is there.")
    skew = setting(reader, "skew_ms")
    if skew is None:
        yield Check("clock", True, "Not compared with the server's yet.")
        return
    off = int(skew)
    well = abs(off) <= DOUBTFUL_SKEW_MS
    way = "behind" if off > 0 else "ahead of"
    words = f"{abs(off) // 1000} s {way} the server's." if abs(off) >= 1000 else "Agrees with the server's."
    yield Check("clock", well, words if well else words + " Set it: times recorded now are marked doubtful.")


def _history(home: Home, role: str) -> Check:
    """Every hash and chain computed again, every view folded again."""
    from fieldapp.store.database import Database
    from fieldapp.store.verify import verify_device

    database = Database(home.database_url, read_only=True)
    try:
        findings = verify_device(database, role, files=home.files, journal=Journal(home.journal_file))
    finally:
        database.close()
    if findings:
        first = findings[0]
        named = f" (entry {first.entry})" if first.entry else ""
        words = f"{len(findings)} places do not agree, the first is {first.kind} {first.where}{named}: {first.message}."
        return Check("history", False, words)
    return Check("history", True, "Every hash, every chain and every view agrees with what was recorded.")


def _journal(home: Home, unsent: int | None) -> Check:
    content = Journal(home.journal_file).read()
    if content.damaged:
        lines = ", ".join(str(number) for number in sorted(content.damaged)[:5])
        return Check("journal", False, f"Damaged lines: {lines}. The others are good; the database has its own copy.")
    if unsent is None:
        return Check("journal", True, f"It holds {len(content.lines)} entries.")
    if len(content.lines) < unsent:
        return Check(
            "journal", False, f"It holds {len(content.lines)} of {unsent} unsent entries. The next command that records mends that."
        )
    return Check("journal", True, f"It holds a second copy of all {unsent} unsent entries.")


def _disk(home: Home) -> Check:
    place: Path = home.path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    words = f"{free // (1024 * 1024):,} MiB are free."
    return Check("disk", free >= LITTLE_ROOM, words if free >= LITTLE_ROOM else words + " Make room, or nothing more can be saved.")


def _server(identity: Identity, ca_file: str, proxy: str) -> Iterator[Check]:
    import secrets

    from fieldapp.sync import messages as m
    from fieldapp.sync.transport import Transport

    try:
        transport = Transport(
            identity.url, device=identity.device, secret=identity.secret, ca_file=identity.ca_file or ca_file, proxy=proxy
        )
    except Problem as problem:
        yield Check("server", False, str(problem))
        return
    try:
        answer = transport.ask(m.AskToken(secrets.token_hex(16)))
    finally:
        transport.close()
    if isinstance(answer, m.Good):
        yield Check("server", True, f"{identity.url} answers and knows this device.")
    elif isinstance(answer, m.Refused):
        yield Check(
            "server", False, f"{identity.url} answers: {answer.detail.title} {answer.detail.detail} {answer.detail.hint}".strip()
        )
    else:
        yield Check("server", False, f"{answer.words or answer.kind}. Work goes on; it is sent when the server answers again.")
