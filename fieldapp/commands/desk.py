"""The desk by commands: what waits for a decision of the office, and the decisions; what came late and stands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fieldapp.commands.calling import OK, Command, refuse_usage
from fieldapp.commands.output import Output

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceView
    from fieldapp.store.queries.desk import DeskItem
    from fieldapp.store.queries.log import LogLine
    from fieldapp.sync.protocol import AsideBytes, KnownDevice, MissingFile

SHOWN_ID = 8
"""Last characters of an id, as lists show it: enough to name it."""


def _desk_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="do not ask the server; show what it said last")


def _desk(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.domain.instant import iso_utc
    from fieldapp.store.queries.desk import on_desk, own_decisions
    from fieldapp.sync.asked import silent

    with reading(arguments.home) as device:
        _check_office(device)
        asked = _asked(device, arguments)
        decided, now = own_decisions(device.reader), device.clock.now()
        desk = on_desk(device.reader, now)
        items, late = desk.waiting, desk.late
        answer = asked.answer
        aside = answer.aside if answer else ()
        quiet = silent(answer, now)
        files = answer.files if answer else ()
        if arguments.json:
            out.json(
                {
                    "items": [_item_shape(device, item, now) for item in items],
                    "bytes": [_bytes_shape(one, decided.get(one.id, "")) for one in aside],
                    "late": [{**_item_shape(device, item, now), "given_to": item.given_to or None} for item in late],
                    "devices": [_device_shape(one) for one in quiet],
                    "files": [_file_shape(device, one) for one in files],
                    "as_of": iso_utc(answer.time) if answer else None,
                    "problem": asked.problem or None,
                }
            )
            return OK
        parts: tuple[tuple[Sequence[object], Callable[[], None]], ...] = (
            (items, lambda: _list_items(device, out, items, now)),
            (aside, lambda: _list_bytes(device, out, aside, decided)),
            (late, lambda: _list_late(device, out, late)),
            (quiet, lambda: _list_devices(device, out, quiet, now)),
            (files, lambda: _list_files(device, out, files)),
        )
        shown = [show for found, show in parts if found]
        for place, show in enumerate(shown):
            if place:
                out.line()
            show()
        if not shown:
            out.line("The desk is empty: nothing waits for a decision.")
        if asked.problem:
            when = (
                f"what it said at {_local(device, answer.time)}"
                if answer
                else "unreadable records, devices and files are not known"
            )
            out.aside(f"The server was not asked now ({asked.problem}): {when}.")
    return OK


def _list_items(device: DeviceView, out: Output, items: Sequence[DeskItem], now: int) -> None:
    from fieldapp.commands.shapes import why_words
    from fieldapp.services.names import name_of_person

    rows = []
    for item in items:
        envelope = item.line.entry.envelope
        kind = f"{item.kind} > 24 h" if item.overdue(now) else item.kind
        decided = f"decided here: {item.decided}, not sent yet" if item.decided else why_words(device, "", item.reason)
        rows.append(
            [
                item.id[-SHOWN_ID:], kind, item.number or item.stream, name_of_person(device.documents, envelope.author),
                _local(device, item.since), _what(item), decided[:80],
            ]
        )  # fmt: skip
    out.table(("ID", "KIND", "JOB", "WHO", "RECEIVED", "WHAT", "WHY"), rows)


def _list_bytes(device: DeviceView, out: Output, aside: Sequence[AsideBytes], decided: dict[str, str]) -> None:
    from fieldapp.services.aside import aside_record
    from fieldapp.services.names import name_of_person

    rows = []
    for one in aside:
        record = aside_record(device.reader, one)
        rows.append(
            [
                one.id[:12], f"{one.size:,}", record.number or record.stream if record else "",
                name_of_person(device.documents, one.person), _local(device, one.received_at),
                _said(record.line)[:60] if record else "",
                f"decided here: {decided[one.id]}" if one.id in decided else one.reason[:100], one.why_not[:100] or "yes",
            ]
        )  # fmt: skip
    out.table(("BYTES", "SIZE", "JOB", "WHO", "RECEIVED", "WHAT", "WHY", "CAN STAND"), rows)


def _list_late(device: DeviceView, out: Output, late: Sequence[DeskItem]) -> None:
    from fieldapp.commands.shapes import why_words
    from fieldapp.services.names import name_of_person

    out.table(
        ("LATE", "JOB", "WHO", "RECEIVED", "WHAT", "IT STANDS; NOTHING TO DECIDE"),
        [
            [
                item.id[-SHOWN_ID:], item.number or item.stream,
                name_of_person(device.documents, item.line.entry.envelope.author), _local(device, item.since), _what(item),
                why_words(device, item.given_to, item.reason),
            ]
            for item in late
        ],
    )  # fmt: skip


def _what(item: DeskItem) -> str:
    more = f" (+{len(item.lines) - 1})" if len(item.lines) > 1 else ""
    return _said(item.line)[:60] + more


def _said(line: LogLine) -> str:
    return f"{line.entry.envelope.type} {line.summary}"


def _list_devices(device: DeviceView, out: Output, quiet: Sequence[KnownDevice], now: int) -> None:
    from fieldapp.domain.instant import duration_text
    from fieldapp.services.names import name_of_person

    out.table(
        ("DEVICE", "WHO", "NAME", "LAST HEARD FROM"),
        [
            [
                one.code, name_of_person(device.documents, one.person), one.name[:30],
                f"{duration_text(now - one.last_seen)} ago" if one.last_seen is not None else "never",
            ]
            for one in quiet
        ],
    )  # fmt: skip


def _list_files(device: DeviceView, out: Output, files: Sequence[MissingFile]) -> None:
    out.table(
        ("FILE", "SIZE", "ARRIVED", "JOB"),
        [
            [one.name[:40], f"{one.size:,}", f"{one.parts}/{one.of} parts", _number(device, one.stream) or one.stream]
            for one in files
        ],
    )


# --- One item -------------------------------------------------------------------------------------------------------------------


def _id_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as the list shows it, or the whole id")


def _show(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.commands.shapes import why_words
    from fieldapp.services.desk import named
    from fieldapp.store.queries.desk import on_desk, own_decisions, standing_side

    with reading(arguments.home) as device:
        _check_office(device)
        one = _bytes_named(device, arguments.id)
        if one is not None:
            decided = own_decisions(device.reader).get(one.id, "")
            if arguments.json:
                out.json({**_bytes_shape(one, decided), "text": one.text, "theirs": [], "ours": []})
            else:
                _show_bytes(device, out, one, decided)
            return OK
        desk = on_desk(device.reader, device.clock.now())
        item = named((*desk.waiting, *desk.late), arguments.id)
        ours = standing_side(device.reader, item) if item.kind == "conflict" else ()
        if arguments.json:
            shape = _item_shape(device, item, device.clock.now())
            out.json({**shape, "theirs": [_side(line) for line in item.lines], "ours": [_side(line) for line in ours]})
            return OK
        out.line(f"{item.id}  [{item.kind}]  {item.number or item.stream}")
        out.line(f"  Why       {why_words(device, item.given_to, item.reason)}")
        if item.decided:
            out.line(f"  Decided   {item.decided}, here; not sent yet")
        title = "Stands; came late" if item.kind == "late" else "Does not stand"
        _show_side(device, out, "Theirs: came second, does not stand" if ours else title, item.lines)
        if ours:
            _show_side(device, out, "Ours: stands", ours)
        out.line(f"\n{_what_can_be_done(item)}", lines=True)
    return OK


def _what_can_be_done(item: DeskItem) -> str:
    from fieldapp.store.queries.desk import step_of

    if item.kind == "late":
        return "There is nothing to decide. It leaves the list when the job is approved or cancelled, or after 14 days."
    short = item.id[-SHOWN_ID:]
    if item.kind == "conflict":
        merge = ", or --merge VALUE --reason WHY" if step_of(item) else ""
        return f"fieldapp desk decide {short} --keep ours|theirs --reason WHY{merge}"
    return f"fieldapp desk decide {short} --release, or --dismiss --reason WHY"


def _show_side(device: DeviceView, out: Output, title: str, lines: Sequence[LogLine]) -> None:
    from fieldapp.commands.shapes import recorded_text
    from fieldapp.domain.instant import zone_of
    from fieldapp.services.names import name_of_person

    out.line()
    out.line(title)
    out.table(
        ("ENTRY", "WHO", "RECORDED", "RECEIVED", "WHAT", "CONTENT"),
        [
            [
                line.entry.id[-SHOWN_ID:], name_of_person(device.documents, line.entry.envelope.author),
                recorded_text(line, zone_of(device.zone)),
                _local(device, line.received_at or 0), line.entry.envelope.type, line.summary[:100],
            ]
            for line in lines
        ],
    )  # fmt: skip


def _show_bytes(device: DeviceView, out: Output, one: AsideBytes, decided: str) -> None:
    from fieldapp.services.aside import aside_record
    from fieldapp.services.names import name_of_person

    out.line(f"{one.id}  [bytes, {one.size:,}]")
    out.line(f"  Why       {one.reason}")
    out.line(f"  From      {name_of_person(device.documents, one.person)}, device {one.device}, {_local(device, one.received_at)}")
    out.line(f"  Can stand {one.why_not or 'yes: it can be read now'}")
    record = aside_record(device.reader, one)
    if record is not None:
        out.line(f"  Job       {record.number or record.stream}")
        out.line(f"  Says      {_said(record.line)[:200]}")
    if decided:
        out.line(f"  Decided   {decided}, here; not sent yet")
    out.line()
    out.line(one.text, lines=True)
    release = "" if one.why_not else "--release, or "
    out.line(f"\nfieldapp desk decide {one.id[:12]} {release}--dismiss --reason WHY", lines=True)


# --- Deciding -------------------------------------------------------------------------------------------------------------------


def _decide_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as the list shows it, or the whole id")
    parser.add_argument("--release", action="store_true", help="let it stand after all")
    parser.add_argument("--dismiss", action="store_true", help="put it aside for good; it stays in the log")
    parser.add_argument("--keep", default="", metavar="SIDE", help="of a conflict: ours (what stands), theirs, or an entry's id")
    parser.add_argument("--merge", metavar="VALUE", help="of a conflict about a step: amend it to this value")
    parser.add_argument("--reason", default="", help="why; whoever recorded it reads it (only --release does without)")


def _decide(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing

    ways = [arguments.release, arguments.dismiss, bool(arguments.keep), arguments.merge is not None]
    if sum(ways) != 1:
        refuse_usage("desk decide", "say one of --release, --dismiss, --keep SIDE, --merge VALUE")
    with writing("fieldapp desk decide", arguments.home) as device:
        desk, one = device.desk, _bytes_named(device, arguments.id)
        name, log = (one.id, one.log) if one is not None else (arguments.id, "")
        if arguments.release:
            done = desk.release(name, arguments.reason, log)
        elif arguments.dismiss:
            done = desk.dismiss(name, arguments.reason, log)
        elif arguments.keep:
            done = desk.keep(name, arguments.keep, arguments.reason)
        else:
            done = desk.merge(name, arguments.merge, arguments.reason)
    if arguments.json:
        out.json({"about": done.about, "decision": done.verb, "saved": list(done.saved.entries)})
    else:
        out.line(f"Saved: {_VERBS[done.verb]}. Whoever recorded it hears of it with the next exchange.")
    return OK


_VERBS = {
    "released": "it stands from now on", "dismissed": "it is put aside", "take": "what came second stands from now on",
    "keep": "what stood goes on standing", "merge": "the step is amended and the conflict is closed",
}  # fmt: skip


# --- Shapes ---------------------------------------------------------------------------------------------------------------------


def _item_shape(device: DeviceView, item: DeskItem, now: int) -> dict[str, Any]:
    from fieldapp.domain.instant import iso_utc

    envelope = item.line.entry.envelope
    return {
        "id": item.id, "kind": item.kind, "job": item.number or None, "stream": item.stream, "branch": item.log,
        "type": envelope.type, "who": envelope.author, "what": item.line.summary, "recorded_at": iso_utc(envelope.corrected),
        "received_at": iso_utc(item.line.received_at), "reason": item.reason, "overdue": item.overdue(now),
        "entries": [line.entry.id for line in item.lines], "decided": item.decided or None,
    }  # fmt: skip


def _side(line: LogLine) -> dict[str, Any]:
    from fieldapp.commands.shapes import log_line

    return log_line(line)


def _bytes_shape(one: AsideBytes, decided: str) -> dict[str, Any]:
    from fieldapp.domain.instant import iso_utc

    return {
        "id": one.id, "branch": one.log, "who": one.person or None, "device": one.device, "received_at": iso_utc(one.received_at),
        "size": one.size, "reason": one.reason, "can_stand": not one.why_not, "why_not": one.why_not or None,
        "decided": decided or None,
    }  # fmt: skip


def _device_shape(one: KnownDevice) -> dict[str, Any]:
    from fieldapp.domain.instant import iso_utc

    return {
        "device": one.id, "code": one.code, "who": one.person, "name": one.name, "version": one.app_version,
        "last_seen": iso_utc(one.last_seen) if one.last_seen is not None else None,
    }  # fmt: skip


def _file_shape(device: DeviceView, one: MissingFile) -> dict[str, Any]:
    return {
        "sha256": one.sha256, "name": one.name, "size": one.size, "job": _number(device, one.stream) or None,
        "parts_arrived": one.parts, "parts": one.of,
    }  # fmt: skip


# --- Inside ---------------------------------------------------------------------------------------------------------------------


def _check_office(device: DeviceView) -> None:
    from fieldapp.domain.problem import Problem
    from fieldapp.domain.roles import OFFICE

    role = device.identity.role
    if role not in OFFICE:
        words = f"A {role} has no desk; the office does."
        raise Problem("not-your-role", words, "`fieldapp outbox` says what became of your own records.")


def _asked(device: DeviceView, arguments: argparse.Namespace) -> Any:
    from fieldapp.settings import device_settings
    from fieldapp.store.queries.outbox import setting
    from fieldapp.sync.asked import Asked, kept_desk
    from fieldapp.sync.desk import ask_desk

    if arguments.offline:
        return Asked(kept_desk(device.home), "you said --offline")
    return ask_desk(device.home, device.identity, device_settings(arguments.home), setting(device.reader, "token") or "")


def _bytes_named(device: DeviceView, typed: str) -> AsideBytes | None:
    """Bytes in quarantine that the text names, of what the server said when it was last asked."""
    from fieldapp.sync.asked import kept_desk

    answer, wanted = kept_desk(device.home), typed.strip().casefold()
    found = [one for one in (answer.aside if answer else ()) if len(wanted) >= SHOWN_ID and one.id.startswith(wanted)]
    return found[0] if len(found) == 1 else None


def _number(device: DeviceView, stream: str) -> str:
    row = device.reader.row("SELECT number FROM jobs WHERE stream = ?", (stream,))
    return str(row["number"]) if row else ""


def _local(device: DeviceView, instant: int) -> str:
    from fieldapp.domain.instant import local_text, zone_of

    return local_text(instant, zone_of(device.zone))


COMMANDS = {
    "desk": Command(
        _desk,
        "fieldapp desk --json",
        _desk_arguments,
        description="List what waits for a decision of the office: conflicts, records put aside or held, bytes that could not be "
        "received; and what to know of: work that came late and stands, devices not heard from for a day, files that have not "
        "arrived",
    ),
    "desk show": Command(
        _show,
        "fieldapp desk show 3a5c0e6a",
        _id_argument,
        description="Show one record of the desk: why it does not stand, or came late, and both sides",
    ),
    "desk decide": Command(
        _decide,
        "fieldapp desk decide 3a5c0e6a --keep theirs --reason 'the right gauge'",
        _decide_arguments,
        description="Decide on one record of the desk; the decision is an entry, and whoever recorded it reads it",
    ),
}
