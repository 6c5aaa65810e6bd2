"""What the sync, the server and the checks say in English, in the person's language: why there is no connection, why an entry does
not stand, what a diagnosis finds. What is not known here is shown as it came."""

from __future__ import annotations

import re
from functools import cache

from fieldapp.language import _, language, later
from fieldapp.outcome_words import who_came_first
from fieldapp.screens.states import STATUS
from fieldapp.screens.values import ROLES, skill_words
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.documents import Documents

_TEMPLATES = (
    # No connection
    later("nothing answers at {host}: the server is not running, or the port is wrong"),
    later("the name {host} is not known in this network"),
    later("nobody says where {host} is"),
    later("{host} cannot be reached"),
    later("{host} does not answer"),
    later("{host} took too long to answer"),
    later("the connection to {host} broke off"),
    later("the proxy does not let this through ({error})"),
    later("the proxy asks for a name and a password"),
    later("the server did not answer in time"),
    later("the server does not speak TLS at this address"),
    later("no secure connection could be made"),
    later("the server's certificate cannot be trusted"),
    later(
        "the server's certificate comes from an authority that this device does not know: somebody on the way may be reading "
        "along. Where the company has its own authority, set its CA file"
    ),
    later("the server's certificate is for another name than the address"),
    later("the server's certificate is not valid today: it has expired, or this device's date is wrong"),
    later("something answers that is not a Fieldapp server"),
    later("something between here and the server finds this too large"),
    later("something between here and the server answers {status}"),
    later("something between here and the server answers {status}, or the address is wrong"),
    later("the server answered something else than what was asked"),
    later("the server's answer cannot be read"),
    later("the server says there is more, but sends nothing new"),
    later("the server answered {status} without saying why"),
    later("the server answered with {what} instead of its own form"),
    later("the answer was damaged on its way"),
    later("the answer is damaged ({error})"),
    later("the answer is larger than any answer of a Fieldapp server"),
    later("the request could not be carried out ({error})"),
    later("the server sent a row that cannot be read: {error}"),
    later("the server has lost what is no longer kept here"),
    later("the server does not take what was not sent"),
    # Files
    later("the file cannot be written here ({error})"),
    later("the file {name} cannot be read here ({error})"),
    later("the file {name} is not what it was when it was recorded"),
    later("the server does not keep what it is sent"),
    later("the file came in another form"),
    later("The server has no room for files."),
    later("What arrived is not the file that was announced."),
    later("No file of this name is known here."),
    later("This server takes files of at most {size} bytes."),
    later("The request was damaged on its way here."),
    later("The connection ended in the middle of the request."),
    # What the office should know of what it has just done
    later("{name} is not known to have: {skills}."),
    later("The calendar {code} is not known here; the clock on the wall counts for its promises."),
    # Why an entry does not stand
    later("it could not be understood ({error})"),
    later("the group it belongs to is not complete"),
    later("its author is not the person this device belongs to"),
    later("it builds on something that this server has not received"),
    later("this server does not know the type {type} yet"),
    later("its content is missing"),
    later("a {role} may not record {type}"),
    later("it concerns something that was never in this person's scope"),
    later("the job it belongs to has not arrived yet"),
    later("the job was given to somebody else before this arrived"),
    later("this job was created already"),
    later("a job that is {status} does not allow {type}"),
    later("another entry with the same id was received before"),
    later("the server could not read it; it waits for a decision"),
    later("its content cannot be read"),
    later("only the office writes to what all branches share"),
    later("{type} does not belong to a {kind}"),
    later("it is about another {kind} than the one it was recorded for"),
    later("it names another log than the one it was sent to"),
    later("it names something that belongs to another log"),
    later("what it decides on has no name that anything here can have"),
    later("what it decides on has not arrived yet"),
    later("what it decides on cannot be read by this server, so it cannot stand"),
    later("what it decides on stands already"),
    later("it was decided already: {before}"),
    later("a decision is not let stand later; it is made anew"),
    later("the bytes cannot stand: {why}"),
    later("a {role} may not let {type} stand there"),
    later("{author} recorded {type} meanwhile"),
    later("the device was revoked"),
    later("it was imported from a file; its device has not sent it itself"),
    later("it was imported from a file in which what was recorded together with it is missing or damaged"),
    later("it was imported from a file, and another entry with the same id was received before"),
    later("it could not be received as it was"),
    later("it is too large to be sent"),
    later("the server does not answer when it is sent"),
    # What a diagnosis finds (fieldapp/checks.py)
    later("Device {code} of {name} ({role}, {branch}), server {url}."),
    later("{path} can be written."),
    later("Nothing can be written to {path} ({error}). Check its owner and the disk."),
    later("Every page of {name} is well."),
    later("Every page of {name} is well. A damaged one lies at {path}."),
    later("It is missing. The next command that records makes it anew, with all unsent work."),
    later(
        "It is damaged: {error}. Unsent work is in the journal too: keep that folder. `fieldapp doctor --repair` puts the damaged "
        "one aside and makes a new one."
    ),
    later("It cannot be read now ({error}): the disk is full or does not answer. Nothing is lost; make room and look again."),
    later("It holds a second copy of all {count} unsent entries."),
    later("It holds {count} of {of} unsent entries. The next command that records mends that."),
    later("It holds {count} entries."),
    later("Damaged lines: {lines}. The others are good; the database has its own copy."),
    later(
        "Damaged lines of the second copy whose entries are not in the database either: {count}, in {path}. All other work is "
        "safe. Show that file to the office, which may still read them; then remove it."
    ),
    later("Only on this device: entries {count}, files {files}."),
    later("{count} records do not stand by themselves; the office decides on them."),
    later(
        "The server says that {count} jobs, customers and assets are no longer yours. That is much at once: it is asked again in a "
        "minute before anything leaves this device."
    ),
    later(
        "{count} records look otherwise here than at the server, though they were read again: {names}. Nothing is lost. Upgrade "
        "this program, and tell the office if it stays so."
    ),
    later("Every recorded file is there."),
    later("Everything that is here is at the server too."),
    later(
        "{count} recorded files are gone from {path}, or damaged there, before the server had them: {names}. What was recorded "
        "about them is safe. Attach them again; what cannot be found: fieldapp outbox give-up NAME."
    ),
    later("Not compared with the server's yet."),
    later("Agrees with the server's."),
    later("{seconds} s behind the server's."),
    later("{seconds} s ahead of the server's."),
    later("{seconds} s behind the server's. Set it: times recorded now are marked doubtful."),
    later("{seconds} s ahead of the server's. Set it: times recorded now are marked doubtful."),
    later("Every hash, every chain and every view agrees with what was recorded."),
    later("{count} places do not agree, the first is {what}."),
    later("{free} MiB are free."),
    later("{free} MiB are free. Make room, or nothing more can be saved."),
)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Made when first asked for: the first frame asks for none, and waits for their import."""
    named = ((re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template)), template) for template in _TEMPLATES if "{" in template)
    return tuple((re.compile(pattern), template) for pattern, template in named)


def cause_words(cause: str) -> str:
    """The cause in the language spoken now. Still foreign text: show it through `safe_text`."""
    if language() == "en" or not cause:
        return cause
    exact = _(cause)
    if exact != cause:
        return exact
    for pattern, template in _patterns():
        match = pattern.fullmatch(cause)
        if match is not None:
            return _(template).format(**{name: _inner(name, text) for name, text in match.groupdict().items()})
    return cause


def cause_shown(connection: str, cause: str) -> str:
    """Why there is no connection, where that says more than the connection itself; '' where it does not. A sentence of the server's
    own never does: that something "was not saved" there is no word for whoever recorded it here."""
    return "" if connection in ("online", "sign_in_page") or cause.endswith(".") else cause_words(cause)


def why_words(reason: str, documents: Documents) -> str:
    """Why an entry does not stand, or came late: `cause_words`, with people by their names."""
    return who_came_first(reason, lambda person: name_of_person(documents, person)) or cause_words(reason)


def _inner(name: str, text: str) -> str:
    """What stands in a cause: another cause, or a status or a role by its word on the screens."""
    if name in ("why", "before"):
        return cause_words(text)
    if name == "role" and text in ROLES:
        return _(ROLES[text])
    if name == "skills":
        return skill_words(text.split(", "))
    return _(STATUS[text][1]) if name == "status" and text in STATUS else text
