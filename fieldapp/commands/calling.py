"""From a command line to its exit code: finding the command, parsing its arguments, and turning every failure into a sentence."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from fieldapp.commands import registry
from fieldapp.commands.output import Output
from fieldapp.opening import OpenApp, Opening, interactive
from fieldapp.version import version

OK, FAILED, USAGE = 0, 1, 2


class Command(NamedTuple):
    """What a family says about one of its commands.

    arguments: adds them to a parser. run: does the work. example: one line for the help. json: whether it has --json.
    typed: how many positional arguments it takes at most before the rest is refused; a value that begins with `-` counts as one.
    """

    run: Callable[[argparse.Namespace, Output], int]
    example: str
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    json: bool = True
    device: bool = True
    description: str = ""


def call(argv: list[str], open_app: OpenApp | None = None) -> int:
    """One command line to its exit code."""
    out = Output(as_json="--json" in argv)
    home: str | None = None
    try:
        home, words = _leading_home(argv)
        code = _dispatch(words, home, out, open_app)
        out.flush()
        return code
    except _Usage as usage:
        return usage.code
    except KeyboardInterrupt:
        out.interrupted()
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        return _failed(error, out, _given_home(argv, home))


def _leading_home(argv: list[str]) -> tuple[str | None, list[str]]:
    """`fieldapp --home DIR COMMAND` says the same as `fieldapp COMMAND --home DIR`."""
    if argv and argv[0].startswith("--home="):
        return argv[0].partition("=")[2], argv[1:]
    if len(argv) >= 2 and argv[0] == "--home":
        return argv[1], argv[2:]
    return None, argv


def _dispatch(words: list[str], home: str | None, out: Output, open_app: OpenApp | None) -> int:
    if not words and open_app is not None and interactive():
        from fieldapp.settings import device_home

        return open_app(Opening(device_home(home)))
    if not words or words[0] in ("-h", "--help", "help"):
        out.raw(top_help())
        return OK
    if words[0] == "--version":
        out.raw(f"fieldapp {version()}\n")
        return OK
    found = registry.find(words)
    if found is None:
        return _not_a_command(words, out)
    listed, rest = found
    command = command_of(listed)
    parser = parser_of(listed, command)
    try:
        arguments = parser.parse_args(with_typed_values(parser, rest))
    except SystemExit as leaving:  # argparse has said what it had to say
        raise _Usage(OK if not leaving.code else USAGE) from None
    if getattr(arguments, "home", "") is None:
        arguments.home = home
    arguments.open_app = open_app
    return command.run(arguments, out)


def _not_a_command(words: list[str], out: Output) -> int:
    typed = [word for word in words if not word.startswith("-")]
    group = registry.beginning_with(typed) if typed else []
    if group:
        out.raw(_group_help(typed, group))
        return OK if any(word in ("-h", "--help") for word in words) else USAGE
    name = " ".join(words[:2] if words[0] in ("admin", "import") else words[:1])[:60]
    close = registry.nearest(name)
    out.complain(
        "unknown-command",
        f"There is no command {name!r}.",
        f"Did you mean `fieldapp {close}`?" if close else "`fieldapp --help` lists them.",
    )
    return USAGE


def command_of(listed: registry.Listed) -> Command:
    """The command's definition; imports its family."""
    family = importlib.import_module(f"fieldapp.commands.{listed.family}")
    command: Command = family.COMMANDS[listed.words]
    return command


