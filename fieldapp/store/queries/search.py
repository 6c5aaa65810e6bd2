"""Finding jobs by any of their words, offline, at every key.

The words of this device's jobs lie in memory, folded (NFKC, case), one text a job. Looking through 10,000 of them for a few words
takes some milliseconds, in any script: a Chinese word is found as it stands, without knowing where words begin. Building it reads
every job once; afterwards only those that changed.
"""

from __future__ import annotations

import threading
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fieldapp.domain.documents import Asset, Customer, Site
from fieldapp.domain.entry_types import reference
from fieldapp.domain.job import PinnedProcedure
from fieldapp.domain.words import Words, say
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.reader import Reader

_CLOSED = frozenset({"approved", "cancelled", "declined"})
_CHUNK = 200
_LATEST = 1 << 62


class Found(msgspec.Struct, frozen=True):
    """A job that was found, and why: the first text in which a word stands, in the language asked for."""

    stream: str
    why: str


class _Head(msgspec.Struct):
    """What is searched of a job's view; decoding skips the rest."""

    number: str = ""
    title: Words = {}
    description: str = ""
    customer: str = ""
    site: str = ""
    assets: tuple[str, ...] = ()
    procedures: tuple[PinnedProcedure, ...] = ()


class _Text:
    """One job's words. `folded` is all fields joined by line feeds, `starts` where each begins, `rank` the rank of each."""

    __slots__ = ("exact", "fields", "folded", "order", "procedures", "ranks", "starts", "version")

    def __init__(
        self, version: tuple[int, int], order: tuple[bool, int, str], head: _Head, fields: list[tuple[int, Words]], exact: list[str]
    ) -> None:
        self.version, self.order = version, order
        self.procedures = tuple((pin.code, pin.version, pin.entry) for pin in head.procedures)
        self.exact = frozenset(fold(text) for text in exact if text)
        self.fields: list[Words] = []
        self.starts: list[int] = []
        self.ranks: list[int] = []
        parts, at = [], 0
        for rank, words in fields:
            text = fold("\t".join(dict.fromkeys(words.values())))
            if text:
                self.fields.append(words)
                self.starts.append(at)
                self.ranks.append(rank)
                parts.append(text)
                at += len(text) + 1
        self.folded = "\n".join(parts)


_heads = msgspec.json.Decoder(_Head)
BodyT = TypeVar("BodyT", bound=reference.Reference)


def fold(text: str) -> str:
    """A text as it is compared: full-width letters as letters, no case."""
    return unicodedata.normalize("NFKC", text).casefold()


class SearchIndex:
    """All jobs of one device. `refresh` may run in a thread of its own; `find` sees what is there by then.

    Args:
        path: the device's database. files: its folder of files, for procedures that are files.
    """

    def __init__(self, path: Path, files: Path) -> None:
        self._path, self._files = path, files
        self._texts: dict[str, _Text] = {}
        self._steps: dict[tuple[str, int, str], tuple[Words, ...]] = {}
        self._folded_steps: dict[tuple[str, int, str], str] = {}
        self._documents_seen: tuple[int, int] = (0, 0)
        self._lock = threading.Lock()

    @property
    def jobs(self) -> int:
        return len(self._texts)

    # --- Keeping it ---------------------------------------------------------------------------------------------------------------

    def refresh(self) -> Iterator[int]:
        """Read what is new; yields how many jobs are there after each part, so that a caller can stop or show it.

        Raises:
            Problem: `database-missing`, `database-damaged`.
        """
        with self._lock:
            reader = Reader(self._path)
            try:
                yield from self._refresh(reader)
            finally:
                reader.close()

    def _refresh(self, reader: Reader) -> Iterator[int]:
        documents = Documents(reader, self._files)
        seen = reader.rows("SELECT count(*) AS n, coalesce(sum(pos), 0) AS last FROM documents")[0]
        same_documents = (seen["n"], seen["last"]) == self._documents_seen
        versions = {row["stream"]: (row["changed_at"], row["size"]) for row in reader.rows(_VERSIONS)}
        for gone in set(self._texts) - set(versions):
            self._texts.pop(gone, None)
        wanted = [
            stream
            for stream, version in versions.items()
            if not same_documents or stream not in self._texts or self._texts[stream].version != version
        ]
        if wanted:
            names = _Names(reader)
            for start in range(0, len(wanted), _CHUNK):
                part = wanted[start : start + _CHUNK]
                marks = ", ".join("?" for _ in part)
                for row in reader.rows(f"SELECT {_COLUMNS} FROM jobs WHERE stream IN ({marks})", part):
                    self._take(row, versions[row["stream"]], names, documents)
                yield len(self._texts)
        self._documents_seen = (seen["n"], seen["last"])
        yield len(self._texts)

    def _take(self, row: Any, version: tuple[int, int], names: _Names, documents: Documents) -> None:
        stream, status, when, view = row["stream"], row["status"], row["at"], row["view"]
        head = _heads.decode(view)
        fields, exact = names.fields(head)
        order = (status in _CLOSED, _LATEST if when is None else when, head.number)
        for pin in head.procedures:
            self._learn(pin, documents)
        self._texts[stream] = _Text(version, order, head, fields, exact)

    def _learn(self, pin: PinnedProcedure, documents: Documents) -> None:
        key = (pin.code, pin.version, pin.entry)
        if key in self._steps:
            return
        procedure = documents.procedure(*key)
        if procedure is None:
            return  # it may come later
        titles = tuple(step.title for step in procedure.steps if step.title)
        self._folded_steps[key] = "\n".join(fold("\t".join(dict.fromkeys(title.values()))) for title in titles)
        self._steps[key] = titles

    # --- Asking it ----------------------------------------------------------------------------------------------------------------

    def find(self, typed: str, language: str = "en") -> list[Found]:
        """Jobs that hold every word typed, the best first: a number, tag or serial that is meant exactly; numbers; titles;
        customers, sites and assets; steps. Open jobs before closed ones, the earlier ones first. Nothing typed: nothing found."""
        wanted = list(dict.fromkeys(fold(typed).split()))
        if not wanted:
            return []
        whole = " ".join(wanted)
        steps = {key: [word in text for word in wanted] for key, text in self._folded_steps.items()}
        hits: list[tuple[int, tuple[bool, int, str], str]] = []
        for stream, text in list(self._texts.items()):
            rank = _rank(text, wanted, whole, steps)
            if rank is not None:
                hits.append((rank, text.order, stream))
        hits.sort()
        return [Found(stream, self._why(self._texts[stream], wanted, language)) for _, _, stream in hits[:SHOWN]] + [
            Found(stream, "") for _, _, stream in hits[SHOWN:]
        ]

    def meant(self, code: str) -> str | None:
        """The stream of the one job that a code means: the only one found, or the only (open) one whose number it is, or whose
        equipment has it as tag, serial or id. None where a person has to choose."""
        whole = " ".join(fold(code).split())
        found = self.find(code)
        exact = [hit.stream for hit in found if whole in self._texts[hit.stream].exact]
        still_open = [stream for stream in exact if not self._texts[stream].order[0]]
        for streams in (still_open, exact, [hit.stream for hit in found]):
            if len(streams) == 1:
                return streams[0]
        return None

    def _why(self, text: _Text, wanted: list[str], language: str) -> str:
        for word in wanted:
            at = text.folded.find(word)
            if at >= 0:
                place = bisect_right(text.starts, at) - 1
                if text.ranks[place] > TITLE:
                    return _said(text.fields[place], word, language)
                continue
            for key in text.procedures:
                for title in self._steps.get(key, ()):
                    if any(word in fold(said) for said in title.values()):
                        return _said(title, word, language)
        return ""


