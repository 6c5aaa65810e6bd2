"""Builds the services of a device from its home. Nothing is built at import; whoever asks gets services of their own.

`reading` looks beside a running app, through a read-only connection and without the database library. `writing` holds the home: it
brings the tables up to date and makes database and journal agree before anything is recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fieldapp.domain.problem import Problem
from fieldapp.settings import device_home
from fieldapp.store.home import Clock, Home, Identity, SystemClock
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.outbox import setting
from fieldapp.store.queries.reader import Reader

if TYPE_CHECKING:
    from fieldapp.domain.entry import FileRef
    from fieldapp.services.desk import Desk
    from fieldapp.services.office import Office
    from fieldapp.services.standard import KeepBytes, Standard
    from fieldapp.services.work import Keep, Work
    from fieldapp.store.database import Database
    from fieldapp.store.device import DeviceReplica
    from fieldapp.store.drafts import Drafts
    from fieldapp.store.mending import Draft, Mended


class DeviceView:
    """A device to look at: whose it is, its database and its documents. `zone`: name of the branch's time zone."""

    def __init__(self, home: Home, identity: Identity) -> None:
        self.home, self.identity = home, identity
        self.reader = Reader(home.database_file)
        self.documents = Documents(self.reader, home.files)
        self.clock: Clock = SystemClock(self._skew)

    @property
    def zone(self) -> str:
        return self.documents.zone(self.identity.log)

    @property
    def language(self) -> str:
        person = self.documents.person(self.identity.person)
        return person.language if person else "en"

    def _skew(self) -> int | None:
        """Milliseconds to add to this device's clock to get the server's time, None before the first contact."""
        known = setting(self.reader, "skew_ms")
        return int(known) if known is not None else None

    def close(self) -> None:
        self.reader.close()


class DeviceServices(DeviceView):
    """A device to work on: the replica, and what people do."""

    def __init__(self, home: Home, identity: Identity, database: Database) -> None:
        super().__init__(home, identity)
        import uuid6

        from fieldapp.services.desk import Desk
        from fieldapp.services.office import Office
        from fieldapp.services.standard import Standard
        from fieldapp.services.work import Work
        from fieldapp.store.device import DeviceReplica, Started
        from fieldapp.store.drafts import Drafts
        from fieldapp.store.journal import Journal

        def ids() -> str:
            return str(uuid6.uuid7())

        self.database = database
        self.started = Started()
        """What the start found."""
        self.made_anew: Mended | None = None
        """What became of a database that was missing or damaged; None where all was well."""
        self.journal = Journal(home.journal_file)
        self.replica: DeviceReplica = DeviceReplica(database, self.journal, identity, self.clock, ids, home.save_identity)
        self.work: Work = Work(self.replica, self.reader, self.documents, _keep_file(home))
        self.drafts: Drafts = Drafts(database)
        self.office: Office = Office(self.replica, self.reader, self.documents, ids)
        self.desk: Desk = Desk(self.replica, self.reader, self.documents)
        self.standard: Standard = Standard(self.replica, self.documents, _keep_bytes(home))

    def keep_drafts(self, drafts: Iterable[Draft]) -> None:
        """Typed text that was saved from a damaged database."""
        for draft in drafts:
            self.drafts.save(draft.job, draft.step, draft.version, draft.text, draft.at)

    @property
    def notices(self) -> tuple[Problem, ...]:
        """What the start found and the person has to know."""
        from fieldapp.store.mending import lost_lines

        made_anew = None if self.made_anew is None else self.made_anew.told(self.started.recovered)
        lost = lost_lines(self.home, self.reader) if self.started.damaged else None
        return tuple(notice for notice in (made_anew, lost) if notice is not None)

    def seal(self) -> bool:
        """The office took this device out of service: close it for good once nothing is only here any more. Its data goes when
        these services are closed. False while something is left to be handed over."""
        waiting = any((self.home.files / file.sha256).is_file() for file in self.replica.files_waiting())
        return not waiting and self.replica.seal()

    def close(self) -> None:
        super().close()
        self.journal.close()
        self.database.close()
        if self.replica.identity.sealed:
            from fieldapp.store.sealing import wipe_if_possible

            wipe_if_possible(self.home)


@contextmanager
def reading(home: str | None = None) -> Iterator[DeviceView]:
    """Look at a device, also while another program works on it.

    Args:
        home: folder as given on the command line, None for the one of environment or settings.

    Raises:
        Problem: `not-enrolled`, `identity-damaged`, and those of Reader.
    """
    place, identity = enrolled(home)
    say(bring_up_to_date(place))
    device = DeviceView(place, identity)
    try:
        yield device
    finally:
        device.close()


@contextmanager
def writing(what: str, home: str | None = None) -> Iterator[DeviceServices]:
    """Work on a device by a command. Arguments as for `reading` and `open_device`.

    Raises:
        Problem: `not-enrolled`, and those of `open_device`.
    """
    place, _ = enrolled(home)
    with open_device(place, what) as device:
        say(device.notices)
        yield device


