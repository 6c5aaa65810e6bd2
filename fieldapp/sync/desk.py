"""What only the server knows of what is not as it should be: asked for when the office looks, kept for when there is no network."""

from __future__ import annotations

import secrets

from fieldapp.store.home import Home, Identity
from fieldapp.sync import messages as m
from fieldapp.sync.asked import Asked, keep_desk, kept_desk
from fieldapp.sync.once import Settings
from fieldapp.sync.protocol import DeskAnswer, TokenAnswer
from fieldapp.sync.transport import Timeouts, Transport
from fieldapp.version import version

PATIENCE = Timeouts(connect=4, read=8, total=12)
"""Seconds: somebody is waiting for it."""


def ask_desk(home: Home, identity: Identity, settings: Settings, token: str, url: str = "") -> Asked:
    """Ask the server; where it cannot be reached, what it said last. Waits for the network: never on the screen's thread.

    Args:
        token: a token that may have run out; then another one is asked for and used for this once.
        url: where the server is reached, where that is not the address the device was enrolled at.
    """
    held = [token]
    transport = Transport(
        url or identity.url, device=identity.device, secret=identity.secret, token=lambda: held[0],
        ca_file=settings.ca_file or identity.ca_file, proxy=settings.proxy, app_version=version(), timeouts=PATIENCE,
    )  # fmt: skip
    try:
        found = transport.desk()
        if isinstance(found, m.Refused) and found.status == 401:
            renewed = transport.ask(m.AskToken(secrets.token_urlsafe(12)))
            if isinstance(renewed, m.Good) and isinstance(renewed.body, TokenAnswer):
                held[0] = renewed.body.token
                found = transport.desk()
    finally:
        transport.close()
    if isinstance(found, DeskAnswer):
        keep_desk(home, found)
        return Asked(found)
    words = found.words if isinstance(found, m.Fault) else found.detail.detail or found.detail.title
    return Asked(kept_desk(home), words)
