"""What the screens work with: reading at once by the light road, writing by one thread that is warmed after the first frame.

Nothing heavy is imported here at module level: SQLAlchemy and httpx load in the writer's thread when it opens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from fieldapp.store.home import Home, Identity
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.reader import Reader

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.domain.problem import Problem
    from fieldapp.store.queries.review import ReviewQueue
    from fieldapp.store.queries.search import SearchIndex

ResultT = TypeVar("ResultT")
CLOSE_S = 10.0
"""So long the screen stays for what is still being written when the app is left; it is written in any case."""
KEPT_LANGUAGE, KEPT_THEME = "screen_language", "screen_theme"
"""Settings of the home: the language and the colours chosen on a screen."""
LAST_CONTACT = "last_contact"
"""Setting of the home that the sync loop writes: when the server answered last, milliseconds UTC."""


class Session:
    """One enrolled home, opened by one running app.

    Args:
        home: the device's folder. identity: who uses it.
    """

    def __init__(self, home: Home, identity: Identity) -> None:
        self.home, self.identity = home, identity
        self.reader = Reader(home.database_file)
        self.documents = Documents(self.reader, home.files)
        self.typed: dict[tuple[str, str, int], str] = {}
        """Drafts on their way to the disk, by job, step and version: whoever comes back before they are there finds them too."""
        self.left: dict[str, dict[str, Any]] = {}
        """What stood in windows that were left after their answer was refused, by what they ask about: until it can be recorded."""
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fieldapp-writer")
        self.closed = False
        self.notices: list[Problem] = []
        """What the opening found and nobody has been told yet."""
        self.made_anew = False
        """The opening has put another database into the place of the one that was read until then: `read_anew` goes over to it."""
        self._services: DeviceServices | None = None
        self._close: Callable[[], None] = lambda: None

    @cached_property
    def review(self) -> ReviewQueue:
        """What waits for a review: kept, so that looking again costs what has changed."""
        from fieldapp.store.queries.review import ReviewQueue

        return ReviewQueue()

    @cached_property
    def search(self) -> SearchIndex:
        """What finds jobs by their words; its file is opened when somebody searches first."""
        from fieldapp.store.queries.search import SearchIndex

        return SearchIndex(self.home.database_file, self.home.files)

    def read_ahead(self, now_ms: int) -> None:
        """Work the queue of reviews out before somebody waits for it. For a thread of its own."""
        reader = Reader(self.reader.path)
        try:
            self.review.read(reader, now_ms)
        finally:
            reader.close()

    def kept(self, name: str) -> str:
        """A setting of this home (KEPT_LANGUAGE, KEPT_THEME, LAST_CONTACT); '' where it was never set."""
        row = self.reader.row("SELECT value FROM settings WHERE name = ?", (name,))
        return str(row["value"]) if row else ""

    async def write(self, action: Callable[[DeviceServices], ResultT]) -> ResultT:
        """Run something that writes, in the one writing thread, in the order asked for.

        Raises:
            Problem: whatever the action refuses; `home-locked` where another program holds the home.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, lambda: action(self._open()))

    def later(self, action: Callable[[DeviceServices], ResultT]) -> Future[ResultT]:
        """Put something that writes at the end of the queue; nobody waits for it. It is done even if the app ends now."""
        return self._writer.submit(lambda: action(self._open()))

    async def open(self) -> None:
        """Import and open what writing needs, off the screen's thread."""
        await self.write(lambda services: None)

    def _open(self) -> DeviceServices:
        if self._services is None:
            from contextlib import ExitStack

            from fieldapp.bootstrap import open_device

            stack = ExitStack()
            self._services = stack.enter_context(open_device(self.home, what="fieldapp"))
            self._close = stack.close
            self.notices += self._services.notices
            self.made_anew = self._services.made_anew is not None
        return self._services

    def read_anew(self) -> None:
        """Read what lies in the database's place now, and nothing from memory."""
        self.made_anew = False
        self.reader.close()
        self.documents = Documents(self.reader, self.home.files)
        self.__dict__.pop("review", None)
        if "search" in self.__dict__:
            self.__dict__.pop("search").close()

    def close(self) -> None:
        """Finish what is being written and let the home go; once."""
        if self.closed:
            return
        self.closed = True
        closing = self._writer.submit(lambda: self._close())  # which it is, an opening under way decides
        with suppress(TimeoutError):  # a large file that is being copied: the program ends, and lets the home go, once that is done
            closing.result(timeout=CLOSE_S)
        self._writer.shutdown(wait=False)
        if "search" in self.__dict__:
            self.search.close()
        self.reader.close()
