"""Finding jobs by any of their words, offline, at every key.

Each word typed is looked for by itself: the index (search_file.py) gives the texts that hold it, and the jobs that have them. Where
a word is rare, all its jobs are ranked. Where every word is common, jobs are gone through in the order in which they are shown,
best rank first, until there are enough to be seen; the rest may be asked for afterwards (`find`). So the first results come at
once among 100,000 jobs, whatever is typed.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.domain.words import Words, say
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.search_file import (
    AROUND,
    EXACT,
    NUMBER,
    STEPS,
    TITLE,
    IndexFile,
    has_grams,
    index_file,
    rank_of,
    text_ids,
)  # fmt: skip
from fieldapp.store.queries.search_learning import Learner, stored_words
from fieldapp.store.queries.search_words import LONGEST, fold, gram_query

SHOWN = 200
"""Results for which it is worked out why they were found."""
FIRST = 60
"""Results that come at once: more than a screen shows."""
_FEW_TEXTS = 2000
"""A word that stands in more texts of one rank is common."""
_FEW_JOBS = 2000
"""So many jobs are ranked and sorted at once."""
_SOON_S = 0.015
"""The first results are shown after so long, even where there are fewer than FIRST."""
_PART = 200
_RANKS = (NUMBER, TITLE, AROUND, STEPS)
_NO_MORE = 1 << 40
AnswerT = TypeVar("AnswerT")


class Found(msgspec.Struct, frozen=True):
    """A job that was found, and why: the first text in which a word stands, in the language asked for."""

    stream: str
    why: str


class Answer(msgspec.Struct, frozen=True):
    """The first jobs found, in order. `whole`: they are all."""

    found: list[Found]
    whole: bool


class SearchIndex:
    """All jobs of one device. `refresh` and `find` may run in threads of their own; the rest belongs to the screen's thread.

    Args:
        path: the device's database. files: its folder of files, for procedures that are files.
    """

    def __init__(self, path: Path, files: Path) -> None:
        self._path, self._files = path, files
        self._file = IndexFile(index_file(path))
        self._reading: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._checked = False
        self._jobs: int | None = None
        self._damaged = self._moved = False

    @property
    def jobs(self) -> int:
        """How many jobs are known."""
        if self._jobs is None:
            counted = self._read(lambda index: int(index.execute("SELECT count(*) FROM jobs").fetchone()[0]), 0)
            if self._reading is None:
                return 0
            self._jobs = counted
        return self._jobs

    @property
    def damaged(self) -> bool:
        """Whether the index could not be read: the next `refresh` makes it anew."""
        return self._damaged

    def close(self) -> None:
        """Let the file go; it is opened again when it is needed."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    # --- Keeping it ---------------------------------------------------------------------------------------------------------------

    def refresh(self) -> Iterator[int]:
        """Learn what is new; yields how many jobs are there after each part, so that a caller can stop or show it.

        Raises:
            Problem: `database-missing`, `database-damaged`; `search-incomplete` where the index cannot be written.
        """
        with self._lock, closing(Reader(self._path)) as reader:
            reader.row("SELECT 1 FROM jobs LIMIT 1")  # where there is no database, no index is begun
            try:
                yield from self._learn(reader)
            except sqlite3.OperationalError as error:
                raise _incomplete(error) from error
            except sqlite3.DatabaseError:
                self._damaged = True
                try:
                    yield from self._learn(reader)
                except sqlite3.Error as error:
                    raise _incomplete(error) from error

    def _learn(self, reader: Reader) -> Iterator[int]:
        if self._damaged:
            self._file.discard()
            self._damaged, self._moved = False, True
        with closing(self._file.writing()) as index:
            for jobs in Learner(reader, Documents(reader, self._files), index).learn(check=not self._checked):
                self._jobs = jobs
                yield jobs
            self._checked = True

    # --- Asking it ----------------------------------------------------------------------------------------------------------------

    def first(self, typed: str, language: str = "en") -> Answer:
        """The first of the jobs that `find` finds, within some hundredths of a second."""
        until = time.monotonic() + _SOON_S
        late = lambda: time.monotonic() > until  # noqa: E731
        return self._read(lambda index: _Search(index, typed, late).first(language, FIRST), Answer([], True))

    def find(self, typed: str, language: str = "en", stop: Callable[[], bool] = lambda: False) -> list[Found]:
        """Jobs that hold every word typed, the best first: a number, tag or serial that is meant exactly; numbers; titles;
        customers, sites and assets; steps. Open jobs before closed ones, the earlier ones first. Nothing typed: nothing found.

        Args:
            stop: asked now and then; the search ends without a result once nobody waits for it.
        """
        try:
            index = self._file.reading()
            if index is None:
                return []
            with closing(index):
                return _Search(index, typed, stop).all(language)
        except sqlite3.Error as error:
            self._note(error)
            return []

    def meant(self, code: str) -> str | None:
        """The stream of the one job that a code means: the only one found, or the only (open) one whose number it is, or whose
        equipment has it as tag, serial or id. None where a person has to choose."""
        nobody: str | None = None
        return self._read(lambda index: _Search(index, code).meant(), nobody)

    def _read(self, ask: Callable[[sqlite3.Connection], AnswerT], otherwise: AnswerT) -> AnswerT:
        """What the index says, by the connection that is kept for the screen."""
        try:
            if self._moved:
                self._moved = False
                self.close()
            if self._reading is None:
                self._reading = self._file.reading()
            return otherwise if self._reading is None else ask(self._reading)
        except sqlite3.Error as error:
            self._note(error)
            self.close()
            return otherwise

    def _note(self, error: sqlite3.Error) -> None:
        if not isinstance(error, sqlite3.OperationalError):  # that is: busy, or without tables
            self._damaged = True