def say(notices: Iterable[Problem]) -> None:
    """What a start found, to whoever gave the command."""
    for notice in notices:
        sys.stderr.write(f"{notice}\n")


@contextmanager
def open_device(home: Home, what: str, *, every_page: bool = False) -> Iterator[DeviceServices]:
    """Work on a device: the only writer of its home while it lasts. Tables are brought up to date, database and journal agree. A
    database that is missing or damaged is made anew; `made_anew` and `notices` of the services say so then.

    Args:
        what: the command or program, named to whoever has to wait for it.
        every_page: read all of the database first, since damage may lie where no start comes across it.

    Raises:
        Problem: `identity-damaged`, `home-locked`, `database-no-file`, and those of the database and its migrations.
    """
    import time

    from fieldapp.store.mending import Mended, check_place, is_damaged, put_aside, was_lost

    with home.locked(what):
        identity = home.identity()  # under the lock: another writer may have opened a new line of writing meanwhile
        if identity is None:
            raise _not_enrolled(home)
        refuse_sealed(home, identity)
        check_place(home)
        mended = Mended(None) if was_lost(home, identity) else None
        if every_page and home.database_file.exists() and is_damaged(home.database_file):
            mended = put_aside(home, time.strftime("%Y%m%d-%H%M%S"))
        try:
            device = _started(home, identity)
        except Problem as problem:
            if problem.code != "database-damaged" or (mended is not None and mended.aside is not None):
                raise
            mended = put_aside(home, time.strftime("%Y%m%d-%H%M%S"))
            device = _started(home, identity)
        try:
            if mended is not None:
                device.keep_drafts(mended.drafts)
            device.made_anew = mended
            yield device
        finally:
            device.close()


def _started(home: Home, identity: Identity) -> DeviceServices:
    from fieldapp.store.database import Database
    from fieldapp.store.migrations import migrate_device

    database = Database(home.database_url)
    try:
        migrate_device(database)
        device = DeviceServices(home, identity, database)
    except BaseException:
        database.close()
        raise
    try:
        device.started = device.replica.start()
    except BaseException:
        device.close()
        raise
    return device


def enrolled(home: str | None) -> tuple[Home, Identity]:
    """The home and whose it is, with nothing opened.

    Args:
        home: folder as given on the command line, None for the one of environment or settings.

    Raises:
        Problem: `not-enrolled`, `identity-damaged`.
    """
    place = Home(device_home(home))
    identity = place.identity()
    if identity is None:
        raise _not_enrolled(place)
    refuse_sealed(place, identity)
    return place, identity


def refuse_sealed(place: Home, identity: Identity) -> None:
    """A home that the office took out of service is not opened; what a crash left of its data goes now.

    Raises:
        Problem: `device-sealed`.
    """
    if identity.sealed:
        from fieldapp.store.sealing import sealed, wipe

        wipe(place)
        raise sealed()


def _not_enrolled(place: Home) -> Problem:
    return Problem(
        "not-enrolled",
        f"The folder {place.path} is not a device of yours yet.",
        "Ask the office for a one-time code, then: fieldapp enrol URL CODE. Or choose another folder with --home.",
    )


def bring_up_to_date(place: Home) -> tuple[Problem, ...]:
    """Looking needs the present tables: a lost database is made anew from the journal, an older one is brought up to date.

    Returns what the person has to know of that.

    Raises:
        Problem: those of `open_device`.
    """
    import sqlite3

    from fieldapp.store.mending import check_place

    check_place(place)
    wanted = len(list((Path(__file__).parent / "store" / "migrations" / "device").glob("*.sql")))
    if place.database_file.exists():
        try:
            connection = sqlite3.connect(place.database_file.resolve().as_uri() + "?mode=ro", uri=True)
            try:
                if connection.execute("PRAGMA user_version").fetchone()[0] >= wanted:
                    return ()
            finally:
                connection.close()
        except sqlite3.OperationalError:
            return ()  # reading will say what is wrong with it
        except sqlite3.DatabaseError:
            pass  # it is none any more: it is put aside, and a new one is made
    with open_device(place, "bring the database up to date") as device:
        return device.notices


def put_damaged_aside(home: str | None) -> Path | None:
    """Read the whole database of a device; where a page of it is damaged, put it aside and make a new one. Returns where it lies.

    Raises:
        Problem: `not-enrolled`, `home-locked`, and those of `open_device`.
    """
    place, _ = enrolled(home)
    with open_device(place, "fieldapp doctor --repair", every_page=True) as device:
        return device.made_anew.aside if device.made_anew is not None else None


def _keep_file(home: Home) -> Keep:
    def keep(path: Path) -> FileRef:
        from fieldapp.store.evidence import take_in

        return take_in(home, path, empty=False)

    return keep


def _keep_bytes(home: Home) -> KeepBytes:
    def keep(data: bytes, name: str, media: str) -> FileRef:
        from fieldapp.store.evidence import take_in_bytes

        return take_in_bytes(home, data, name, media)

    return keep
