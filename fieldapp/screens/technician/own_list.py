"""What was recorded on this device, as the rows of one list: a heading for each section, its entries, the files on their way."""

from __future__ import annotations

from collections.abc import Sequence

from fieldapp.store.queries.own import SECTIONS, OwnFile, OwnLine, Place, Section, own_lines
from fieldapp.store.queries.reader import Reader


class Heading:
    """A heading between the rows: a section and how many it has."""

    def __init__(self, section: str, count: int) -> None:
        self.section, self.count = section, count


class OwnList:
    """All sections as rows of one list; entries are read when they come into view."""

    def __init__(self, reader: Reader, places: dict[Section, list[Place]], files: Sequence[OwnFile]) -> None:
        self._reader = reader
        self._rows: list[Heading | OwnFile | tuple[Section, Place]] = []
        for section in SECTIONS:
            if places[section]:
                self._rows += [Heading(section, len(places[section])), *((section, place) for place in places[section])]
            if section == "unsent" and files:
                self._rows += [Heading("files", len(files)), *files]

    def count(self) -> int:
        return len(self._rows)

    def window(self, offset: int, limit: int) -> Sequence[object]:
        part = self._rows[offset : offset + limit]
        found: dict[Place, OwnLine] = {}
        for section in SECTIONS:
            places = [row[1] for row in part if isinstance(row, tuple) and row[0] == section]
            found |= {line.place: line for line in own_lines(self._reader, section, places)}
        rows = [found.get(row[1]) if isinstance(row, tuple) else row for row in part]
        return [row for row in rows if row is not None]

    def key(self, row: object) -> object:
        if isinstance(row, OwnLine):
            return row.place
        return row.sha256 if isinstance(row, OwnFile) else None