def parser_of(listed: registry.Listed, command: Command) -> argparse.ArgumentParser:
    """The parser of one command, with the options that all share."""
    parser = argparse.ArgumentParser(
        prog=f"fieldapp {listed.words}",
        description=(command.description or listed.summary[0].upper() + listed.summary[1:]).rstrip(".") + ".",
        epilog=f"Example:\n  {command.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    if command.device:
        parser.add_argument("--home", metavar="DIR", help="folder of this device (default: FIELDAPP_HOME, else a folder of yours)")
    if command.json:
        parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    return parser


def with_typed_values(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    """The command line with its options first and `--` before the rest, so that a value may begin with `-`.

    `record J-1 rssi_dbm -67` and `record J-1 note "- none"` mean what they say: what is no option of the command is a value.
    """
    if any(word in ("-h", "--help") for word in words):
        return words
    takes_value = {
        name: action.nargs != 0 for action in parser._actions for name in action.option_strings
    }  # argparse has no public way to ask
    several = {name for action in parser._actions for name in action.option_strings if action.nargs in ("+", "*")}
    options: list[str] = []
    values: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        name, equals, _ = word.partition("=")
        if word == "--":
            values += words[place + 1 :]
            break
        if name in takes_value:
            options.append(word)
            if takes_value[name] and not equals and place + 1 < len(words):
                place += 1
                options[-1] = f"{word}={words[place]}" if name.startswith("--") else word + words[place]
        elif word.startswith("--") and len(word) > 2 and not _is_value(parser, values):
            options.append(word)  # a mistyped option: argparse says so
        else:
            values.append(word)
        place += 1
    assert not several, "options take one value each; say it again for more"
    return [*options, "--", *values] if values else options


def _is_value(parser: argparse.ArgumentParser, values: list[str]) -> bool:
    """Whether the next word is the typed value of a step: it may begin with two dashes as well."""
    names = [action.dest for action in parser._actions if not action.option_strings]
    return len(values) < len(names) and names[len(values)] == "value"


def top_help() -> str:
    lines = [
        "Fieldapp: field service that works with no network.",
        "",
        "usage: fieldapp [--home DIR]              opens the app",
        "       fieldapp [--home DIR] COMMAND ...  does one thing and returns",
        "",
    ]
    for family, title in registry.TITLES.items():
        lines.append(f"{title}:")
        lines += [f"  {item.words:<20} {item.summary}" for item in registry.COMMANDS if item.family == family]
        lines.append("")
    lines += [
        "`fieldapp COMMAND --help` shows a command's options and an example.",
        "FIELDAPP_HOME or --home DIR chooses the folder of this device, so several devices can live on one machine.",
        "",
        "Example:",
        "  fieldapp demo --prepare",
        "",
    ]
    return "\n".join(lines)


def _group_help(words: list[str], group: list[registry.Listed]) -> str:
    lines = [f"usage: fieldapp {' '.join(words)} ...", ""]
    lines += [f"  fieldapp {item.words:<22} {item.summary}" for item in group]
    return "\n".join([*lines, ""])


class _Usage(Exception):
    """argparse has printed what is wrong (or the help); only the exit code is left."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _given_home(argv: list[str], leading: str | None) -> str | None:
    for place, word in enumerate(argv):
        if word.startswith("--home="):
            return word.partition("=")[2]
        if word == "--home" and place + 1 < len(argv):
            return argv[place + 1]
    return leading


def _failed(error: Exception, out: Output, home: str | None) -> int:
    from fieldapp.domain.problem import Problem
    from fieldapp.store.full_disk import full_disk

    problem = error if isinstance(error, Problem) else full_disk(error)
    if problem is not None:
        out.complain(problem.code, problem.message, problem.hint)
        return FAILED
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith(("fieldapp", "fixtures")):
        missing = "This part of Fieldapp is not installed"
        out.complain("extra-missing", f"{missing} ({error.name} is missing).", "Install it: pip install 'fieldapp[all]'.")
        return FAILED
    if isinstance(error, UnicodeEncodeError):  # half characters from a terminal of another encoding
        out.complain("bad-text", "The text holds something that is no character.", "Nothing was saved from it. Type it again.")
        return FAILED
    file = _note_down(error, home)
    where = f"Details are in {file}. Please send them" if file else "Please report this"
    out.complain(
        "unexpected",
        f"Something unexpected went wrong ({type(error).__name__}).",
        f"What was reported as saved before is safe. {where} to whoever looks after Fieldapp.",
    )
    return FAILED


def _note_down(error: Exception, home: str | None) -> Path | None:
    """Write the traceback into the home's log, for whoever mends it. None where even that does not work."""
    import logging
    import logging.handlers

    from fieldapp.settings import device_home

    try:
        folder = device_home(home) / "logs"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / "errors.log"
        handler = logging.handlers.RotatingFileHandler(file, maxBytes=1_000_000, backupCount=3, encoding="utf-8", errors="replace")
        record = logging.LogRecord(
            "fieldapp", logging.ERROR, "", 0, " ".join(sys.argv[1:2]), None, (type(error), error, error.__traceback__)
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        handler.emit(record)
        handler.close()
    except Exception:
        return None
    return file


def refuse_usage(parser_name: str, message: str) -> NoReturn:
    """A mistake in the command line that argparse cannot see. Exit code 2."""
    sys.stderr.write(f"fieldapp {parser_name}: {message}\n")
    raise _Usage(USAGE)
