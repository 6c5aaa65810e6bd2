"""How the exchange with the server stands, for people: on screens, in commands and in reports."""

from __future__ import annotations

import msgspec

from fieldapp.sync.messages import Connection

_SENTENCES: dict[Connection, str] = {
    "unknown": "The server has not been asked yet.",
    "online": "Connected.",
    "offline": "The server cannot be reached. Work on: everything is saved here and is sent later.",
    "sign_in_page": "A sign-in page answers instead of the server. Open a browser, sign in to this network, then try again.",
    "busy": "The server is busy. Work on: everything is saved here and is sent later.",
    "revoked": "This device was revoked by the office: the server takes nothing more from it.",
    "upgrade": "The server wants a newer version of Fieldapp before it sends news. What you record is still sent.",
    "server_full": "The server's disk is full. Everything is saved here; tell the office.",
    "other_server": (
        "The server does not know this device. Everything is saved here; ask the office for a new code, then: "
        "fieldapp enrol URL CODE --again."
    ),
}


class Moving(msgspec.Struct, frozen=True):
    """The file that is on its way: `done` of `size` bytes. fetch: it comes in."""

    sha256: str
    done: int
    size: int
    fetch: bool = False


class SyncStatus(msgspec.Struct, frozen=True):
    """What the header and the sync centre show.

    since: ms UTC by this machine's clock since when the connection stands like this. synced: when everything was last exchanged.
    syncing: a request is in flight. files: why files wait, in words. streams: what a screen showing them should read again.
    sealed: the office took this device out of service, everything was handed over, and its data goes.
    sending: (epoch, first, last) of own entries in the request in flight. moving: the file on its way.
    """

    connection: Connection = "unknown"
    words: str = ""
    slow: bool = False
    syncing: bool = False
    since: int | None = None
    synced: int | None = None
    files: tuple[str, ...] = ()
    streams: frozenset[str] = frozenset()
    sealed: bool = False
    sending: tuple[str, int, int] | None = None
    moving: Moving | None = None

    @property
    def sentence(self) -> str:
        return sentence(self.connection, self.words)


class SyncReport(msgspec.Struct, frozen=True):
    """What one exchange achieved. sent: entries with a receipt; received: rows read; problem: why it is not complete, or None."""

    online: bool
    sent: int
    received: int
    problem: str | None = None
    connection: Connection = "online"


def sentence(connection: Connection, words: str = "") -> str:
    """One clear sentence or two: what happened, what is safe, what to do. `words` name the cause where it is known."""
    said = _SENTENCES[connection]
    return f"{said} ({words})" if words and connection not in ("online", "sign_in_page") else said
