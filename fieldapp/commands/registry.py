"""Every command: its words, the family (file) it lives in, and what it does in one line. Nothing else knows them all."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """A command as the help lists it. `words`: what is typed. `family`: module of fieldapp.commands."""

    words: str
    family: str
    summary: str


TITLES = {
    "demo": "Trying it",
    "reading": "Looking at the work",
    "working": "Doing the work",
    "planning": "Office",
    "desk": "Desk",
    "importing": "Importing",
    "syncing": "Sending and receiving",
    "carrying": "Carrying work by hand",
    "device": "This device",
    "serving": "Server",
    "administration": "Server administration",
}
"""Families in the order of the help, with their headings."""

COMMANDS = (
    Listed("demo", "demo", "try everything on this machine: a server, two devices, demo data"),
    Listed("jobs", "reading", "list the jobs on this device"),
    Listed("job", "reading", "show one job with its steps"),
    Listed("log", "reading", "show everything recorded on a job, in order"),
    Listed("do", "working", "accept, travel, arrive, start, pause, resume, complete ..."),
    Listed("record", "working", "record the result of a step"),
    Listed("amend", "working", "change a recorded result, with the reason"),
    Listed("not-done", "working", "say that a step was not done, and why"),
    Listed("not-applicable", "working", "say that a step does not apply here, and why"),
    Listed("attach", "working", "attach a photo or another file to a step"),
    Listed("note", "working", "add a remark to a job or a step"),
    Listed("part", "working", "record a part used"),
    Listed("reading", "working", "record a reading of an asset outside any step"),
    Listed("fault", "working", "record a fault by symptom, cause and remedy"),
    Listed("feedback", "working", "record the customer's verdict and signature"),
    Listed("job-new", "planning", "create a job"),
    Listed("assign", "planning", "give a job to a person"),
    Listed("helpers", "planning", "say who else works on a job"),
    Listed("reschedule", "planning", "give a job another time window"),
    Listed("cancel", "planning", "cancel a job"),
    Listed("review", "planning", "approve a job, or send steps back"),
    Listed("desk", "desk", "list what waits for a decision, late work, silent devices, missing files"),
    Listed("desk show", "desk", "show one record of the desk with both sides"),
    Listed("desk decide", "desk", "let it stand, dismiss it, choose a side, or merge"),
    Listed("import jobs", "importing", "make jobs from a table of tickets"),
    Listed("import procedure", "importing", "publish a procedure from a spreadsheet (XLSForm)"),
    Listed("sync", "syncing", "send what is unsent and fetch what is new"),
    Listed("outbox", "syncing", "show what is only on this device"),
    Listed("outbox give-up", "syncing", "wait no longer for a file that is gone from this device"),
    Listed("export unsent", "carrying", "write what is only on this device to a file, for a stick"),
    Listed("import", "carrying", "take in what another device of yours exported"),
    Listed("enrol", "device", "make this device one of yours with a one-time code"),
    Listed("doctor", "device", "check this device and its connection, in plain words"),
    Listed("verify", "device", "compute every hash and chain on this device again, and name what does not fit"),
    Listed("locate", "device", "say where everything lies"),
    Listed("serve", "serving", "run the server"),
    Listed("admin init", "administration", "make the server's database"),
    Listed("admin load-fixtures", "administration", "load the demo company into the server"),
    Listed("admin person list", "administration", "list people"),
    Listed("admin person add", "administration", "add a person, or change one"),
    Listed("admin code", "administration", "make a one-time code for a person's next device"),
    Listed("admin device list", "administration", "list devices and when they were last seen"),
    Listed("admin revoke", "administration", "take a device out of service"),
    Listed("admin erase", "administration", "erase the personal data of a customer"),
    Listed("admin files", "administration", "list files that have not arrived yet, by job"),
    Listed("admin backup", "administration", "write a verified backup of the server"),
    Listed("admin import", "administration", "take in what a device exported to a file"),
    Listed("admin verify", "administration", "compute every hash and chain of the server again, and name what does not fit"),
    Listed("admin restore", "administration", "restore the server from a backup"),
)


def find(words: list[str]) -> tuple[Listed, list[str]] | None:
    """The command that a command line begins with, and the rest of the line; None where there is none."""
    for length in (3, 2, 1):
        name = " ".join(words[:length])
        for listed in COMMANDS:
            if len(words) >= length and listed.words == name:
                return listed, words[length:]
    return None


def beginning_with(words: list[str]) -> list[Listed]:
    """Commands whose words begin with these: what `fieldapp admin` offers."""
    return [listed for listed in COMMANDS if listed.words.split()[: len(words)] == words]


def nearest(word: str) -> str:
    """The command closest to a mistyped one, or the group of commands: `admin person`. '' where none is close."""
    import difflib

    length = len(word.split())
    known = dict.fromkeys(name for listed in COMMANDS for name in (listed.words, " ".join(listed.words.split()[:length])))
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else ""
