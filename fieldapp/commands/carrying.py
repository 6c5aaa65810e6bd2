"""Work that is carried by hand: what is only here goes to a file; another device of the same person, or the server, takes it in."""

from __future__ import annotations

import argparse
import time

from fieldapp.commands.calling import FAILED, OK, Command
from fieldapp.commands.output import Output, counted
from fieldapp.settings import typed_path

SHOWN = 20
"""Things not taken that a person is shown; scripts get all."""


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", default=".", metavar="FILE", help="new file, or a folder to write it to (the present folder)")


def _export(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import enrolled
    from fieldapp.services.unsent import unsent_name, unsent_work, write_unsent

    home, identity = enrolled(arguments.home)
    found = unsent_work(home, identity)
    target = typed_path(arguments.to).absolute()
    if target.is_dir():
        target = target / unsent_name(identity.code, time.strftime("%Y%m%d-%H%M"))
    if not found.places and not found.files:
        if arguments.json:
            out.json({"file": None, "entries": 0, "files": 0, "missing": []})
        else:
            out.line("Nothing is only on this device, so nothing was written.")
        return OK
    written = write_unsent(home, identity, target)
    if arguments.json:
        shape = {"file": str(target), "entries": written.entries, "files": written.files, "missing": list(written.missing)}
        out.json(shape)
    else:
        out.line(f"{counted(written.entries, 'entry')} and {counted(written.files, 'file')} written to {target}")
        for name in written.missing:
            out.line(f"  {name} is not on this device any more and is not in it.")
        out.line(
            "  Everything stays here as well. On your other device: fieldapp import FILE; at the server: fieldapp admin import FILE"
        )
    return FAILED if written.missing else OK


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what `fieldapp export unsent`, or the sync centre, wrote")


def _import(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing
    from fieldapp.services.unsent import import_unsent

    source = typed_path(arguments.file).absolute()
    with writing("fieldapp import", arguments.home) as device:
        found = import_unsent(device.home, device.replica, source)
    if arguments.json:
        out.json(
            {
                "taken": found.taken,
                "known": found.known,
                "files": found.files,
                "refused": [{"entry": entry, "reason": reason} for entry, reason in found.refused],
                "lacking": list(found.lacking),
                "damaged_lines": list(found.damaged),
            }
        )
        return OK if found.whole else FAILED
    taken = f"{counted(found.taken, 'entry')} and {counted(found.files, 'file')}"
    out.line(f"{taken} taken in from {source}; {found.known} were here already.")
    notes = [f"line {number} is damaged" for number in found.damaged]
    notes += [f"entry {entry}: {reason}" for entry, reason in found.refused]
    notes += [f"the file {name} is not whole in it" for name in found.lacking]
    for note in notes[:SHOWN]:
        out.line(f"  Not taken: {note}")
    if len(notes) > SHOWN:
        out.line(f"  ... and {len(notes) - SHOWN} more (--json lists all)")
    if found.taken:
        out.line("  They are sent from here: fieldapp sync")
    return OK if found.whole else FAILED


COMMANDS = {
    "export unsent": Command(
        _export,
        "fieldapp export unsent --to /media/stick",
        _export_arguments,
        description="Write everything that is only on this device, with its files, to one file. It works without a network, "
        "beside a running app and with a damaged database, and changes nothing here",
    ),
    "import": Command(
        _import,
        "fieldapp import /media/stick/fieldapp-unsent-A1-20261122-0900.jsonl",
        _import_arguments,
        description="Take in what another device of the same person exported. The same file twice adds nothing. What is damaged is "
        "named and left out; exit code 1 then",
    ),
}