class _Word:
    """One word typed: the texts that hold it, by rank; None for a rank where they are too many to be listed."""

    def __init__(self, texts: _Texts, word: str, few: int) -> None:
        self.word, self._texts = word, texts
        self.listed: dict[int, frozenset[int] | None] = {}
        for rank in _RANKS:
            found = texts.holding(word, rank, few + 1)
            self.listed[rank] = None if len(found) > few else frozenset(found)
        self._all = frozenset(self.texts(_RANKS) or ())
        self._is_listed = None not in self.listed.values()

    def texts(self, ranks: Iterable[int]) -> set[int] | None:
        """The texts of these ranks, None where they are not all listed."""
        found = set[int]()
        for rank in ranks:
            listed = self.listed[rank]
            if listed is None:
                return None
            found |= listed
        return found

    def place(self, texts: Sequence[int]) -> int | None:
        """The first of a job's texts that holds the word."""
        if self._is_listed and self._all.isdisjoint(texts):
            return None
        for text in texts:
            listed = self.listed[rank_of(text)]
            if (text in listed) if listed is not None else (self.word in self._texts.folded(text)):
                return text
        return None


class _Texts:
    """The texts of the index; each that is looked into is read once in a search."""

    def __init__(self, index: sqlite3.Connection) -> None:
        self._index = index
        self._has_grams = has_grams(index)
        self._folded: dict[int, str] = {}

    def folded(self, text: int) -> str:
        known = self._folded.get(text)
        if known is None:
            row = self._index.execute("SELECT folded FROM texts WHERE id = ?", (text,)).fetchone()
            known = self._folded[text] = row[0] if row else ""
        return known

    def words(self, text: int) -> tuple[Words, ...]:
        row = self._index.execute("SELECT words FROM texts WHERE id = ?", (text,)).fetchone()
        return stored_words(row[0]) if row else ()

    def holding(self, word: str, rank: int, most: int) -> list[int]:
        """Texts of a rank that hold a folded word, at most so many."""
        first, last = text_ids(rank)
        if not self._has_grams:
            sql = "SELECT id FROM texts WHERE id BETWEEN ? AND ? AND instr(folded, ?) LIMIT ?"
            return [row[0] for row in self._index.execute(sql, (first, last, word, most))]
        if len(word) <= LONGEST and word.isalnum():  # a gram itself
            sql = "SELECT rowid FROM grams WHERE grams MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?"
            return [row[0] for row in self._index.execute(sql, (gram_query(word), first, last, most))]
        sql = """SELECT g.rowid FROM grams g CROSS JOIN texts t ON t.id = g.rowid
                 WHERE g.grams MATCH ? AND g.rowid BETWEEN ? AND ? AND instr(t.folded, ?) LIMIT ?"""
        return [row[0] for row in self._index.execute(sql, (gram_query(word), first, last, word, most))]