SHOWN = 200
"""Results for which it is worked out why they were found."""
EXACT, NUMBER, TITLE, AROUND, STEPS = range(5)
_COLUMNS = "stream, status, coalesce(due, window_start) AS at, view"
_VERSIONS = "SELECT stream, changed_at, length(view) AS size FROM jobs"


def _rank(text: _Text, wanted: list[str], whole: str, steps: dict[tuple[str, int, str], list[bool]]) -> int | None:
    best, own = STEPS, text.folded
    for number, word in enumerate(wanted):
        at = own.find(word)
        if at >= 0:
            best = min(best, text.ranks[bisect_right(text.starts, at) - 1])
        elif not any(steps[key][number] for key in text.procedures if key in steps):
            return None
    return EXACT if whole in text.exact else best


def _said(words: Words, word: str, language: str) -> str:
    """The text in the language asked for where the word stands in it, else in the language in which it does."""
    mine = say(words, language)
    if word in fold(mine):
        return mine
    return next((text for text in words.values() if word in fold(text)), mine)


class _Names:
    """Customers, sites and assets of the device, each read once."""

    def __init__(self, reader: Reader) -> None:
        customers = (body.customer for body in _bodies(reader, reference.CustomerRecorded))
        sites = (body.site for body in _bodies(reader, reference.SiteRecorded))
        assets = (body.asset for body in _bodies(reader, reference.AssetRecorded))
        self._customers: dict[str, Customer] = {customer.id: customer for customer in customers}
        self._sites: dict[tuple[str, str], Site] = {(site.customer, site.id): site for site in sites}
        self._assets: dict[str, Asset] = {asset.id: asset for asset in assets}

    def fields(self, head: _Head) -> tuple[list[tuple[int, Words]], list[str]]:
        """(rank, text) of each field in the order of their ranks, and what may be meant exactly."""
        fields: list[tuple[int, Words]] = [(NUMBER, {"en": head.number}), (TITLE, head.title)]
        exact = [head.number]
        customer, site = self._customers.get(head.customer), self._sites.get((head.customer, head.site))
        fields.append((AROUND, customer.name if customer else {"en": head.customer}))
        if site is not None:
            fields += [(AROUND, site.name), (AROUND, site.address)]
        for name in head.assets:
            asset = self._assets.get(name)
            if asset is None:
                continue
            exact += [asset.tag, asset.serial, asset.id]
            known = " ".join(part for part in (asset.tag, "{title}", asset.model, asset.serial) if part)
            fields.append((AROUND, {code: known.replace("{title}", text) for code, text in (asset.title or {"en": ""}).items()}))
        fields.append((AROUND, {"en": head.description}))
        return fields, exact


def _bodies(reader: Reader, kind: type[BodyT]) -> Iterator[BodyT]:
    """All documents of a kind; one that another version of the program wrote in another shape is left out."""
    decoder = msgspec.json.Decoder(kind)
    for row in reader.rows("SELECT body FROM documents WHERE type = ?", (kind.NAME,)):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            yield decoder.decode(row["body"])
