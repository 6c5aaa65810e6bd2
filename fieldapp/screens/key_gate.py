"""What is typed while a screen is changing goes to the place it was meant for, and a scanner's burst never fires actions.

Keys are looked at before anything else sees them, one at a time: what comes while one is on its way (key_path.py) waits in order.
While a step is being recorded they wait for the next step's field; while an answer is, for what comes after its window.
After the scanner's prefix, or after `/` where nothing is typed, they are taken for a code until Enter or a pause longer than any
scanner's.
"""

from __future__ import annotations

from collections.abc import Callable

from textual import events

PAUSE_S = 0.1
"""A scanner sends its keys milliseconds apart; a person pauses longer."""
BURST_S = 0.025
"""A hand takes longer between two keys, and so does a held key. A letter that acts waits so long for a second one."""
BURST_KEYS = 3
"""So many keys in a burst are a scanner; two may be a hand rolling over the keyboard."""
_REPEATED = frozenset("jk")
"""Held down, these move the cursor."""
HELD_S = 2.0
"""Keys are held no longer, unless whoever holds them says so."""
_ENDS = frozenset({"enter", "tab", "ctrl+j"})
"""What a scanner sends after a code."""
_LET_THROUGH = frozenset({"ctrl+q", "ctrl+c"})


class KeyGate:
    """One for the whole app.

    Args:
        prefix: what the scanner sends before a code: one character or the name of a key; '' for none.
        after: calls back after so many seconds. scanned: takes a code. released: takes a key that had to wait and goes now.
        slash: whether `/` begins a code now; `begun` is called where it turned out to be typed by hand.
        acting: whether letters are actions now.
    """

    def __init__(
        self,
        *,
        prefix: str,
        after: Callable[[float, Callable[[], None]], object],
        scanned: Callable[[str], None],
        released: Callable[[list[events.Key]], None],
        slash: Callable[[], bool],
        begun: Callable[[], None],
        acting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._prefix, self._after, self._scanned, self._released = prefix, after, scanned, released
        self._slash, self._begun, self._acting = slash, begun, acting
        self._burst: list[events.Key] = []
        self._held: list[events.Key] | None = None
        self._code: list[events.Key] | None = None
        self._arrived: list[events.Key] = []
        self._line: list[events.Key] = []
        self._first: events.Key | None = None
        self.going: events.Key | None = None
        """The key that is on its way."""
        self._by_slash = False
        self._turn = 0

    def takes(self, event: events.Key) -> bool:
        """Whether the key was taken; otherwise it goes where keys go, and the caller says `passed()` when it has."""
        if event is self._first:
            self._first = None
            return False
        if event.key in _LET_THROUGH:
            return False
        if self.going is not None or self._line:
            self._arrived.append(event)
            return True
        if self._kept(event):
            return True
        self.going = event
        return False

    def passed(self) -> None:
        """The key that was let go has been everywhere."""
        self.going = None
        self._next()

    def lost(self, key: events.Key) -> None:
        """The key that was let go came to nobody: what it was for was taken away. It goes first, to what is there now."""
        self._line.insert(0, events.Key(key.key, key.character))
        self.passed()

    def _next(self) -> None:
        """Let the next key go, or see what those are that came meanwhile."""
        while self.going is None:
            if self._held is not None:
                self._held += self._line + self._arrived
                self._line, self._arrived = [], []
                return
            if self._line:
                self.going = self._first = self._line.pop(0)
                self._released([self._first])
                return
            if not self._arrived:
                return
            key = self._arrived.pop(0)
            if not self._kept(key):
                self._line.append(key)

    def _kept(self, event: events.Key) -> bool:
        """Whether a key does not go on its way now: it belongs to a code, or may, or what it is for is not there yet."""
        if self._code is not None:
            self._collect(event)
            return True
        if self._held is not None:
            self._held.append(event)
            return True
        if self._burst:
            self._follow(event)
            return True
        by_prefix = bool(self._prefix) and self._prefix in (event.key, event.character)
        if by_prefix or (event.character == "/" and self._slash()):
            self._code, self._by_slash = [], not by_prefix
            self._wait()
            return True
        if event.is_printable and self._acting():
            self._burst = [event]
            self._wait(BURST_S, self._unfollowed)
            return True
        return False

    def _follow(self, event: events.Key) -> None:
        """A key after one that waits to see whether it is alone."""
        keys = [*self._burst, event]
        self._burst = []
        self._turn += 1
        fast = event.time - keys[-2].time < BURST_S
        repeated = len({key.character for key in keys}) == 1 and keys[0].character in _REPEATED
        if not fast or repeated or not (event.is_printable or event.key in _ENDS):
            self._send(keys)
        elif event.key in _ENDS:
            self._code = keys[:-1]
            if len(keys) >= BURST_KEYS:
                self._deliver()
            else:
                self._code = None
                self._send(keys)
        elif len(keys) >= BURST_KEYS:
            self._code, self._by_slash = keys, False
            self._wait()
        else:
            self._burst = keys
            self._wait(BURST_S, self._unfollowed)

    def _unfollowed(self) -> None:
        keys, self._burst = self._burst, []
        if keys:
            self._send(keys)

    def hold(self, longest: float = HELD_S) -> None:
        """Keep what is typed from now on until `release`, or so many seconds."""
        if self._held is None:
            self._held = []
            self._turn += 1
            turn = self._turn
            self._after(longest, lambda: self.release() if turn == self._turn else None)

    def release(self) -> None:
        """Hand on what was typed meanwhile."""
        if self._held is None:
            return
        held, self._held = self._held, None
        self._turn += 1
        if held:
            self._send(held)

    def forget(self) -> None:
        """What was typed before a question was there is no answer to it."""
        self._line, self._arrived, self._burst = [], [], []
        if self._held is not None:
            self._held = []

    def _send(self, keys: list[events.Key]) -> None:
        """Hand keys on, one by one; what is typed before they have all gone by waits behind them."""
        self._line += [events.Key(key.key, key.character) for key in keys]
        self._next()

    def _collect(self, event: events.Key) -> None:
        assert self._code is not None
        if event.key in _ENDS:
            self._deliver()
        elif event.is_printable:
            self._code.append(event)
            self._wait()
        else:
            keys = [*self._code, event]
            self._code = None
            self._turn += 1
            self._send(keys)

    def _deliver(self) -> None:
        code = "".join(key.character or "" for key in self._code or ())
        self._code = None
        self._turn += 1
        if code:
            self._scanned(code)

    def _wait(self, seconds: float = PAUSE_S, over: Callable[[], None] | None = None) -> None:
        self._turn += 1
        turn, then = self._turn, over or self._paused
        self._after(seconds, lambda: then() if turn == self._turn else None)

    def _paused(self) -> None:
        """Nothing came for a while: a scanner that sends no Enter, or a person who typed `/`."""
        if self._code is None:
            return
        if not self._by_slash or len(self._code) > 3:
            self._deliver()
            return
        keys, self._code = self._code, None
        self.hold()
        if self._held is not None:
            self._held += keys
        self._begun()