_Job = tuple[int, int, str, str, bytes]
"""closed, at, number, stream, texts: in the order of lists."""
_Hit = tuple[int, _Job]
"""A job that holds every word, with its rank: in the order in which they are shown."""
_COLUMNS = "closed, at, number, stream, texts"
_ids = msgspec.json.Decoder(list[int])


class _Search:
    """One search in one index."""

    def __init__(self, index: sqlite3.Connection, typed: str, stop: Callable[[], bool] = lambda: False) -> None:
        self._index, self._stop = index, stop
        self._stopped = False
        self._wanted = list(dict.fromkeys(fold(typed).split()))
        self._texts = _Texts(index)
        exact = index.execute("SELECT text FROM exact WHERE code = ?", (" ".join(self._wanted),)) if self._wanted else ()
        self._exact = frozenset(row[0] for row in exact)
        self._words: list[_Word] = []

    # --- Three questions ----------------------------------------------------------------------------------------------------------

    def all(self, language: str) -> list[Found]:
        if not self._wanted:
            return []
        self._words = [_Word(self._texts, word, _NO_MORE) for word in self._wanted]
        rarest = _smallest(word.texts(_RANKS) or set() for word in self._words)
        streams = self._jobs_with(rarest, _FEW_JOBS)
        hits = self._ranked(self._in_order() if streams is None else self._rows(streams))
        found = sorted(hits)
        return [] if self._stopped else self._said(found, language)

    def first(self, language: str, most: int) -> Answer:
        if not self._wanted:
            return Answer([], True)
        found = self._all_of_the_rarest()
        if found is not None:
            return Answer(self._said(found, language), True)
        hits: list[_Hit] = []
        for rank in (EXACT, *_RANKS):
            few = self._of_rank(rank)
            if few is None:
                return self._walk(hits, rank, language, most)
            hits += few
            if len(hits) >= most:
                return Answer(self._said(hits, language), False)
        return Answer(self._said(hits, language), True)

    def meant(self) -> str | None:
        if not self._wanted:
            return None
        self._words = [_Word(self._texts, word, _FEW_TEXTS) for word in self._wanted]
        jobs = self._jobs_with(self._exact, _NO_MORE) or []
        exact = [job for rank, job in self._ranked(self._rows(jobs)) if rank == EXACT]
        for few in ([job[3] for job in exact if not job[0]], [job[3] for job in exact]):
            if len(few) == 1:
                return few[0]
        if exact:
            return None
        answer = self.first("en", 1)
        return answer.found[0].stream if answer.whole and len(answer.found) == 1 else None

    # --- Roads --------------------------------------------------------------------------------------------------------------------

    def _all_of_the_rarest(self) -> list[_Hit] | None:
        """All that is found, in order, where one of the words stands in few jobs; else None."""
        self._words = [_Word(self._texts, word, _FEW_TEXTS) for word in self._wanted]
        listed = [texts for word in self._words if (texts := word.texts(_RANKS)) is not None]
        if not listed:
            return None
        jobs = self._jobs_with(_smallest(listed), _FEW_JOBS)
        return None if jobs is None else sorted(self._ranked(self._rows(jobs)))

    def _of_rank(self, rank: int) -> list[_Hit] | None:
        """All that is found with this rank, in order; None where too many jobs have to be looked at for it."""
        texts = set(self._exact) if rank == EXACT else set[int]()
        for word in self._words if rank != EXACT else ():
            own = word.texts((rank,))
            if own is None:
                return None
            texts |= own
        jobs = self._jobs_with(texts, _FEW_JOBS)
        return None if jobs is None else sorted(hit for hit in self._ranked(self._rows(jobs)) if hit[0] == rank)

    def _walk(self, better: list[_Hit], rank: int, language: str, most: int) -> Answer:
        """What is found with this rank and behind it, after all that is better: in the order of lists, until there are enough.
        Where it takes too long, the best of what was come upon."""
        these: list[_Hit] = []
        others: list[_Hit] = []
        for hit in self._ranked(self._in_order()):
            if hit[0] == rank:
                these.append(hit)
                if len(better) + len(these) >= most:
                    return Answer(self._said([*better, *these], language), False)
            elif hit[0] > rank:
                others.append(hit)
        found = [*better, *these, *sorted(others)]
        return Answer(self._said(found[:most] if self._stopped else found, language), not self._stopped)

    def _jobs_with(self, texts: Iterable[int], most: int) -> list[int] | None:
        """Ids of the jobs that have any of the texts, None where they are more than so many."""
        found = dict[int, None]()
        for text in sorted(texts):
            for (job,) in self._index.execute("SELECT job FROM links WHERE text = ? LIMIT ?", (text, most + 1)):
                found[job] = None
            if len(found) > most:
                return None
        return list(found)

    def _rows(self, jobs: Iterable[int]) -> Iterator[_Job]:
        for job in jobs:
            yield from self._index.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,))

    def _in_order(self) -> Iterator[_Job]:
        rows = self._index.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY closed, at, number, stream")
        while part := rows.fetchmany(_PART):
            if self._stop():
                self._stopped = True
                return
            yield from part

    def _ranked(self, jobs: Iterable[_Job]) -> Iterator[_Hit]:
        """Those of the jobs that hold every word, with their rank."""
        for job in jobs:
            texts = _ids.decode(job[4])
            rank = self._rank(texts)
            if rank is not None:
                yield rank, job

    def _rank(self, texts: list[int]) -> int | None:
        best = STEPS
        for word in self._words:
            place = word.place(texts)
            if place is None:
                return None
            best = min(best, rank_of(place))
        return best if self._exact.isdisjoint(texts) else EXACT

    # --- Why ----------------------------------------------------------------------------------------------------------------------

    def _said(self, hits: Sequence[_Hit], language: str) -> list[Found]:
        return [Found(job[3], self._why(job[4], language) if place < SHOWN else "") for place, (_, job) in enumerate(hits)]

    def _why(self, raw: bytes, language: str) -> str:
        texts = _ids.decode(raw)
        for word in self._words:
            place = word.place(texts)
            if place is not None and rank_of(place) > TITLE:
                for words in self._texts.words(place):
                    if any(word.word in fold(said) for said in words.values()):
                        return _in_language(words, word.word, language)
        return ""


def _smallest(sets: Iterable[set[int]]) -> set[int]:
    return min(sets, key=lambda texts: len(texts))


def _in_language(words: Words, word: str, language: str) -> str:
    """The text in the language asked for where the word stands in it, else in the language in which it does."""
    mine = say(words, language)
    if word in fold(mine):
        return mine
    return next((text for text in words.values() if word in fold(text)), mine)


def _incomplete(error: sqlite3.Error) -> Problem:
    return Problem(
        "search-incomplete",
        f"What is new cannot be made ready for searching ({error}).",
        "Nothing is lost, and lists show every job. Make room on the disk, then search again.",
    )
