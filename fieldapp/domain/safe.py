"""Making foreign text harmless. What people typed is stored as it came; on its way to a terminal it goes through `plain_text`.

Unicode's lists: control characters are category Cc (C0, DEL, C1); the bidirectional controls are those of UAX #9 and UTS #39; the
invisible ones are the zero-width and format characters that can hide or reorder what is read. Each is shown, never dropped: a text
in which something vanished is a lie as well.
"""

from __future__ import annotations

import re

_REPLACED = "\ufffd"
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and line feed
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, Arabic letter mark, fillers, Mongolian selectors
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"  # zero width, separators, bidi, operators
    "\ud800-\udfff"  # half characters
    "\U000e0000-\U000e0fff]"  # tags and variation selectors supplement
)


def plain_text(text: str, *, lines: bool = False) -> str:
    """The text with every control, bidirectional and invisible character shown as `<U+202E>` instead of acting.

    Args:
        lines: keep line feeds (a field of several lines); else they show as a return sign. Tabs become one space.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    if not lines:
        text = text.replace("\n", "⏎")
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: _shown(match.group()), text)


def _shown(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return _REPLACED
    return f"<U+{code:04X}>"
