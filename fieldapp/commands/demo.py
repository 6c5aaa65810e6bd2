"""`demo`: everything on one machine. A server with the demo company, a technician's device and a supervisor's, ready to use."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fieldapp.commands.calling import OK, Command
from fieldapp.commands.output import Output
from fieldapp.opening import OpenApp, Opening, interactive
from fieldapp.settings import typed_path

if TYPE_CHECKING:
    from fieldapp.store.home import Identity

PEOPLE = {"technician": "tech-anna", "supervisor": "sup-petra"}
"""Folder of a device in the demo to the person it belongs to: both of one branch, so that they see each other's work."""
NOTES = "demo.json"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prepare", action="store_true", help="only make server and devices; start nothing")
    parser.add_argument("--home", metavar="DIR", help="folder of the demo (default: a folder of yours)")
    parser.add_argument(
        "--as", dest="person", default="technician", metavar="PERSON", help="whose device: technician, supervisor, or a person's id"
    )
    parser.add_argument("--offline", action="store_true", help="begin without a network; F12 restores it")
    parser.add_argument("--port", type=int, metavar="PORT", help="port of the server (8440, or a free one)")


def _demo(arguments: argparse.Namespace, out: Output) -> int:
    folder = _folder(arguments.home)
    made = _noted(folder) is None
    open_app: OpenApp | None = arguments.open_app
    opens = open_app is not None and not arguments.prepare and not arguments.json and interactive()
    if made:
        if opens:
            out.line("Making the demo company, once. This takes some seconds ...")
            out.flush()
        _make_alone(folder, arguments.port)
    url = _noted(folder) or ""
    if opens:
        assert open_app is not None
        return _open(folder, url, arguments.person, arguments.offline, open_app)
    homes = {role: str(folder / role) for role in PEOPLE}
    if arguments.json:
        out.json({"url": url, "server_home": str(folder / "server"), "homes": homes, "made": made})
    else:
        _tell(folder, url, out)
    if arguments.prepare:
        return OK
    out.flush()
    return _serve(folder, url, out)


def _open(folder: Path, url: str, person: str, offline: bool, open_app: OpenApp) -> int:
    """The app on one of the demo's devices, with the server beside it and a network that can be cut."""
    from fieldapp.commands.demo_network import DemoNetwork
    from fieldapp.commands.demo_server import DemoServer, answers, port_in_use

    home = _home_of(folder, url, person)
    usual = int(url.rpartition(":")[2])
    port = port_in_use(folder / "server") or (_free_port(0) if answers(usual) else usual)
    network = DemoNetwork(port, up=not offline)
    server = DemoServer(folder / "server", port, network.lead_to)
    server.start()
    try:
        return open_app(Opening(home, url=network.url, network=network.toggle))
    finally:
        network.cut()
        server.stop()


def _home_of(folder: Path, url: str, person: str) -> Path:
    """The device of a role or person of the demo; who has none, or none any more, gets one now.

    Raises:
        Problem: `person-unknown`, `server-failed`, `not-exchanged`.
    """
    from fieldapp.server.services import open_server
    from fieldapp.settings import server_settings

    role = next((role for role, who in PEOPLE.items() if person in (role, who)), None)
    name = PEOPLE[role] if role else person
    home = folder / role if role else folder / "people" / name
    if (home / "device.json").exists():
        return home
    services = open_server(server_settings(home=folder / "server", database=""))
    try:
        known = [found.id for found in services.people.everybody()]
        if name not in known:
            from fieldapp.domain.problem import Problem

            raise Problem("person-unknown", f"Nobody in the demo is called {name[:40]!r}.", f"There are: {', '.join(known)}.")
        code = services.accounts.issue_code(name).code
    finally:
        services.close()
    from fieldapp.commands.demo_server import answers, port_in_use

    port, usual = port_in_use(folder / "server"), int(url.rpartition(":")[2])
    if port is not None:
        _enrol(home, f"http://127.0.0.1:{port}", code)
    else:
        with _running(folder, 0 if answers(usual) else usual) as running:
            _enrol(home, running, code)
    return home


def _folder(given: str | None) -> Path:
    if given:
        return typed_path(given).absolute()
    from platformdirs import user_data_path

    return user_data_path("fieldapp", appauthor=False) / "demo"


