"""People and branches: documents in the shared log, recorded by the server's administrator."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, cast, get_args

import msgspec
import uuid6
from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.documents import Branch, Person, Role
from fieldapp.domain.entry import Entry, Envelope, Moment, encode, write_entry
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.reference import BranchRecorded, PersonRecorded
from fieldapp.domain.problem import Problem
from fieldapp.server.reach import ORG
from fieldapp.store.database import Database
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import DocumentRow

AUTHOR = "server"
"""Who wrote what the administrator records by command: the server itself, in the role `rule`."""
_ID = re.compile(r"[A-Za-z0-9._\-]{1,60}\Z")


class People:
    """Reads and records people and branches."""

    def __init__(
        self, db: Database, replica: ServerReplica, clock: Callable[[], int], publish: Callable[[Mapping[str, int]], None]
    ) -> None:
        self._db, self._replica, self._clock, self._publish = db, replica, clock, publish

    def everybody(self) -> list[Person]:
        """All people, by branch and name."""
        found = [msgspec.json.decode(raw, type=PersonRecorded).person for raw in self._documents(PersonRecorded.NAME)]
        return sorted(found, key=lambda person: (person.branch, person.name, person.id))

    def branches(self) -> list[Branch]:
        found = [msgspec.json.decode(raw, type=BranchRecorded).branch for raw in self._documents(BranchRecorded.NAME)]
        return sorted(found, key=lambda branch: branch.id)

    def add(self, person_id: str, name: str, role: str, branch: str, *, language: str = "en") -> Person:
        """Record a person, or what changed about one.

        Raises:
            Problem: `bad-name`, `role-unknown`, `branch-unknown`.
        """
        _check_name("person", person_id)
        if not name.strip() or len(name) > 200:
            raise Problem("bad-name", "A person needs a name of at most 200 characters.")
        roles = [known for known in get_args(Role) if known != "rule"]
        if role not in roles:
            raise Problem("role-unknown", f"{role!r} is not a role.", f"Roles are {', '.join(roles)}.")
        known = [item.id for item in self.branches()]
        if branch not in (*known, ORG):
            raise Problem("branch-unknown", f"There is no branch {branch!r}.", f"Branches are: {', '.join(known) or 'none yet'}.")
        person = Person(person_id, name.strip(), cast(Role, role), branch, language)
        self._record("person", person_id, PersonRecorded(person))
        return person

    def add_branch(self, branch_id: str, name: str, *, language: str = "en", zone: str = "UTC") -> Branch:
        """Record a branch. Its id names its log.

        Raises:
            Problem: `bad-name`.
        """
        _check_name("branch", branch_id)
        branch = Branch(branch_id, {language: name}, language, zone)
        self._record("branch", branch_id, BranchRecorded(branch))
        return branch

    def _documents(self, kind: str) -> list[bytes]:
        with self._db.read() as conn:
            return list(conn.execute(select(col(DocumentRow.body)).where(col(DocumentRow.type) == kind)).scalars())

    def _record(self, kind: Literal["person", "branch"], key: str, body: Body) -> None:
        entry = self._entry(f"{kind}:{key}", body)
        self._publish(self._replica.record([entry], {AUTHOR: "rule"}))

    def _entry(self, stream: str, body: Body) -> Entry:
        envelope = Envelope(
            id=str(uuid6.uuid7()), log=ORG, stream=stream, type=body.NAME, author=AUTHOR, device=AUTHOR, group=str(uuid6.uuid7()),
            at=Moment(self._clock(), skew=0), body="", schema=body.SCHEMA,
        )  # fmt: skip
        return write_entry(envelope, encode(body))


def _check_name(what: str, name: str) -> None:
    if not _ID.match(name):
        raise Problem("bad-name", f"{name[:40]!r} cannot name a {what}.", "Use letters, digits, dots, hyphens and underscores.")
