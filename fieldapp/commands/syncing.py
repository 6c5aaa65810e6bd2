"""Sending and receiving: `sync` runs one whole exchange, `outbox` says what is only here, and gives up files that are lost."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fieldapp.commands.calling import FAILED, OK, Command
from fieldapp.commands.output import Output, counted

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceView
    from fieldapp.store.queries.own import OwnFile, OwnLine
    from fieldapp.sync.status import SyncReport

SHOWN_AS_TEXT = 50
"""A person reads the first page; a script gets every entry."""


def _sync(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing
    from fieldapp.commands.log_file import log_kept
    from fieldapp.services.lost_files import lost_files, with_names
    from fieldapp.settings import device_settings
    from fieldapp.store.queries.outbox import outbox
    from fieldapp.store.queries.scope import doubted_words, scope_trouble
    from fieldapp.sync.once import sync_once

    settings = device_settings(arguments.home)
    with writing("fieldapp sync", arguments.home) as device, log_kept(device.home):
        report = sync_once(device, settings)
        lost = lost_files(device.home, device.reader, closely=report.problem is not None)
        counts, refused = device.replica.counts(), len(outbox(device.reader).refused)
        left = bool(counts.unsent or counts.files_waiting > len(lost))
        trouble = scope_trouble(device.reader)
        problem = with_names(device.reader, _told(report)) if report.problem is not None else None
    whole = problem is None
    if arguments.json:
        out.json({"online": report.online, "sent": report.sent, "received": report.received, "problem": problem})
    elif whole:
        out.line(f"Everything is exchanged: {report.sent} sent, {report.received} received.")
        if trouble.doubted:
            out.line(f"  note: {doubted_words(trouble.doubted)}")
    else:
        out.line(f"Not everything is exchanged: {report.sent} sent, {report.received} received.")
        out.complain("not-exchanged", problem or "", _what_is_safe(report.connection, left, lost))
    if refused and not arguments.json:
        does = "1 record does" if refused == 1 else f"{refused} records do"
        out.line(f"  note: {does} not stand; the office decides on that: fieldapp outbox")
    return OK if whole else FAILED


def _told(report: SyncReport) -> str:
    """What stands in the way. The server's own sentence is left out where it adds nothing: that something "was not saved" there
    is no word for whoever recorded it here."""
    from fieldapp.sync.status import sentence

    problem = report.problem or ""
    said_by_server = report.connection == "busy" and problem.endswith(".)")
    return sentence(report.connection) if said_by_server or report.connection in ("server_full", "other_server") else problem


def _what_is_safe(connection: str, left: bool, lost: Sequence[OwnFile]) -> str:
    """What became of what was recorded. `left`: some of it is only here. `lost`: these files are nowhere."""
    if connection == "revoked" and left:
        return "What it could not hand over is safe on this device: show it to the office before anything is deleted."
    if connection == "revoked":
        return "What was not sent has been handed over to the office."
    if lost:
        rest = " Everything else is safe on this device and is sent next time." if left else ""
        return f"{_lost_words(lost)} {_give_up_words(lost)}.{rest}"
    return "What was recorded is safe on this device and is sent next time."


def _lost_words(lost: Sequence[OwnFile]) -> str:
    from fieldapp.services.lost_files import lost_names

    are, had, it = ("is", "has", "it") if len(lost) == 1 else ("are", "have", "them")
    return (
        f"{lost_names(lost)} {are} gone from this device's folder, or damaged there, and {had} not reached the server. What was "
        f"recorded about {it} is safe."
    )


def _give_up_words(lost: Sequence[OwnFile]) -> str:
    again = "Attach the same file again, or take a new one and give this one up"
    return f"{again}: fieldapp outbox give-up {shlex.quote(lost[0].name or lost[0].sha256[:12])}"


def _outbox_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="list also what is settled and stands")


def _outbox(arguments: argparse.Namespace, out: Output) -> int:
    import msgspec

    from fieldapp.bootstrap import reading
    from fieldapp.commands.shapes import outbox_shape, why_words
    from fieldapp.services.lost_files import lost_files, lost_names
    from fieldapp.services.second_copy import only_in_journal
    from fieldapp.store.queries.outbox import backed_up, outbox
    from fieldapp.store.queries.own import given_up_files, job_files, own_places

    with reading(arguments.home) as device:
        box, safe = outbox(device.reader), backed_up(device.reader)
        second = only_in_journal(device.home, device.identity, device.reader)
        settled = len(own_places(device.reader)["settled"])  # without what is refused
        box = msgspec.structs.replace(box, settled=settled, unsent=box.unsent + second)
        lost = lost_files(device.home, device.reader, closely=True)
        files_of = job_files(device.reader, lost=frozenset(file.sha256 for file in lost))
        waiting, size = box.files_waiting - len(lost), box.file_bytes - sum(file.size for file in lost)
        entries, given_up = _own_entries(device, arguments.all), given_up_files(device.reader)
        if arguments.json:
            out.json(outbox_shape(box, files_of, entries, safe, lost, given_up))
            return OK
        files = f"{counted(waiting, 'file')} ({size:,} bytes)" if waiting else "no files"
        out.line(f"Only on this device   {counted(box.unsent, 'entry')}, {files}")
        if second:
            out.line(f"In the second copy    {second} of them; the database has been put back to an earlier day: fieldapp sync")
        if lost:
            out.line(f"Gone                  {_lost_words(lost)}")
        if given_up:
            out.line(f"Given up              {lost_names(given_up)} (lost here, and never at the server)")
        for job in files_of:
            out.line(f"Files                 {job.number}: {job.words}")
        out.line(f"Received              {box.received} (the server has them; what became of them is not known yet)")
        out.line(f"Settled               {box.settled}")
        if safe.of:
            rest = "" if safe.entries == safe.of else "; the others are kept here until they are, too"
            out.line(f"In a verified backup  {safe.entries} of {counted(safe.of, 'entry')}{rest}")
        for entry in box.refused:
            out.line(f"Does not stand        {entry.type} ({entry.outcome or 'refused'}): {why_words(device, '', entry.reason)}")
        _list_own(device, out, entries)
        out.line(f"Safe to leave         {_verdict(box.safe_to_leave, box.unsent + waiting, lost)}")
    return OK


def _verdict(safe: bool, only_here: int, lost: Sequence[OwnFile]) -> str:
    if safe:
        return "yes"
    if not lost:
        return "no: run fieldapp sync"
    what = "a file is gone" if len(lost) == 1 else f"{len(lost)} files are gone"
    return f"no: {'run fieldapp sync; ' if only_here else ''}{what}. {_give_up_words(lost)}"


def _give_up_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="its name as the outbox says it, or how its hash begins")


def _give_up(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing
    from fieldapp.services.lost_files import give_up

    def note(file: OwnFile) -> str:
        return f"The file {file.name} was lost on the device that recorded it. It never reached the server."

    with writing("fieldapp outbox give-up", arguments.home) as device:
        done = give_up(device.home, device.replica, device.reader, device.work, arguments.file, note)
    file = done.file
    if arguments.json:
        out.json({"name": file.name, "sha256": file.sha256, "job": file.number or None, "saved": list(done.entries)})
        return OK
    said = f"; the log of {file.number} says so" if done.entries else ""
    out.line(f"Saved: {file.name} is not waited for any more{said}. Found again, it can be attached as before.")
    return OK


def _own_entries(device: DeviceView, everything: bool) -> list[OwnLine]:
    """What has not come to rest, then what there is to tell of the settled ones; or all."""
    from fieldapp.store.queries.own import SECTIONS, own_lines, own_places, own_told

    places = own_places(device.reader)
    if not everything:
        places["settled"] = own_told(device.reader)
    parts = [
        (section, places[section][start : start + 200]) for section in SECTIONS for start in range(0, len(places[section]), 200)
    ]
    return [line for section, part in parts for line in own_lines(device.reader, section, part)]


def _list_own(device: DeviceView, out: Output, entries: list[OwnLine]) -> None:
    from fieldapp.commands.shapes import own_line, why_words
    from fieldapp.domain.instant import local_text, zone_of

    if not entries:
        return
    zone = zone_of(device.zone)
    shown = entries[:SHOWN_AS_TEXT]
    out.line()
    rows = []
    for line in shown:
        shape = own_line(line)
        state = f"{line.section} ({shape['outcome']})" if shape["outcome"] not in (None, "applied") else line.section
        why = why_words(device, "", shape["reason"])
        about = " ".join(part for part in (f"{why}." if why else "", shape["done"]) if part)
        what = f"{shape['type']} {shape['what']}"[:50]
        rows.append([state, local_text(line.line.entry.envelope.corrected, zone), line.job, what, about])
    out.table(("LANE", "SAVED", "JOB", "WHAT", "WHAT BECAME OF IT"), rows)
    if len(entries) > len(shown):
        out.aside(f"{len(shown)} of {len(entries)} records shown; --json has them all.")
    out.line()


COMMANDS = {
    "sync": Command(
        _sync, "fieldapp sync", description="Send what is unsent, fetch what is new; exit code 1 when something is left"
    ),
    "outbox": Command(
        _outbox,
        "fieldapp outbox --json",
        _outbox_arguments,
        description="Show what is only on this device, what the server and its verified backup have, what does not stand and what "
        "was decided on it",
    ),
    "outbox give-up": Command(
        _give_up,
        "fieldapp outbox give-up photo2.jpg",
        _give_up_arguments,
        description="Wait no longer for a file that is gone from this device and never reached the server; the job's log says so",
    ),
}
