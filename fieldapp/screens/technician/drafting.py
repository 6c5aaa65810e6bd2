"""Half-typed text goes to disk while it is typed: within a third of a second, whoever pulls the plug."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from textual.timer import Timer

from fieldapp.domain.problem import RecordedAnyway
from fieldapp.store.queries.drafts import draft_of

if TYPE_CHECKING:
    from textual.screen import Screen

    from fieldapp.bootstrap import DeviceServices
    from fieldapp.screens.app import FieldApp

DELAY_S = 0.3
"""From the first unsaved key to the write; further keys do not put it off."""


class DraftKeeper:
    """Keeps what is typed in the fields of one job's screen.

    Args:
        screen: whose timer and app are used. job: stream.
    """

    def __init__(self, screen: Screen[Any], app: FieldApp, job: str) -> None:
        self._screen, self._app, self._job = screen, app, job
        self._waiting: tuple[str, int, str] | None = None
        self._timer: Timer | None = None

    def read(self, step: str, version: int) -> str | None:
        """What was typed into this field and never recorded, on the disk or still on its way there."""
        typed = self._app.session.typed.get((self._job, step, version))
        if typed is not None:
            return typed or None
        return draft_of(self._app.session.reader, self._job, step, version)

    def typed(self, step: str, version: int, text: str) -> None:
        """The field holds this now."""
        if self._waiting is not None and self._waiting[:2] != (step, version):
            self.flush()
        self._waiting = (step, version, text)
        if self._timer is None:
            self._timer = self._screen.set_timer(DELAY_S, self.flush)

    def flush(self) -> None:
        """Write what waits, now."""
        waiting = self.drop()
        if waiting is not None:
            self._keep(*waiting)

    def drop(self) -> tuple[str, int, str] | None:
        """Forget what waits: it is about to be recorded."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        waiting, self._waiting = self._waiting, None
        return waiting

    @contextmanager
    def recording(self, step: str, version: int) -> Iterator[None]:
        """For the writing thread, around what records the field: in the same transaction its draft goes."""
        from fieldapp.store.drafts import recording  # the writing side, which no screen loads to draw itself

        job, typed = self._job, self._app.session.typed
        try:
            with recording(job, step, version):
                yield
        except RecordedAnyway:
            typed.pop((job, step, version), None)
            raise
        typed.pop((job, step, version), None)

    def forget(self, step: str, version: int) -> None:
        """The field has no draft any more."""
        self.drop()
        self._keep(step, version, "")

    def _keep(self, step: str, version: int, text: str) -> None:
        """Write it behind whatever else is being written; no text is no draft."""
        job, at, typed = self._job, self._app.now(), self._app.session.typed
        typed[job, step, version] = text

        def write(services: DeviceServices) -> None:
            if text:
                services.drafts.save(job, step, version, text, at)
            else:
                services.drafts.forget(job, step, version)
            if typed.get((job, step, version)) is text:  # else more was typed meanwhile
                del typed[job, step, version]

        self._app.keep(write)
