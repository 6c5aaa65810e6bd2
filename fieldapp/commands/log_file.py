"""What the sync writes down while a command runs it: a file in the home, never lines between the command's own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler

from fieldapp.store.home import Home

_BYTES, _FILES = 1_000_000, 3


class _Kept(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk: the command says itself what it has to say."""


@contextmanager
def log_kept(home: Home) -> Iterator[None]:
    """Mistakes of the program go to `logs/sync.log` of the home meanwhile, and nothing to stderr, which scripts read: what there is
    to say of the network the command says itself, and of a sealed device nothing stays here."""
    logger = logging.getLogger("fieldapp")
    handler = _Kept(
        home.logs / "sync.log", maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8", errors="replace", delay=True
    )  # fmt: skip
    handler.setLevel(logging.ERROR)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
