"""What went wrong, in the person's language: English says it as it was said; other languages say it by its code.

A problem's own words name the values concerned and are English. In another language its code gives the sentence, and what is named
in the English words (a number, a path, a limit, a known cause) follows in brackets where it says more.
"""

from __future__ import annotations

import re

from fieldapp.domain.problem import Problem
from fieldapp.language import _, language, later
from fieldapp.screens.cause_words import cause_words

BY_CODE = {
    "already-assigned": later("The job is assigned to that person already. Nothing was recorded."),
    "already-attached": later("The same file is attached there already."),
    "already-enrolled": later("This folder belongs to somebody already. Choose another one."),
    "ambiguous-step": later("This can mean several steps. Name one of them."),
    "asset-ambiguous": later("This can mean several assets. Name one of them."),
    "asset-unknown": later("There is no such asset here."),
    "bad-body": later("A record cannot be read by this version. It is kept, and the office sees it."),
    "bad-config": later("A setting of this device cannot be used. Ask whoever looks after it."),
    "bad-entry": later("A record is damaged or foreign. It is kept, and not applied."),
    "bad-expression": later("A rule of the procedure cannot be read. What was recorded is kept, unjudged."),
    "bad-json": later("What arrived cannot be read. Nothing was changed."),
    "bad-pin": later("This PIN is too short or too long. Nothing was changed."),
    "bad-reason": later("This is none of the reasons that can be given here. Nothing was recorded."),
    "bad-score": later("The score lies outside its scale. Nothing was recorded."),
    "bad-text": later("The text holds something that is no character. Type that part again."),
    "bad-url": later("This is not the address of a server. Check it."),
    "bad-value": later("This value cannot be recorded here. Nothing was recorded."),
    "bad-when": later("This is no date and time, or the end lies before the beginning."),
    "body-too-large": later("The text is too long. Shorten it, or attach it as a file."),
    "branch-unknown": later("There is no such branch."),
    "ca-file-unusable": later("The company's certificate file cannot be read. Ask whoever looks after it."),
    "completion-blocked": later("The job cannot be completed yet: something is still open."),
    "consent-needed": later("A signature is kept only with the signer's consent. Nothing was recorded."),
    "constraint": later("The value breaks a rule of the procedure. Nothing was recorded."),
    "customer-ambiguous": later("This can mean several customers. Name one of them."),
    "customer-elsewhere": later("The customer belongs to another branch."),
    "customer-has-open-jobs": later("The customer still has open jobs. Nothing was erased; close them first."),
    "customer-unknown": later("There is no such customer on this device."),
    "database-away": later("The database cannot be reached. What was saved is safe; try again."),
    "database-busy": later("Another program is writing. What was saved is safe; try again."),
    "database-damaged": later(
        "The data cannot be read. Unsent work is also in the second copy; ask for help and do not delete anything."
    ),
    "database-failed": later("This could not be saved. Nothing was half-written."),
    "database-foreign": later("The database file is not one of Fieldapp. Nothing was changed."),
    "database-made-anew": later(
        "The database was missing or could not be read; a new one was made from the second copy. Jobs come back with the next sync."
    ),
    "database-missing": later("There is no data on this device yet."),
    "database-newer": later("The data was written by a newer version. Install that one; nothing was changed."),
    "database-no-file": later(
        "Something else lies where the database has to be. Nothing was deleted; move it away, then start again."
    ),
    "desk-ambiguous": later("This can mean several records. Give more of the id."),
    "desk-cannot-stand": later("The record cannot stand as things are. Nothing was recorded; change what is in its way first."),
    "desk-decided": later("This was decided here already; the decision is on its way. Nothing was recorded twice."),
    "desk-no-conflict": later("The record is not in conflict. Release it, or dismiss it with a reason."),
    "desk-no-side": later("This names no side of the conflict."),
    "desk-no-step": later("The conflict is not about the result of one step. Choose a side instead."),
    "desk-stands": later("This came late, and it stands: there is nothing to decide."),
    "desk-unknown": later("Nothing at the desk has this id."),
    "device-sealed": later(
        "This device was revoked by the office: what was recorded here was handed over, and the data on it was removed."
    ),
    "device-revoked": later("The office took this device out of service. What was not sent is handed over once."),
    "device-unknown": later("There is no such device."),
    "disk-full": later("The disk is full: this was not saved. Everything before is safe. Make room and save again."),
    "enrol-code-expired": later("This code has expired. Ask the office for a new one."),
    "enrol-code-unknown": later("This code is not known at that server. Check each character, or ask for a new one."),
    "enrol-code-used": later("This code was used already. Ask the office for a new one."),
    "expression-too-heavy": later("A rule of the procedure takes too long to work out. The value is kept, unjudged."),
    "export-unreadable": later("The file is no export of unsent work, or cannot be read. Nothing was changed."),
    "extra-missing": later(
        "A part of the program is not installed on this device. Nothing recorded is lost; ask whoever looks after it."
    ),
    "file-ambiguous": later("Several missing files have this name."),
    "file-damaged": later("A stored file is damaged on this disk. Nothing recorded is lost."),
    "file-exists": later("There is a file of that name already. Nothing was written; give another name."),
    "file-missing": later("The file is not on this device yet."),
    "file-not-lost": later("No such file is missing on this device any more."),
    "file-too-large": later("The file is too large. It was not attached."),
    "file-unknown": later("The server does not have the file."),
    "file-empty": later("The file is empty. It was not attached; take the photo or save the file again."),
    "file-unusable": later("The file cannot be attached: it is not there or cannot be read. Nothing was recorded."),
    "file-unwritable": later("The file cannot be written there. Nothing was lost; choose another place."),
    "group-too-large": later("This is too much for one action. Nothing was saved; record it in parts."),
    "home-locked": later("This device's data is in use by another program. Finish there first; nothing was changed."),
    "home-unusable": later("The folder cannot be used. Choose another one."),
    "identity-damaged": later(
        "The file that says who this device is cannot be read. Unsent work is safe; ask the office for a new code."
    ),
    "job-ambiguous": later("Several jobs have that number."),
    "job-unknown": later("There is no such job on this device. Sync fetches new ones."),
    "journal-damaged": later(
        "Lines of the second copy are damaged, and what only they held is lost here. "
        "All other work is safe; show this to the office."
    ),
    "journal-failed": later("Saved, but the second copy could not be written. Make room on the disk."),
    "no-secure-connection": later("There is no secure connection to the server. Nothing was sent."),
    "not-a-server": later("What answers there is not a Fieldapp server. Check the address."),
    "not-enrolled": later("This folder is not a device yet. Ask the office for a one-time code."),
    "not-now": later("The job's state does not allow this now."),
    "not-your-role": later("Somebody in another role does this. Nothing was recorded."),
    "note-needed": later("This decision needs a note."),
    "nothing-given": later("Nothing was given. Nothing was recorded."),
    "nothing-to-amend": later("This step has no result yet."),
    "person-ambiguous": later("This can mean several people. Name one of them."),
    "person-elsewhere": later("That person belongs to another branch, or does not work on jobs."),
    "person-unknown": later("There is no such person."),
    "plain-http": later("The address would send everything readable over the network. Use https://."),
    "procedure-missing": later("The job's procedure has not arrived yet. Sync first; what was recorded is safe."),
    "procedure-unknown": later("There is no such procedure on this device."),
    "quarantine-full": later("The server takes no more unreadable records from this device. Tell the office."),
    "reason-needed": later("This needs a reason. Nothing was recorded."),
    "receipt-foreign": later("The server acknowledged something this device did not write. Nothing is marked as sent."),
    "review-open": later("The job has open points. Send it back, or approve it with a note."),
    "search-incomplete": later("What is new cannot be found by searching yet. Nothing is lost; make room on the disk."),
    "secret-unknown": later(
        "The server does not know this device. Work on, everything is saved here; ask the office for a new code."
    ),
    "server-busy": later("The server cannot answer now. Try again in a minute; nothing was changed."),
    "server-stopping": later("The server is being stopped. Try again in a minute; nothing was changed."),
    "server-unreachable": later("The server cannot be reached. Check network and address; the code can still be used."),
    "service-ambiguous": later("This can mean several services. Name one of them."),
    "service-unknown": later("There is no such service on this device."),
    "shown-made-anew": later("What is shown could not be read and was made anew. Nothing is lost."),
    "sign-in-page": later("A sign-in page answers instead of the server. Open a browser and sign in to this network."),
    "site-ambiguous": later("This can mean several sites. Name one of them."),
    "site-needed": later("The customer has several sites. Say which one is meant."),
    "site-unknown": later("The customer has no such site."),
    "step-not-recorded": later("Nothing is entered at this step."),
    "step-not-relevant": later("The step does not apply as things stand. Nothing was recorded."),
    "steps-needed": later("Mark at least one step to send back."),
    "storage-full": later("The server has no room for files. Facts are still taken; the file stays here."),
    "sync-failed": later("Sync stopped because of a mistake of the program. Everything recorded is safe; try again."),
    "too-many-tries": later("Too many wrong codes. Wait some minutes, then try again."),
    "unexpected": later("Something unexpected went wrong. What was saved is safe; the log file has the details."),
    "unknown-step": later("The job has no such step."),
    "upgrade-needed": later("The server wants a newer version of Fieldapp. What is recorded is still sent."),
    "wrong-hash": later("What arrived is not the file that was announced. It is fetched again."),
}
"""Every code that a person can meet on a screen; a test holds it against docs/errors.md."""
_NAMED = re.compile(r"[A-Z]{1,6}-?\d[\w-]*|https?://\S+|(?<=')[^']+(?=')|`[^`]+`|/\S+|-?\d+(?:\.\d+)*")
_CAUSES = re.compile(r"\((.+)\)|: (.+)")
"""Where a message names its cause, in brackets or after a colon."""


def problem_words(problem: Problem) -> str:
    """Message and hint as one text. Still foreign text: show it through `safe_text`."""
    own = " ".join(part for part in (problem.message, problem.hint) if part)
    known = BY_CODE.get(problem.code)
    if language() == "en":
        return own
    exact = " ".join(_(part) for part in (problem.message, problem.hint) if part)
    if exact != own:
        return exact
    if known is None:
        return own
    causes = [match.group(1) or match.group(2) for match in _CAUSES.finditer(problem.message.rstrip("."))]
    told = {cause: words for cause in causes if (words := cause_words(cause)) != cause}
    rest = problem.message
    for cause in told:
        rest = rest.replace(cause, "")
    named = [*dict.fromkeys(match.group().rstrip(".,;:") for match in _NAMED.finditer(rest)), *told.values()]
    return _(known) + (_(" ({named})").format(named=", ".join(named)) if named else "")
