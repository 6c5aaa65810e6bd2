"""`demo`: everything on one machine. A server with the demo company, a technician's device and a supervisor's, ready to use."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fieldapp.commands.calling import OK, Command
from fieldapp.commands.output import Output

if TYPE_CHECKING:
    from fieldapp.store.home import Identity

PEOPLE = {"technician": "tech-anna", "supervisor": "sup-petra"}
"""Folder of a device in the demo to the person it belongs to: both of one branch, so that they see each other's work."""
NOTES = "demo.json"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prepare", action="store_true", help="only make server and devices; start nothing")
    parser.add_argument("--home", metavar="DIR", help="folder of the demo (default: a folder of yours)")
    parser.add_argument("--port", type=int, metavar="PORT", help="port of the server (8440, or a free one)")


def _demo(arguments: argparse.Namespace, out: Output) -> int:
    folder = _folder(arguments.home)
    made = not (folder / NOTES).exists()
    if made:
        _make(folder, arguments.port)
    url = str(json.loads((folder / NOTES).read_text(encoding="utf-8"))["url"])
    homes = {role: str(folder / role) for role in PEOPLE}
    if arguments.json:
        out.json({"url": url, "server_home": str(folder / "server"), "homes": homes, "made": made})
    else:
        _tell(folder, url, out)
    if arguments.prepare:
        return OK
    out.flush()
    return _serve(folder, url, out)


def _folder(given: str | None) -> Path:
    if given:
        return Path(given).expanduser().absolute()
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
    out.line(f"  the server:  fieldapp demo --home {folder}")


def _make(folder: Path, port: int | None) -> None:
    """Server, demo company and devices; the note that it is done is written last, so a broken attempt starts anew."""
    import shutil

    from fieldapp.commands.fixture_loading import load_fixtures
    from fieldapp.server.services import open_server
    from fieldapp.settings import server_settings
    from fieldapp.store.home import write_durably

    for part in ("server", *PEOPLE):
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
    write_durably(folder / NOTES, json.dumps({"url": url}).encode())


def _enrol(home: Path, url: str, code: str) -> Identity:
    from fieldapp.bootstrap import open_device
    from fieldapp.commands.calling import version
    from fieldapp.domain.problem import Problem
    from fieldapp.settings import DeviceSettings
    from fieldapp.store.home import Home
    from fieldapp.sync.enrol import enrol
    from fieldapp.sync.once import sync_once

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
    """The demo's server as a process of its own, while the devices are made."""
    from fieldapp.domain.problem import Problem

    words = [sys.executable, "-m", "fieldapp", "serve", "--server-home", str(folder / "server"), "--port", str(port)]
    process = subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("}"):
                break
        if not said:
            raise Problem("server-failed", f"The demo's server did not start: {process.stderr.read().strip()[:300]}", "")
        yield str(json.loads(said)["url"])
    finally:
        process.terminate()
        process.communicate(timeout=30)


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
    from fieldapp.server.serve import run_server
    from fieldapp.settings import server_settings

    port = int(url.rpartition(":")[2])

    def ready(_: int) -> None:
        if not out.as_json:
            out.line("The server runs; ctrl+c stops it.")
        out.flush()

    run_server(server_settings(home=folder / "server", database="", port=port), on_ready=ready)
    return OK


COMMANDS = {
    "demo": Command(
        _demo,
        "fieldapp demo --prepare",
        _arguments,
        device=False,
        description="Make a server with the demo company and two devices, say who can do what, and run the server",
    ),
}
