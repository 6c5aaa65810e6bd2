"""Running commands: in this process with what they print caught, or as processes of their own, as people run them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldapp.commands import run
from fieldapp.store.home import Home

ROOT = Path(__file__).parents[2]
TECHNICIAN, SUPERVISOR = "tech-anna", "sup-petra"


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def good(self) -> Ran:
        assert self.code == 0, self.out + self.err
        assert not self.err, self.err
        return self

    def refused(self, words: str) -> Ran:
        """It failed with a sentence, not with a traceback, and said these words."""
        assert self.code == 1, self.out + self.err
        assert "Traceback" not in self.err
        assert words in self.err + self.out, self.err + self.out
        return self


class Commands:
    """Commands of one device or of one server's administrator, run in this process."""

    def __init__(self, *options: str) -> None:
        self.options = options

    def __call__(self, *words: str) -> Ran:
        out, err = Stream(), Stream()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([*words, *self.options] if "--" not in words else [*self.options, *words])
        return Ran(code, out.getvalue(), err.getvalue())


class Stream(io.StringIO):
    """A terminal that shows UTF-8."""

    encoding = "utf-8"


class Device(Commands):
    """A device's commands."""

    def __init__(self, home: Path) -> None:
        super().__init__("--home", str(home))
        self.home = home

    def use_server(self, url: str) -> None:
        """The server listens somewhere else now."""
        import msgspec

        home = Home(self.home)
        identity = home.identity()
        assert identity is not None
        home.save_identity(msgspec.structs.replace(identity, url=url))


class Processes(Commands):
    """The same as processes of their own."""

    def __call__(self, *words: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "fieldapp", *words, *self.options],
            cwd=ROOT, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FIELDAPP_", "COV_"))}
    return {**kept, "PYTHONUTF8": "1", **more}


class ServerProcess:
    """`fieldapp serve` as a process. Started again it keeps data and port. As a context it is started, and ends with it."""

    def __init__(self, home: Path, database: str = "", port: int = 0) -> None:
        self.home, self.database, self.port = home, database, port
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def options(self) -> list[str]:
        return ["--server-home", str(self.home), *(["--database", self.database] if self.database else [])]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [sys.executable, "-m", "fieldapp", "serve", *self.options, "--port", str(self.port), "--json"]
        self.process = subprocess.Popen(
            words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert self.process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read() if self.process.stderr else ""
            said += line
        self.port = int(json.loads(said)["url"].rpartition(":")[2])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self._end()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self._end()

    def _end(self) -> None:
        assert self.process is not None
        self.process.communicate(timeout=60)
        self.process = None