def _tell(folder: Path, url: str, out: Output) -> None:
    from fieldapp.store.home import Home

    out.line(f"The demo lies in {folder}; its server is {url}")
    for role in PEOPLE:
        identity = Home(folder / role).identity()
        if identity is not None:
            out.line(f"  {identity.name} ({role}):  fieldapp jobs --home {folder / role}")
    out.line("With the server stopped both go on working; `fieldapp sync --home ...` exchanges when it runs again.")
    out.line(f"  the app:     fieldapp demo --home {folder}")


def _noted(folder: Path) -> str | None:
    """The address of the demo's server; None where no demo was ever made to its end in this folder."""
    try:
        url = json.loads((folder / NOTES).read_text(encoding="utf-8"))["url"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return url if isinstance(url, str) else None


def _make_alone(folder: Path, port: int | None) -> None:
    """Make the demo, or wait until another terminal has made it."""
    import time

    from fieldapp.store.file_lock import held_file

    folder.mkdir(parents=True, exist_ok=True)
    while _noted(folder) is None:
        with held_file(folder / "making.lock") as held:
            if held and _noted(folder) is None:
                _make(folder, port)
        time.sleep(0.1)


def _make(folder: Path, port: int | None) -> None:
    """Server, demo company and devices; the note that it is done is written last, so a broken attempt starts anew."""
    import shutil

    from fieldapp.commands.fixture_loading import load_fixtures
    from fieldapp.server.services import open_server
    from fieldapp.settings import server_settings
    from fieldapp.store.home import write_durably

    for part in ("server", *PEOPLE, "people"):
        shutil.rmtree(folder / part, ignore_errors=True)
    services = open_server(server_settings(home=folder / "server", database=""))
    try:
        load_fixtures(services)
        codes = {role: services.accounts.issue_code(person).code for role, person in PEOPLE.items()}
    finally:
        services.close()
    with _running(folder, _free_port(port)) as url:
        for role, code in codes.items():
            _enrol(folder / role, url, code)
    _put_a_photo(folder / "technician")
    write_durably(folder / NOTES, json.dumps({"url": url}).encode())


def _put_a_photo(home: Path) -> None:
    """Something to attach, where a camera would have put it."""
    from fieldapp.store.home import Home
    from fixtures.pictures import picture

    (Home(home).inbox / "control-panel.png").write_bytes(picture("control-panel")[1])


def _enrol(home: Path, url: str, code: str) -> Identity:
    from fieldapp.bootstrap import open_device
    from fieldapp.domain.problem import Problem
    from fieldapp.settings import DeviceSettings
    from fieldapp.store.home import Home
    from fieldapp.sync.enrol import enrol
    from fieldapp.sync.once import sync_once
    from fieldapp.version import version

    place = Home(home)
    with place.locked("fieldapp demo"):
        identity = enrol(url, code, place, device_name=f"demo {home.name}", app_version=version())
    with open_device(place, "fieldapp demo") as device:
        problem = sync_once(device, DeviceSettings({})).problem
    if problem is not None:
        raise Problem(
            "not-exchanged", f"The demo's device could not fetch its jobs: {problem}", "Try again: fieldapp demo --prepare."
        )
    return identity


@contextmanager
def _running(folder: Path, port: int) -> Iterator[str]:
    """The demo's server as a process of its own, while devices are made."""
    from fieldapp.commands.demo_server import begin, end
    from fieldapp.domain.problem import Problem

    process = begin(folder / "server", port)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline().strip()
        if not said:
            raise Problem("server-failed", f"The demo's server did not start: {process.stderr.read().strip()[:300]}", "")
        yield f"http://127.0.0.1:{said}"
    finally:
        end(process)


def _free_port(wanted: int | None) -> int:
    """The wanted port, else the usual one, else a free one: devices keep the address they were enrolled at."""
    import socket

    for port in (wanted,) if wanted is not None else (8440, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted or 0  # the server says what is wrong with it


def _serve(folder: Path, url: str, out: Output) -> int:
    from fieldapp.commands.demo_server import run

    def ready(_: int) -> None:
        if not out.as_json:
            out.line("The server runs; ctrl+c stops it.")
        out.flush()

    run(folder / "server", int(url.rpartition(":")[2]), ready)
    return OK


COMMANDS = {
    "demo": Command(
        _demo,
        "fieldapp demo --as supervisor",
        _arguments,
        device=False,
        description="Make a server with the demo company and two devices (once), run it, and open the app on one of them",
    ),
}
