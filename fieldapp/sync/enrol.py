"""Making this home a device of a person: a one-time code against an identity.

The answer may get lost on the way after the code was used. The nonce is on the disk before the server is asked, and the server
gives the same answer to the same code and nonce again: asking once more is always right.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.store.home import Home, Identity, write_durably
from fieldapp.sync import messages as m
from fieldapp.sync.addresses import checked_url
from fieldapp.sync.protocol import EnrolAnswer, EnrolRequest
from fieldapp.sync.transport import Timeouts, Transport

_HINT = "Nothing was changed here; the code can still be used."


class Attempt(msgspec.Struct, frozen=True):
    """An enrolment that was begun: the hash of address and code, the nonce it is asked with, and the device it made."""

    asked: str
    nonce: str
    device: str = ""


def enrol(
    url: str,
    code: str,
    home: Home,
    *,
    device_name: str,
    app_version: str = "",
    ca_file: str = "",
    proxy: str = "",
    timeouts: Timeouts | None = None,
    again: bool = False,
) -> Identity:
    """Enrol this home at a server. Done again with the code that worked, it changes nothing.

    Args:
        url: the server's address. code: the one-time code, in any writing. device_name: what the office calls this machine.
        again: also where this home is a device already that its server knows no more, or that cannot say any more who it is. It
            becomes a new device of the same person; everything recorded stays and is sent.

    Raises:
        Problem: `bad-url`, `plain-http`, `ca-file-unusable`; `already-enrolled`; `server-unreachable`, `sign-in-page`,
            `server-busy`, `no-secure-connection`, `not-a-server`; or the server's own reason (`enrol-code-unknown` ...).
    """
    url = checked_url(url)
    if len(code) > 200 or not code.isprintable():
        raise Problem("enrol-code-unknown", "This is not a one-time code.", f"Check each character. {_HINT}")
    attempt_file = home.path / "enrolling.json"
    asked = hashlib.sha256(f"{url} {''.join(code.split()).upper()}".encode("utf-8", "surrogatepass")).hexdigest()
    attempt = _attempt(home, asked)
    known = _known(home, again)
    if known is not None:
        if attempt is not None and known.url == url and (not again or attempt.device == known.device):
            return known
        if not again:
            raise Problem(
                "already-enrolled",
                f"This folder belongs to {known.name} at {known.url} already.",
                "Nothing was changed. For another person or server choose another folder with --home. If the server does not know "
                "this device any more, enrol it with a new code and --again.",
            )
    if attempt is None:
        attempt = Attempt(asked, secrets.token_hex(16))
        home.prepare()
        write_durably(attempt_file, msgspec.json.encode(attempt))
    transport = Transport(url, ca_file=ca_file, proxy=proxy, app_version=app_version, timeouts=timeouts)
    try:
        answer = transport.enrol(EnrolRequest(code, device_name, app_version, attempt.nonce))
    finally:
        transport.close()
    if not isinstance(answer, EnrolAnswer):
        raise _problem(url, answer)
    if known is not None and answer.person != known.person:
        raise Problem(
            "already-enrolled",
            f"This folder belongs to {known.name}; the code is for {answer.name}.",
            "Nothing was changed here. Ask for a code of the same person, or choose another folder with --home.",
        )
    identity = Identity(
        url=url, device=answer.device, code=answer.code, secret=answer.secret, person=answer.person, name=answer.name,
        role=answer.role, log=answer.log, logs=answer.logs, ca_file=ca_file,
    )  # fmt: skip
    home.save_identity(identity)
    write_durably(attempt_file, msgspec.json.encode(msgspec.structs.replace(attempt, device=identity.device)))
    return identity


def _known(home: Home, again: bool) -> Identity | None:
    try:
        return home.identity()
    except Problem as problem:
        if not again or problem.code != "identity-damaged":
            raise
        return None


def _attempt(home: Home, asked: str) -> Attempt | None:
    """The attempt with the same address and code, if there was one."""
    try:
        found = msgspec.json.decode((home.path / "enrolling.json").read_bytes(), type=Attempt)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.asked == asked else None


def _problem(url: str, answer: m.Refused | m.Fault) -> Problem:
    if isinstance(answer, m.Refused):
        if answer.status == 404:  # a Fieldapp server, asked in the wrong place
            return Problem(
                "not-a-server", f"The server has nothing at {url} that a device could ask.", f"Check the address. {_HINT}"
            )
        return Problem(answer.detail.code, answer.detail.detail or answer.detail.title, answer.detail.hint)
    words = f" ({answer.words})" if answer.words else ""
    match answer.kind:
        case "sign_in_page":
            hint = f"Open a browser, sign in to this network, then try again. {_HINT}"
            return Problem("sign-in-page", "A sign-in page answers instead of the server.", hint)
        case "insecure":
            return Problem("no-secure-connection", f"No secure connection to {url}: {answer.words}.", _HINT)
        case "busy" | "too_large":
            return Problem("server-busy", f"The server cannot answer now{words}.", f"Try again in a minute. {_HINT}")
        case "garbled" | "local":
            return Problem("not-a-server", f"What answers at {url} is not a Fieldapp server{words}.", f"Check the address. {_HINT}")
        case _:
            hint = f"Check the network and the address, then do the same again. {_HINT}"
            return Problem("server-unreachable", f"The server at {url} cannot be reached{words}.", hint)
