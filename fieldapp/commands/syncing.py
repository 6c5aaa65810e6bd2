"""Sending and receiving: `sync` runs one whole exchange, `outbox` says what is only here."""

from __future__ import annotations

import argparse

from fieldapp.commands.calling import FAILED, OK, Command
from fieldapp.commands.output import Output


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


def _outbox(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.store.queries.outbox import outbox
    from fieldapp.store.queries.own import job_files

    with reading(arguments.home) as device:
        box, files_of = outbox(device.reader), job_files(device.reader)
        if arguments.json:
            from fieldapp.commands.shapes import outbox_shape

            out.json(outbox_shape(box, files_of))
            return OK
        files = f"{box.files_waiting} files ({box.file_bytes:,} bytes)" if box.files_waiting else "no files"
        out.line(f"Only on this device   {box.unsent} entries, {files}")
        for job in files_of:
            out.line(f"Files                 {job.number}: {job.words}")
        out.line(f"Received              {box.received} (the server has them; what became of them is not known yet)")
        out.line(f"Settled               {box.settled}")
        for entry in box.refused:
            out.line(f"Does not stand        {entry.type} ({entry.outcome or 'refused'}): {entry.reason}")
        out.line(f"Safe to leave         {'yes' if box.safe_to_leave else 'no: run fieldapp sync'}")
    return OK


COMMANDS = {
    "sync": Command(
        _sync, "fieldapp sync", description="Send what is unsent, fetch what is new; exit code 1 when something is left"
    ),
    "outbox": Command(
        _outbox,
        "fieldapp outbox --json",
        description="Show what is only on this device, what the server has, what does not stand",
    ),
}
