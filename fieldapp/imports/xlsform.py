"""`import procedure`: an XLSForm (.xlsx, .xls) becomes a procedure, read in a process of its own with bounded time and memory.

A procedure is a standard: it is taken whole or not at all. Whatever is wrong with it is refused with sheet, row and reason, and
what a terminal cannot do in the way the form meant it is said in a warning.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.imports import limits
from fieldapp.imports.finding import Finding
from fieldapp.imports.form_process import FormAnswer

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")


class ImportedProcedure(msgspec.Struct, frozen=True):
    """What came of a form. `procedure` is None exactly where something was refused."""

    procedure: Procedure | None
    warnings: tuple[Finding, ...] = ()
    refused: tuple[Finding, ...] = ()


def read_procedure(
    path: Path, *, code: str | None = None, version: int = 1, kind: Literal["checklist", "service"] = "service"
) -> ImportedProcedure:
    """Read a form from a spreadsheet.

    Args:
        path: the workbook. code: procedure code; None takes the form's id. version: of the procedure. kind: of the procedure.

    Raises:
        Problem: where the file as a whole cannot be read: `file-not-found`, `file-unreadable`, `not-a-spreadsheet`,
            `spreadsheet-encrypted`, `spreadsheet-damaged`, `spreadsheet-too-large`, `spreadsheet-macros`,
            `spreadsheet-links`, `spreadsheet-sheets`, `not-a-form`, `import-took-too-long`, `import-not-installed`;
            `bad-code` for a code that no stream may have.
    """
    if code and not _CODE.match(code):
        raise Problem(
            "bad-code",
            f"'{code[:60]}' cannot be the code of a procedure.",
            "Nothing was imported. Use up to 60 letters, digits, dots, hyphens and underscores.",
        )
    name = path.stem.encode("utf-8", "replace").decode("utf-8")  # a file's name need not be text
    found = _run(_read(path), name, code or "", version, kind)
    if found.code:
        raise Problem(found.code, found.message, found.hint)
    return ImportedProcedure(found.procedure, found.warnings, found.refused)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Problem("file-not-found", f"There is no file {path}.", "Nothing was imported.")
        with path.open("rb") as file:
            data = file.read(limits.FILE_BYTES + 1)
    except OSError as error:
        raise Problem("file-unreadable", f"The file {path} cannot be read: {error.strerror}.", "Nothing was imported.") from None
    if len(data) > limits.FILE_BYTES:
        raise Problem(
            "spreadsheet-too-large",
            f"This workbook has more than {limits.FILE_BYTES:,} bytes.",
            "Nothing was imported. Remove what does not belong to the form.",
        )
    return data


def _run(data: bytes, name: str, code: str, version: int, kind: str) -> FormAnswer:
    # -P: a file named openpyxl.py in the working folder must not be taken for the library
    command = [sys.executable, "-P", "-X", "utf8", "-m", "fieldapp.imports.form_process", name, code, str(version), kind]
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=limits.WALL_SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise _too_long() from None
    if done.returncode == 0:
        try:
            return msgspec.json.decode(done.stdout, type=FormAnswer)
        except msgspec.MsgspecError:
            pass  # a process that was cut off says no more than one that failed
    if sys.platform != "win32" and done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        raise _too_long()
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    if "No module named" in last:
        raise Problem("import-not-installed", "Reading spreadsheets needs the extra 'reports'.", "Install fieldapp[reports].")
    raise Problem(
        "spreadsheet-damaged",
        f"This workbook cannot be read within the limits of time and memory ({last[:150] or 'the reading process died'}).",
        "Nothing was imported. Open it in a spreadsheet program and save it again as .xlsx.",
    )


def _too_long() -> Problem:
    return Problem(
        "import-took-too-long",
        f"Reading this workbook took more than {limits.CPU_SECONDS} seconds and was stopped.",
        "Nothing was imported. Remove what does not belong to the form.",
    )
