"""`serve`: the server process. It says where it listens, then nothing: everything else goes to its log files."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fieldapp.commands.calling import OK, Command
from fieldapp.commands.output import Output
from fieldapp.domain.problem import Problem
from fieldapp.settings import typed_path

if TYPE_CHECKING:
    from fieldapp.server.settings import ServerSettings


def server_options(parser: argparse.ArgumentParser) -> None:
    """Which server: the options that `serve` and all administration share."""
    parser.add_argument("--server-home", metavar="DIR", help="folder of the server (default: FIELDAPP_SERVER_HOME)")
    parser.add_argument("--home", metavar="DIR", help="the server is in `server` below this folder, as with FIELDAPP_HOME")
    parser.add_argument("--database", metavar="URL", help="postgresql://... (default: SQLite in the server's folder)")


def settings_of(arguments: argparse.Namespace, **more: object) -> ServerSettings:
    """The settings of the server that the arguments name."""
    from fieldapp.settings import server_below, server_settings

    home = typed_path(arguments.server_home).absolute() if arguments.server_home else None
    if home is None and arguments.home:
        home = server_below(arguments.home)
    return server_settings(home=home, database=database_url(arguments.database), **more)


def database_url(given: str | None) -> str | None:
    """A database URL as typed; a plain path means an SQLite file."""
    if not given or "://" in given:
        return given or None
    return f"sqlite:///{typed_path(given).absolute()}"


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    server_options(parser)
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (8440; 0: any free one)")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate (PEM); needed off this machine")
    parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
    parser.add_argument("--trusted-proxy", metavar="ADDRESS", help="proxy in front that ends TLS")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that serve (1); more need PostgreSQL")


@contextmanager
def of_a_server() -> Iterator[None]:
    """What is damaged inside is a server's database: what helps is its backup, not the journal and the doctor of a device.

    Raises:
        Problem: what was raised inside, `database-damaged` with another hint.
    """
    try:
        yield
    except Problem as problem:
        if problem.code != "database-damaged":
            raise
        hint = (
            "Nothing was changed; keep the file. Stop the server and put the newest backup in its place: fieldapp admin restore "
            "FILE --replace. Devices offer again what it does not hold."
        )
        raise Problem(problem.code, problem.message, hint) from problem


@of_a_server()
def _serve(arguments: argparse.Namespace, out: Output) -> int:
    settings = settings_of(
        arguments,
        host=arguments.host,
        port=arguments.port,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        trusted_proxy=arguments.trusted_proxy,
        workers=arguments.workers,
    )
    from fieldapp.server.scheduled_backup import where_words
    from fieldapp.server.serve import run_server

    def ready(port: int) -> None:
        scheme = "https" if settings.tls_cert else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{scheme}://{host}:{port}"
        if arguments.json:
            out.json({"url": url, "database": shown_database(settings.database_url), "log": str(settings.log_file)})
        else:
            out.line(f"Fieldapp server at {url}")
            out.line(f"  database  {shown_database(settings.database_url)}")
            out.line(f"  log       {settings.log_file}")
            if settings.backup_dir is not None:
                out.line(f"  backups   every {settings.backup_hours} h to {settings.backup_dir}")
            if settings.backup_dir is not None and (wrong := _not_writable(settings.backup_dir)):
                out.line(
                    f"  NOTE      Nothing can be written there now ({wrong}), so there are no backups until that is mended; it is "
                    "tried again every few minutes."
                )
            elif warning := where_words(settings):
                out.line(f"  NOTE      {warning}")
            out.line("  ctrl+c stops it")
        out.flush()
        sys.stdout.flush()

    run_server(settings, on_ready=ready)
    return OK


def _not_writable(folder: Path) -> str:
    """Why backups cannot be written to a folder; '' where they can. It is made where it is not there, as the first backup does."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def shown_database(url: str) -> str:
    """The URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "?"


COMMANDS = {
    "serve": Command(
        _serve,
        "fieldapp serve --port 8440",
        _serve_arguments,
        device=False,
        description="Run the server until ctrl+c. Plain HTTP is refused off this machine",
    ),
}
