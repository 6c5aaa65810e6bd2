"""Administration of a server, directly on its database: whoever can run these on the server's machine is its administrator."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fieldapp.commands.calling import FAILED, OK, Command
from fieldapp.commands.output import Output, counted
from fieldapp.commands.serving import of_a_server, server_options, settings_of, shown_database
from fieldapp.settings import typed_path
from fieldapp.store.queries.jobs import CLOSED

if TYPE_CHECKING:
    from fieldapp.server.services import ServerServices
    from fieldapp.server.settings import ServerSettings

SHOWN_JOBS = 10
ROLES = ("technician", "supervisor", "dispatcher", "expert", "admin")


@contextmanager
def opened(arguments: argparse.Namespace, *, make: bool = False) -> Iterator[ServerServices]:
    """The server that the arguments name. It may run meanwhile. `make`: a new one where there is none; else that is a mistake.

    Raises:
        Problem: `server-missing`, and those of settings and database.
    """
    settings = settings_of(arguments)
    if not make:
        _refuse_missing(settings)
    from fieldapp.server.services import open_server

    with of_a_server():
        services = open_server(settings)
        try:
            yield services
        finally:
            services.close()


def _refuse_missing(settings: ServerSettings) -> None:
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    if settings.database_url.startswith("sqlite:") and not file.exists():
        from fieldapp.domain.problem import Problem

        raise Problem(
            "server-missing",
            f"There is no server's database at {file}.",
            "Make one: fieldapp admin init. Or name another with --server-home or --database.",
        )


def _init(arguments: argparse.Namespace, out: Output) -> int:
    with opened(arguments, make=True) as services:
        database, files = shown_database(services.settings.database_url), str(services.settings.files_dir)
    if arguments.json:
        out.json({"database": database, "files": files})
    else:
        out.line(f"The server's database is ready: {database}")
        out.line("Next: fieldapp admin load-fixtures, or fieldapp admin person add.")
    return OK


def _load_fixtures(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.commands.fixture_loading import load_fixtures

    with opened(arguments, make=True) as services:
        loaded = load_fixtures(services)
    if arguments.json:
        out.json({"entries": loaded.entries, "jobs": loaded.jobs, "files": loaded.files})
    else:
        out.line(f"The demo company is loaded: {loaded.jobs} jobs, {loaded.entries:,} entries, {loaded.files} files.")
        out.line("Next: fieldapp admin person list, and fieldapp admin code PERSON for a device.")
    return OK


def _person_list(arguments: argparse.Namespace, out: Output) -> int:
    with opened(arguments) as services:
        people = services.people.everybody()
    if arguments.json:
        out.json([{"id": person.id, "name": person.name, "role": person.role, "branch": person.branch} for person in people])
    elif not people:
        out.line("Nobody is recorded yet: fieldapp admin person add.")
    else:
        out.table(("ID", "NAME", "ROLE", "BRANCH"), [[person.id, person.name, person.role, person.branch] for person in people])
    return OK


def _person_add_arguments(parser: argparse.ArgumentParser) -> None:
    server_options(parser)
    parser.add_argument("id", metavar="ID", help="short name that never changes")
    parser.add_argument("name", metavar="NAME", help="full name")
    parser.add_argument("--role", required=True, choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    parser.add_argument("--branch", required=True, metavar="BRANCH", help="the branch; a new one is made with --new-branch")
    parser.add_argument("--language", default="en", metavar="CODE", help="en, zh_CN or zh_TW (en)")
    parser.add_argument("--new-branch", metavar="NAME", help="make the branch first, under this name")
    parser.add_argument("--zone", default="UTC", metavar="ZONE", help="time zone of the new branch, such as Europe/Berlin (UTC)")


def _person_add(arguments: argparse.Namespace, out: Output) -> int:
    with opened(arguments, make=True) as services:
        if arguments.new_branch:
            services.people.add_branch(
                arguments.branch, arguments.new_branch, language=arguments.language, zone=arguments.zone
            )  # fmt: skip
        person = services.people.add(
            arguments.id, arguments.name, arguments.role, arguments.branch, language=arguments.language
        )  # fmt: skip
        left = _left_behind(services, person.id, person.branch)
    if arguments.json:
        said = {"id": person.id, "name": person.name, "role": person.role, "branch": person.branch, "left_behind": left}
        out.json(said)
        return OK
    out.line(f"{person.name} is recorded as {person.role} of {person.branch}.")
    if left:
        more = f" and {len(left) - SHOWN_JOBS} more" if len(left) > SHOWN_JOBS else ""
        out.line(
            f"  note: open jobs of another branch are still theirs, and leave their devices: {', '.join(left[:SHOWN_JOBS])}{more}"
        )
        out.line("  The office of that branch gives them to somebody else: fieldapp assign NUMBER PERSON")
    out.line(f"Next: fieldapp admin code {person.id}")
    return OK


def _left_behind(services: ServerServices, person: str, branch: str) -> list[str]:
    """Numbers of jobs of other branches that this person should do and that no device of theirs holds any more."""
    query = "SELECT number FROM jobs WHERE assignee = ? AND log <> ? AND status NOT IN (?, ?, ?, ?) ORDER BY number"
    with services.db.read() as conn:
        return [number for (number,) in services.db.rows(conn, query, (person, branch, "completed", *CLOSED))]


def _code_arguments(parser: argparse.ArgumentParser) -> None:
    server_options(parser)
    parser.add_argument("person", metavar="PERSON", help="id of the person")


def _code(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.domain.instant import iso_utc

    with opened(arguments) as services:
        made = services.accounts.issue_code(arguments.person)
    if arguments.json:
        out.json({"code": made.code, "expires": iso_utc(made.expires)})
    else:
        out.line(f"{made.code}")
        out.line(f"  For one device of {arguments.person}, until {iso_utc(made.expires)}: fieldapp enrol URL {made.code}")
    return OK


def _device_list(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.domain.instant import iso_utc

    with opened(arguments) as services:
        devices = services.accounts.devices()
    if arguments.json:
        out.json(
            [
                {
                    "id": device.id,
                    "code": device.code,
                    "person": device.person,
                    "name": device.name,
                    "enrolled_at": iso_utc(device.enrolled_at),
                    "last_seen": iso_utc(device.last_seen),
                    "revoked_at": iso_utc(device.revoked_at),
                }
                for device in devices
            ]
        )
        return OK
    rows = [
        [
            device.code,
            device.id,
            device.person,
            device.name,
            iso_utc(device.last_seen) or "never",
            "revoked" if device.revoked_at is not None else "",
        ]
        for device in devices
    ]
    out.table(("CODE", "ID", "PERSON", "NAME", "LAST SEEN", ""), rows)
    return OK


def _revoke_arguments(parser: argparse.ArgumentParser) -> None:
    server_options(parser)
    parser.add_argument("device", metavar="DEVICE", help="id or code of the device (admin device list)")


def _revoke(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.domain.instant import iso_utc

    with opened(arguments) as services:
        device = services.accounts.revoke(arguments.device)
    if arguments.json:
        out.json({"id": device.id, "code": device.code, "person": device.person, "revoked_at": iso_utc(device.revoked_at)})
    else:
        out.line(f"Device {device.code} of {device.person} is out of service. What it has not sent it may still hand over.")
    return OK


def _erase_arguments(parser: argparse.ArgumentParser) -> None:
    server_options(parser)
    parser.add_argument("customer", metavar="CUSTOMER", help="id of the customer")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, without naming anybody: it stays")


def _erase(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.server.erasing import erase_customer

    with opened(arguments) as services:
        done = erase_customer(services, arguments.customer, arguments.reason)
        kept = _before_restore(services.settings.database_url)
    if arguments.json:
        out.json({"customer": done.customer, "jobs": done.jobs, "entries": done.entries, "files": done.files})
    elif not done.entries:
        out.line(f"Nothing is left to erase of {done.customer}.")
    else:
        content = f"{counted(done.entries, 'entry')} on {counted(done.jobs, 'job')}, {counted(done.files, 'file')}"
        out.line(f"Erased for {done.customer}: the content of {content}.")
        out.line("  Devices erase it with their next exchange. Backups made before still hold it: docs/erasure.md says what to do.")
    for left in kept if not arguments.json else ():
        out.line(f"  NOTE  {left} may hold it still: it is from before a restore. Delete it when you need it no more.")
    return OK


def _before_restore(database_url: str) -> list[Path]:
    """What a restore put aside: the database from before, and a log that was left of it."""
    from fieldapp.server.restore import KEPT, LOG_KEPT

    if not database_url.startswith("sqlite:///"):
        return []
    aside = [Path(f"{database_url.removeprefix('sqlite:///')}{ending}") for ending in (KEPT, LOG_KEPT)]
    return [path for path in aside if path.exists()]


def _file_arguments(parser: argparse.ArgumentParser) -> None:
    server_options(parser)
    parser.add_argument("file", metavar="FILE", help="the backup")


@of_a_server()
def _backup(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.server.backup import backup

    settings = settings_of(arguments)
    _refuse_missing(settings)
    target = typed_path(arguments.file).absolute()
    made = backup(settings.database_url, settings.files_dir, target)
    manifest, entries = made.manifest, made.manifest.rows.get("entries", 0)
    if arguments.json:
        shape = {"file": str(target), "entries": entries, "missing": list(manifest.missing), "other_disk": made.other_disk}
        out.json(shape)
    else:
        out.line(f"Backed up, and verified by restoring it: {counted(entries, 'entry')} in {target}")
        if made.warning:
            out.line(f"  {made.warning}")
        if manifest.missing:
            have = "1 file has" if len(manifest.missing) == 1 else f"{len(manifest.missing):,} files have"
            out.line(f"  {have} not arrived at the server yet, and so not in it.")
    return OK


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    server_options(parser)
    parser.add_argument("file", metavar="FILE", help="what `fieldapp export unsent`, or the sync centre, wrote")


def _import(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.server.importing import import_export

    source = typed_path(arguments.file).absolute()
    with opened(arguments) as services:
        found = import_export(services, source)
    if arguments.json:
        out.json(
            {
                "held": found.held,
                "known": found.known,
                "files": found.files,
                "broken_files": list(found.broken_files),
                "damaged_lines": list(found.damaged),
            }
        )
        return OK if found.whole else FAILED
    taken = f"{counted(found.held, 'entry')} and {counted(found.files, 'file')}"
    out.line(f"{taken} taken in from {source}; {found.known} were here already.")
    for line in found.damaged[:20]:
        out.line(f"  Not taken: line {line} is damaged")
    for name in found.broken_files[:20]:
        out.line(f"  Not taken: the file {name} is not whole in it")
    if found.held:
        out.line("  They wait at the desk until their own device sends them or the office decides: fieldapp desk")
    return OK if found.whole else FAILED


@of_a_server()
def _verify(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.commands.findings import show_findings
    from fieldapp.server.file_storage import FolderStorage
    from fieldapp.store.database import Database
    from fieldapp.store.migrations import refuse_foreign
    from fieldapp.store.verify import verify_server

    settings = settings_of(arguments)
    _refuse_missing(settings)
    storage = FolderStorage(settings.files_dir)
    database = Database(settings.database_url, read_only=True)
    try:
        refuse_foreign(database)
        found = verify_server(database, content=lambda name: storage.read(name, 0, 1 << 62) if storage.has(name) else None)
    finally:
        database.close()
    return show_findings(out, found, as_json=arguments.json, what="the server's database")


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    _file_arguments(parser)
    parser.add_argument("--replace", action="store_true", help="also where the database holds a server already")


def _restore(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.server.restore import restore

    settings = settings_of(arguments)
    source = typed_path(arguments.file).absolute()
    manifest = restore(source, settings.database_url, settings.files_dir, replace=arguments.replace)
    entries = manifest.rows.get("entries", 0)
    if arguments.json:
        out.json({"file": str(source), "entries": entries, "missing": list(manifest.missing)})
    else:
        out.line(f"Restored: {counted(entries, 'entry')} from {source}")
        out.line("  Devices notice it, and offer again what the backup does not hold.")
        out.line("  What was decided on this machine since the backup is undone: look at `fieldapp admin device list` and revoke")
        out.line("  again what was revoked later; people and devices added later are added again.")
        kept = _before_restore(settings.database_url)
        for left in kept:
            out.line(f"  Kept from before: {left}. It holds what is erased from now on as well:")
            out.line("  delete it when the restored server is well.")
    return OK


def _files(arguments: argparse.Namespace, out: Output) -> int:
    with opened(arguments) as services:
        found = services.files.missing()
        names = {device.id: device for device in services.accounts.devices()}
        with services.db.read() as conn:
            numbers = {
                of.stream: number
                for of in found
                for (number,) in services.db.rows(conn, "SELECT number FROM jobs WHERE stream = ?", (of.stream,))
            }
    holders = {of.stream: [names[device].code if device in names else device for device in of.devices] for of in found}
    if arguments.json:
        out.json(
            [
                {
                    "stream": of.stream, "job": numbers.get(of.stream) or None, "arrived": of.arrived, "total": of.total,
                    "missing": of.missing, "devices": holders[of.stream],
                }
                for of in found
            ]
        )  # fmt: skip
        return OK
    rows = [
        [numbers.get(of.stream) or of.stream, f"{of.arrived} of {of.total}", ", ".join(of.missing), ", ".join(holders[of.stream])]
        for of in found
    ]
    out.table(("ABOUT", "ARRIVED", "MISSING", "ON DEVICE"), rows) if rows else out.line("Every file that is named has arrived.")
    return OK


COMMANDS = {
    "admin init": Command(_init, "fieldapp admin init --server-home /srv/fieldapp", server_options, device=False),
    "admin load-fixtures": Command(_load_fixtures, "fieldapp admin load-fixtures", server_options, device=False),
    "admin person list": Command(_person_list, "fieldapp admin person list --json", server_options, device=False),
    "admin person add": Command(
        _person_add,
        "fieldapp admin person add tech-li 'Li Na' --role technician --branch hz --language zh_CN",
        _person_add_arguments,
        device=False,
    ),
    "admin code": Command(_code, "fieldapp admin code tech-anna", _code_arguments, device=False),
    "admin device list": Command(_device_list, "fieldapp admin device list", server_options, device=False),
    "admin revoke": Command(_revoke, "fieldapp admin revoke B1", _revoke_arguments, device=False),
    "admin files": Command(
        _files, "fieldapp admin files", server_options, device=False, description="List files that have not arrived yet, by job"
    ),
    "admin erase": Command(
        _erase,
        "fieldapp admin erase c-17 --reason 'asked for in writing'",
        _erase_arguments,
        device=False,
        description="Erase the personal data of a customer, here and on every device. Done again it erases what has come since",
    ),
    "admin backup": Command(_backup, "fieldapp admin backup /mnt/disk/fieldapp.zip", _file_arguments, device=False),
    "admin import": Command(
        _import,
        "fieldapp admin import /media/stick/fieldapp-unsent-A1-20261122-0900.jsonl",
        _import_arguments,
        device=False,
        description="Take in what a device exported, with its files. The entries wait at the desk until their own device sends "
        "them or the office decides. The same file twice adds nothing",
    ),
    "admin verify": Command(
        _verify,
        "fieldapp admin verify",
        server_options,
        device=False,
        description="Compute every hash and chain of the server again, fold every stream, read every file. "
        "Exit code 1, and the first bad entry named, where something does not fit",
    ),
    "admin restore": Command(
        _restore,
        "fieldapp admin restore /mnt/disk/fieldapp.zip --replace",
        _restore_arguments,
        device=False,
        description="Restore the server from a backup. The server must not run",
    ),
}
