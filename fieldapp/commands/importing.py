"""Importing: jobs from tables of tickets, procedures from spreadsheets. What cannot be taken in is named by place and reason."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from fieldapp.commands.calling import FAILED, OK, Command
from fieldapp.commands.output import Output, counted


def _jobs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the table (.csv)")
    parser.add_argument("--mapping", metavar="FILE", help="which column is what: a mapping file or the name of a shipped one")
    parser.add_argument("--procedure", action="append", default=[], metavar="CODE", help="pin this procedure; repeatable")
    parser.add_argument("--person", default="", metavar="PERSON", help="assign all of them")


def _jobs(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing
    from fieldapp.imports.ticket_entries import ticket_entries
    from fieldapp.imports.tickets import read_tickets

    mapping: Path | str | None = arguments.mapping
    if mapping and Path(mapping).suffix:
        mapping = Path(mapping)
    read = read_tickets(Path(arguments.file), mapping)
    with writing("fieldapp import jobs", arguments.home) as device:
        drafts = ticket_entries(read.rows, log=device.identity.log, known=device.office.known_for_import())
        imported = device.office.take_in(
            drafts.reference, drafts.jobs, procedures=arguments.procedure, person=arguments.person
        )  # fmt: skip
    refused = [{"line": found.line, "reason": found.reason} for found in read.refused]
    warnings = [{"line": found.line, "reason": found.reason} for found in read.warnings]
    if arguments.json:
        out.json({"imported": imported, "refused": refused, "warnings": warnings})
        return OK
    known = f", {drafts.known} were there already" if drafts.known else ""
    out.line(f"Saved: {counted(imported, 'job')}{known}")
    for found in read.refused:
        out.line(f"  refused, line {found.line}: {found.reason}")
    for found in read.warnings:
        out.line(f"  note, line {found.line}: {found.reason}")
    return OK


def _procedure_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the spreadsheet (.xlsx, .xls)")
    parser.add_argument("--code", metavar="CODE", help="code of the procedure (default: the form's id)")
    parser.add_argument("--kind", choices=("service", "checklist"), default="service", help="what it is (service)")
    parser.add_argument("--preview", action="store_true", help="only say what would be published; publish nothing")


def _procedure(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.imports.xlsform import read_procedure

    read = read_procedure(Path(arguments.file), code=arguments.code, kind=arguments.kind)
    refused = [{"sheet": found.sheet, "row": found.row, "reason": found.reason} for found in read.refused]
    warnings = [{"sheet": found.sheet, "row": found.row, "reason": found.reason} for found in read.warnings]
    imported, words = 0, ""
    if read.procedure is not None and arguments.preview:
        words = f"{read.procedure.code}: {len(read.procedure.steps)} steps; nothing was published"
    elif read.procedure is not None:
        from fieldapp.bootstrap import writing

        with writing("fieldapp import procedure", arguments.home) as device:
            done = device.standard.publish(read.procedure)
        imported = 1 if done.saved is not None else 0
        verb = "Saved: published" if done.saved is not None else "Nothing new: published before as"
        words = f"{verb} {done.code} version {done.version}, {done.steps} steps"
    if arguments.json:
        out.json({"imported": imported, "refused": refused, "warnings": warnings})
    else:
        if words:
            out.line(words)
        for item in refused:
            out.line(f"  refused, {_place(item)}: {item['reason']}")
        for item in warnings:
            out.line(f"  note, {_place(item)}: {item['reason']}")
    if refused:
        if not arguments.json:
            out.complain(
                "import-refused", f"{Path(arguments.file).name} was not imported.", "Mend what is named above and import it again."
            )
        return FAILED
    return OK


def _place(item: Mapping[str, object]) -> str:
    row = f" row {item['row']}" if item["row"] is not None else ""
    return f"sheet {item['sheet']}{row}" if item["sheet"] else "the form"


COMMANDS = {
    "import jobs": Command(
        _jobs,
        "fieldapp import jobs tickets.csv --procedure WIFI-VAL",
        _jobs_arguments,
        description="Make jobs from a table of tickets. The same file twice adds nothing. Bad rows are named and left out",
    ),
    "import procedure": Command(
        _procedure,
        "fieldapp import procedure wifi-validation.xlsx --code WIFI-VAL",
        _procedure_arguments,
        description="Publish a procedure from a spreadsheet (XLSForm) as its next version, whole or not at all",
    ),
}
