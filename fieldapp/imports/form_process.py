"""The limited process that reads a form: `python -m fieldapp.imports.form_process NAME CODE VERSION KIND < form.xlsx`.

It binds itself to its limits before it touches a byte of the workbook, reads standard input, and answers with one line of JSON.
It opens no file, writes no file and talks to nobody.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.imports import limits
from fieldapp.imports.finding import Finding


class FormAnswer(msgspec.Struct, frozen=True):
    """What the process hands back: a procedure or what was refused; or a problem with the file as a whole."""

    procedure: Procedure | None = None
    warnings: tuple[Finding, ...] = ()
    refused: tuple[Finding, ...] = ()
    code: str = ""
    message: str = ""
    hint: str = ""


def answer(data: bytes, name: str, code: str, version: int, kind: str) -> FormAnswer:
    """Read a form; problems with the file become part of the answer."""
    from fieldapp.imports.form_reader import read_form_bytes

    try:
        procedure, found_warnings, refused = read_form_bytes(data, name=name, code=code, version=version, kind=kind)
    except Problem as problem:
        return FormAnswer(code=problem.code, message=problem.message, hint=problem.hint)
    except (MemoryError, RecursionError):
        return FormAnswer(
            code="spreadsheet-too-large",
            message="This workbook needs more memory than a form may take.",
            hint="Nothing was imported. Remove what does not belong to the form.",
        )
    return FormAnswer(procedure, found_warnings, refused)


def main(arguments: list[str]) -> None:
    limits.limit_this_process()
    warnings.simplefilter("ignore")
    output: Any = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not stand between us and the reader of the answer
    name, code, version, kind = arguments
    data = sys.stdin.buffer.read(limits.FILE_BYTES + 1)
    output.write(msgspec.json.encode(answer(data, name, code, int(version), kind)))
    output.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
