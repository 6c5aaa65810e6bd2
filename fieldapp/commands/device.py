"""This device: making it one of yours, saying where everything lies, and checking it in plain words."""

from __future__ import annotations

import argparse
from pathlib import Path

from fieldapp.commands.calling import FAILED, OK, Command
from fieldapp.commands.output import Output
from fieldapp.settings import typed_path


def _enrol_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="address of the server")
    parser.add_argument("code", metavar="CODE", help="one-time code from the office")
    parser.add_argument("--name", default="", metavar="NAME", help="what the office calls it (default: this machine's name)")
    parser.add_argument("--ca-file", default="", metavar="FILE", help="certificate of the company's own authority (PEM)")
    parser.add_argument("--no-sync", action="store_true", help="fetch nothing yet")
    parser.add_argument("--again", action="store_true", help="enrol a device that its server knows no more; what it recorded stays")


def _enrol(arguments: argparse.Namespace, out: Output) -> int:
    import socket

    from fieldapp.settings import device_settings
    from fieldapp.store.home import Home
    from fieldapp.sync.enrol import enrol
    from fieldapp.version import version

    settings = device_settings(arguments.home)
    home = Home(settings.home.absolute())
    ca_file = str(typed_path(arguments.ca_file).absolute()) if arguments.ca_file else settings.ca_file
    with home.locked("fieldapp enrol"):
        identity = enrol(
            arguments.url, arguments.code, home, device_name=arguments.name or socket.gethostname(), app_version=version(),
            ca_file=ca_file, proxy=settings.proxy, again=arguments.again,
        )  # fmt: skip
    synced = None if arguments.no_sync else _first_sync(arguments)
    if arguments.json:
        out.json(
            {
                "device": identity.device, "code": identity.code, "person": identity.person, "role": identity.role,
                "branch": identity.log, "problem": synced,
            }
        )  # fmt: skip
        return OK
    out.line(f"This is now the device {identity.code} of {identity.name} ({identity.role}, {identity.log}).")
    out.line(f"  It lives in {home.path}")
    if synced is not None:
        out.line(f"  Not everything was fetched yet: {synced}. `fieldapp sync` goes on.")
    elif not arguments.no_sync:
        out.line("  Everything is fetched: fieldapp jobs")
    return OK


def _first_sync(arguments: argparse.Namespace) -> str | None:
    """Fetch the device's jobs at once. What is missing then is fetched later: enrolling itself has worked."""
    from fieldapp.bootstrap import writing
    from fieldapp.commands.log_file import log_kept
    from fieldapp.settings import device_settings
    from fieldapp.sync.once import sync_once

    with writing("fieldapp enrol", arguments.home) as device, log_kept(device.home):
        return sync_once(device, device_settings(arguments.home)).problem


def _locate(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.settings import config_file, device_home
    from fieldapp.store.home import Home

    home = Home(device_home(arguments.home))
    places = {
        "home": home.path,
        "identity": home.identity_file,
        "database": home.database_file,
        "journal": home.journal_file,
        "files": home.files,
        "inbox": home.inbox,
        "logs": home.logs,
        "config": config_file(),
        "program": Path(__file__).resolve().parent.parent,
    }
    if arguments.json:
        out.json({name: str(path) for name, path in places.items()})
    else:
        for name, path in places.items():
            out.line(f"{name:<9} {path}" + ("" if path.exists() else "  (not there yet)"))
    return OK


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="do not ask the server")
    parser.add_argument("--repair", action="store_true", help="put a damaged database aside, fold everything again")


def _doctor(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.checks import checks

    if arguments.repair:
        from fieldapp.bootstrap import put_damaged_aside, writing

        aside = put_damaged_aside(arguments.home)
        if aside is not None and not arguments.json:
            out.line(f"The damaged database lies at {aside} now; a new one was made. Jobs come back with `fieldapp sync`.")
        with writing("fieldapp doctor --repair", arguments.home) as device:
            streams = device.replica.rebuild()
        if not arguments.json:
            out.line(f"Folded {streams} streams again from their entries.")
    found = checks(arguments.home, ask_server=not arguments.offline)
    good = all(check.ok for check in found)
    if arguments.json:
        out.json({"ok": good, "checks": [{"name": check.name, "ok": check.ok, "words": check.words} for check in found]})
    else:
        for check in found:
            out.line(f"{'ok ' if check.ok else 'NOT'}  {check.name:<9} {check.words}")
    return OK if good else FAILED


def _verify(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.commands.findings import show_findings
    from fieldapp.store.database import Database
    from fieldapp.store.journal import Journal
    from fieldapp.store.verify import verify_device

    with reading(arguments.home) as device:
        home, role = device.home, device.identity.role
    database = Database(home.database_url, read_only=True)
    try:
        found = verify_device(database, role, files=home.files, journal=Journal(home.journal_file))
    finally:
        database.close()
    return show_findings(out, found, as_json=arguments.json, what="this device's database")


COMMANDS = {
    "enrol": Command(
        _enrol,
        "fieldapp enrol https://fieldapp.example.com 66XA-NRZG",
        _enrol_arguments,
        description="Make this folder the device of the person whose one-time code it is, and fetch their jobs",
    ),
    "verify": Command(
        _verify,
        "fieldapp verify",
        description="Compute every hash and chain on this device again, fold every view, read the journal and what is only here. "
        "Exit code 1, and the first bad entry named, where something does not fit",
    ),
    "locate": Command(_locate, "fieldapp locate --json"),
    "doctor": Command(
        _doctor,
        "fieldapp doctor",
        _doctor_arguments,
        description="Check this device and its connection, in plain words; exit code 1 when something is wrong",
    ),
}
