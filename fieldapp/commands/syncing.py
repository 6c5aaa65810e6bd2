"""Sending and receiving: `sync` runs one whole exchange, `outbox` says what is only here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fieldapp.commands.calling import FAILED, OK, Command
from fieldapp.commands.output import Output

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceView
    from fieldapp.store.queries.own import OwnLine

SHOWN_AS_TEXT = 50
"""A person reads the first page; a script gets every entry."""


def _sync(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing
    from fieldapp.settings import device_settings
    from fieldapp.store.queries.scope import doubted_words, scope_trouble
    from fieldapp.sync.once import sync_once

    settings = device_settings(arguments.home)
    with writing("fieldapp sync", arguments.home) as device:
        report = sync_once(device, settings)
        left = not device.replica.counts().safe_to_leave
        trouble = scope_trouble(device.reader)
    whole = report.problem is None
    if arguments.json:
        out.json({"online": report.online, "sent": report.sent, "received": report.received, "problem": report.problem})
    elif whole:
        out.line(f"Everything is exchanged: {report.sent} sent, {report.received} received.")
        if trouble.doubted:
            out.line(f"  note: {doubted_words(trouble.doubted)}")
    else:
        out.line(f"Not everything is exchanged: {report.sent} sent, {report.received} received.")
        out.complain("not-exchanged", report.problem or "", _what_is_safe(report.connection, left))
    return OK if whole else FAILED


def _what_is_safe(connection: str, left: bool) -> str:
    """What became of what was recorded. `left`: some of it is only here."""
    if connection == "revoked" and left:
        return "What it could not hand over is safe on this device: show it to the office before anything is deleted."
    if connection == "revoked":
        return "What was not sent has been handed over to the office."
    return "What was recorded is safe on this device and is sent next time."


def _outbox_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="list also what is settled and stands")


def _outbox(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.store.queries.outbox import backed_up, outbox
    from fieldapp.store.queries.own import job_files

    with reading(arguments.home) as device:
        box, files_of = outbox(device.reader), job_files(device.reader)
        safe = backed_up(device.reader)
        entries = _own_entries(device, arguments.all)
        if arguments.json:
            from fieldapp.commands.shapes import outbox_shape

            out.json(outbox_shape(box, files_of, entries, safe))
            return OK
        files = f"{box.files_waiting} files ({box.file_bytes:,} bytes)" if box.files_waiting else "no files"
        out.line(f"Only on this device   {box.unsent} entries, {files}")
        for job in files_of:
            out.line(f"Files                 {job.number}: {job.words}")
        out.line(f"Received              {box.received} (the server has them; what became of them is not known yet)")
        out.line(f"Settled               {box.settled}")
        if safe.of:
            rest = "" if safe.entries == safe.of else "; the others are kept here until they are, too"
            out.line(f"In a verified backup  {safe.entries} of {safe.of} entries{rest}")
        for entry in box.refused:
            out.line(f"Does not stand        {entry.type} ({entry.outcome or 'refused'}): {entry.reason}")
        _list_own(device, out, entries)
        out.line(f"Safe to leave         {'yes' if box.safe_to_leave else 'no: run fieldapp sync'}")
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
    from fieldapp.commands.shapes import own_line
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
        about = " ".join(part for part in (f"{shape['reason']}." if shape["reason"] else "", shape["done"]) if part)
        what = f"{shape['type']} {shape['what']}"[:50]
        rows.append([state, local_text(line.saved, zone), shape["job"] or line.stream, what, about])
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
}
