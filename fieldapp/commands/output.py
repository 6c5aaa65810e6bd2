"""What a command prints: plain text tables for people, JSON for scripts, complaints on stderr.

Text that people typed goes through `plain_text`: no escape of theirs reaches the terminal. JSON keeps every character, but what a
terminal would obey is written as an escape of JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

_OBEYED = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def counted(count: int, what: str) -> str:
    """`1 entry`, `2 entries`, `10,020 files`."""
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else many}"


class Output:
    """Where a command writes. `as_json`: it was asked for JSON, so complaints are JSON as well."""

    def __init__(self, *, as_json: bool = False, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stdout, self._stderr = stdout or sys.stdout, stderr or sys.stderr

    def line(self, text: str = "", *, lines: bool = False) -> None:
        """One line for people. `lines`: the text may hold line ends of its own."""
        from fieldapp.domain.safe import plain_text

        self.raw(plain_text(text, lines=lines) + "\n")

    def aside(self, text: str) -> None:
        """A remark that is not part of the answer: on stderr, so that it spoils no pipe."""
        from fieldapp.domain.safe import plain_text

        _write(self._stderr, plain_text(text) + "\n")

    def raw(self, text: str) -> None:
        _write(self._stdout, text)

    def json(self, value: Any) -> None:
        """One JSON value, indented, in UTF-8 where the terminal can show that, else in ASCII."""
        utf8 = (getattr(self._stdout, "encoding", "") or "").lower().replace("-", "") in ("utf8", "")
        text = json.dumps(value, ensure_ascii=not utf8, indent=2)
        self.raw(_OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as their widest cell on a terminal, where a Han character takes two places."""
        from rich.cells import cell_len

        from fieldapp.domain.safe import plain_text

        cells = [[plain_text(cell) for cell in row] for row in (heads, *rows)]
        widths = [max(cell_len(row[column]) for row in cells) for column in range(len(heads))]
        for row in cells:
            padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
            self.raw("  ".join(padded).rstrip() + "\n")

    def complain(self, code: str, message: str, hint: str = "") -> None:
        """What went wrong, what is safe, what to do: on stderr."""
        if self.as_json:
            text = json.dumps({"problem": {"code": code, "message": message, "hint": hint}}, ensure_ascii=True)
            _write(self._stderr, text + "\n")
            return
        from fieldapp.domain.safe import plain_text

        _write(self._stderr, f"fieldapp: {plain_text(message)}\n")
        if hint:
            _write(self._stderr, f"          {plain_text(hint)}\n")

    def interrupted(self) -> None:
        _write(self._stderr, "\n")

    def flush(self) -> None:
        self._stdout.flush()


def _write(stream: TextIO, text: str) -> None:
    """Write text whatever the terminal's encoding: what it cannot show becomes a visible escape."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
