"""Catalogues of the program's own words: gathered from the source, kept as .po for people, compiled to .mo for the program.

English is the source. A text that is not translated is shown in English, but the tests do not let one through.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from gettext import GNUTranslations
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from fieldapp.language import LANGUAGES as SPOKEN

LANGUAGES = tuple(code for code in SPOKEN if code != "en")
"""Languages with a catalogue; English is what the source says."""
FOLDER = Path(__file__).parent
SOURCE = FOLDER.parent
PARTS = (".", "screens", "widgets")
"""Folders of the package whose words a person reads on a screen; of the first its own modules only: words that commands say too."""
_ONE, _TWO = ("_", "later", "L"), "plural"
"""Names of the functions that mark a text, or the two forms of one."""
_PLACE = re.compile(r"\{[a-z_]*[^}]*\}")
_HEADER = "# Words of Fieldapp's screens. Made by `python -m fieldapp.locales`; translate the msgstr lines, then run it again.\n#"


def gather() -> Catalog:
    """Every text that the screens mark for translation, with the files it stands in."""
    template = Catalog(project="Fieldapp", header_comment=_HEADER, charset="utf-8")
    for part in PARTS:
        for file in sorted((SOURCE / part).glob("*.py" if part == "." else "**/*.py")):
            for message in marked(file.read_text(encoding="utf-8")):
                template.add(message, locations=[(file.relative_to(SOURCE).as_posix(), 0)])
    return template


def marked(source: str) -> Iterator[str | tuple[str, str]]:
    """The texts of one module that are marked, also inside f-strings. A mark around something that is not a text is no mark."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        texts = [part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if node.func.id in _ONE and len(texts) == 1 and texts[0]:
            yield texts[0]
        elif node.func.id == _TWO and len(texts) == 2:
            yield texts[0], texts[1]


def files_of(code: str) -> tuple[Path, Path]:
    """The catalogue of a language: for people, and compiled."""
    folder = FOLDER / code / "LC_MESSAGES"
    return folder / "fieldapp.po", folder / "fieldapp.mo"


def read(code: str) -> Catalog:
    po, _mo = files_of(code)
    if not po.exists():
        return Catalog(locale=code, project="Fieldapp", header_comment=_HEADER)
    with po.open("rb") as file:
        return read_po(file, locale=code)


def update(code: str, template: Catalog) -> Catalog:
    """Bring a language's catalogue in line with the source and compile it. Never guesses a translation from a similar text."""
    catalogue = read(code)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = _HEADER
    po, mo = files_of(code)
    po.parent.mkdir(parents=True, exist_ok=True)
    po.write_bytes(po_bytes(catalogue))
    mo.write_bytes(mo_bytes(catalogue))
    return catalogue


def po_bytes(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalogue, width=128, sort_output=True, omit_header=False, no_location=True)
    return b"\n".join(line for line in out.getvalue().split(b"\n") if not line.startswith(_STAMPS))


def mo_bytes(catalogue: Catalog) -> bytes:
    catalogue.creation_date = catalogue.revision_date = _UNDATED
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


_UNDATED = datetime(2026, 1, 1, tzinfo=UTC)
"""The same words make the same file."""
_STAMPS = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Generated-By', b'"Last-Translator', b'"Language-Team', b'"Report-Msgid')
"""Headers that change at every run and tell nobody anything."""


def missing(catalogue: Catalog) -> list[str]:
    """Texts without a translation."""
    return [_first(message) for message in catalogue if message.id and not all(strings(message))]


def check() -> list[str]:
    """What is wrong with the catalogues, one line each; nothing where all is well."""
    template = gather()
    return [f"{code}: {line}" for code in LANGUAGES for line in _wrong(code, template)]


def _wrong(code: str, template: Catalog) -> Iterator[str]:
    catalogue = read(code)
    ids = {_first(message) for message in catalogue if message.id}
    wanted = {_first(message) for message in template if message.id}
    for text in sorted(wanted - ids):
        yield f"not in the catalogue: {text!r}"
    for text in sorted(ids - wanted):
        yield f"no longer in the source: {text!r}"
    for message in catalogue:
        if not message.id:
            continue
        if message.fuzzy:
            yield f"fuzzy: {_first(message)!r}"
        yield from _wrong_text(message)
    if not _compiled(code, catalogue):
        yield "the compiled catalogue is not what the .po says: run python -m fieldapp.locales"


def _compiled(code: str, catalogue: Catalog) -> bool:
    """Whether the compiled catalogue says what the one for people says."""
    mo = files_of(code)[1]
    if not mo.exists():
        return False
    with mo.open("rb") as file:
        compiled = GNUTranslations(file)
    for message in catalogue:
        if isinstance(message.id, tuple | list):
            said: tuple[str, ...] = (compiled.ngettext(message.id[0], message.id[1], 2),)
        else:
            said = (compiled.gettext(message.id),)
        if message.id and said != strings(message):
            return False
    return True


def _wrong_text(message: Message) -> Iterator[str]:
    source = message.id if isinstance(message.id, tuple | list) else (message.id,)
    places = sorted(_PLACE.findall(source[-1]))
    for text in strings(message):
        if not text:
            yield f"not translated: {source[0]!r}"
        elif sorted(_PLACE.findall(text)) != places:
            yield f"other placeholders than the source: {source[-1]!r} -> {text!r}"
        elif text.count("\n") != source[-1].count("\n"):
            yield f"other lines than the source: {source[-1]!r} -> {text!r}"


def strings(message: Message) -> tuple[str, ...]:
    return tuple(message.string) if isinstance(message.string, tuple | list) else (message.string or "",)


def _first(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple | list) else message.id
