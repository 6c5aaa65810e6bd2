"""Settings: one strict TOML file and environment variables. The environment wins over the file, the command line over both.

The file is FIELDAPP_CONFIG, else `config.toml` in the user's configuration folder; it need not exist. Unknown keys are refused with
the nearest known name: a setting that is silently ignored is worse than none. docs/commands.md lists them; a test compares.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldapp.domain.problem import Problem

if TYPE_CHECKING:
    from fieldapp.server.settings import ServerSettings

DEVICE_KEYS: dict[str, str] = {
    "home": "FIELDAPP_HOME",
    "language": "FIELDAPP_LANGUAGE",
    "ca_file": "FIELDAPP_CA_FILE",
    "proxy": "FIELDAPP_PROXY",
    "scanner_prefix": "FIELDAPP_SCANNER_PREFIX",
}
"""Keys of the table [device] with the environment variable that says the same. All are text."""
TABLES = ("device", "server")


class DeviceSettings:
    """home: folder of the device. language: of the program's own words. ca_file: PEM file of the authority that vouches for the
    server. proxy: URL of the proxy to the server; '' follows the system's settings. scanner_prefix: what a code scanner sends
    before each code, one character or the name of a key; '' for none."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.home = typed_path(values["home"]) if values.get("home") else default_home()
        self.language = values.get("language", "")
        self.ca_file = values.get("ca_file", "")
        self.proxy = values.get("proxy", "")
        self.scanner_prefix = values.get("scanner_prefix", "")


def typed_path(text: str) -> Path:
    """A path as a person types it: `~` is the home folder; `~name` of somebody whom this machine does not know stays as it is."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path's own raises where nobody is called so)


def shown_path(path: Path) -> str:
    """A path as a person may type it: what lies in the home folder begins with `~`. Shorter to read, and it says whose it is."""
    home = typed_path("~")
    if path == home or not path.is_relative_to(home):
        return str(path)
    return str(Path("~") / path.relative_to(home))


def config_file() -> Path:
    """Where the configuration is read from, whether it exists or not."""
    named = os.environ.get("FIELDAPP_CONFIG", "")
    if named:
        return typed_path(named)
    from platformdirs import user_config_path

    return user_config_path("fieldapp", appauthor=False) / "config.toml"


def default_home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("fieldapp", appauthor=False) / "device"


def device_home(given: str | None) -> Path:
    """The folder of this device: as given, else by environment, file or default.

    Raises:
        Problem: `bad-config`.
    """
    if given:
        return typed_path(given).absolute()
    if os.environ.get("FIELDAPP_HOME"):
        return typed_path(os.environ["FIELDAPP_HOME"]).absolute()
    return device_settings().home.absolute()


def device_settings(given_home: str | None = None) -> DeviceSettings:
    """The settings of this device.

    Raises:
        Problem: `bad-config`.
    """
    values: dict[str, str] = {}
    table = read_config().get("device", {})
    for key, variable in DEVICE_KEYS.items():
        value = os.environ.get(variable) or table.get(key, "")
        if not isinstance(value, str):
            raise _bad(config_file(), f"device.{key} is not a text")
        values[key] = value
    if given_home:
        values["home"] = given_home
    return DeviceSettings(values)


def server_below(home: str) -> Path:
    """The folder of a server that shares a home with a device: what one of them writes is never in the other's way."""
    return typed_path(home).absolute() / "server"


def server_settings(**given: Any) -> ServerSettings:
    """The settings of a server: what is given on the command line (None: not given), else environment, else file. Where none of
    them names its folder, FIELDAPP_HOME does.

    Raises:
        Problem: `bad-config`, `extra-missing`.
    """
    try:
        from pydantic import ValidationError

        from fieldapp.server.settings import ServerSettings
    except ModuleNotFoundError as error:
        raise extra_missing("server", error) from None
    table = read_config().get("server", {})
    _check_keys("server", table, list(ServerSettings.model_fields), config_file())
    named = {key for key in ServerSettings.model_fields if f"FIELDAPP_SERVER_{key.upper()}" in os.environ}
    values = {key: value for key, value in table.items() if key not in named}
    if os.environ.get("FIELDAPP_HOME") and "home" not in named:
        values.setdefault("home", server_below(os.environ["FIELDAPP_HOME"]))
    values |= {key: value for key, value in given.items() if value is not None}
    try:
        settings = ServerSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "a value"
        raise Problem(
            "bad-config",
            f"The server's setting {key} cannot be used: {first['msg']}.",
            f"It comes from the command line, FIELDAPP_SERVER_{key.upper()} or {config_file()}.",
        ) from None
    if not settings.database_url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        kind = settings.database_url.partition(":")[0]
        raise Problem(
            "bad-config",
            f"The server's setting database cannot be used: it begins with {kind[:40]!r}.",
            "It is a file, sqlite:///FILE or postgresql://USER@HOST/NAME.",
        )
    return settings


def read_config() -> dict[str, dict[str, Any]]:
    """The tables of the configuration file; empty where there is none.

    Raises:
        Problem: `bad-config`, saying where and what.
    """
    file = config_file()
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(file, str(error)) from None
    import tomllib

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad(file, str(error)) from None
    except RecursionError:
        raise _bad(file, "lists in it lie too deep inside one another") from None
    _check_keys("", tables, list(TABLES), file)
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise _bad(file, f"{name} is not a table")
    _check_keys("device", tables.get("device", {}), list(DEVICE_KEYS), file)
    return tables


def extra_missing(extra: str, error: ModuleNotFoundError) -> Problem:
    """The sentence for a part of Fieldapp whose libraries were not installed."""
    return Problem(
        "extra-missing",
        f"This needs the `{extra}` part of Fieldapp, which is not installed ({error.name} is missing).",
        f"Install it: pip install 'fieldapp[{extra}]'.",
    )


def _check_keys(table: str, values: Mapping[str, Any], known: list[str], file: Path) -> None:
    for key in values:
        if key in known:
            continue
        import difflib

        close = difflib.get_close_matches(key, known, n=1)
        name = f"{table}.{key}" if table else key
        hint = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}."
        raise Problem("bad-config", f"The configuration {file} has an unknown key {name[:60]!r}.", hint)


def _bad(file: Path, why: str) -> Problem:
    return Problem(
        "bad-config", f"The configuration {file} cannot be used: {why}.", "Mend the file, or point FIELDAPP_CONFIG elsewhere."
    )
