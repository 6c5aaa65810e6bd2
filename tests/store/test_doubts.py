"""Whatever leaves in whatever pages: nothing goes at one word when it is more than half of at least five."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldapp.domain.entry import Moment
from fieldapp.store.database import Database
from fieldapp.store.device import DeviceReplica
from fieldapp.store.doubts import DOUBT_MS, is_due, too_many
from fieldapp.store.home import Identity
from fieldapp.store.journal import Journal
from fieldapp.store.migrations import migrate_device
from fieldapp.store.rows import Page
from fieldapp.store.tables import DoubtRow, ScopeRow
from tests.store.pens import START_MS, everything, uuid

LOG = "b1"
IDENTITY = Identity("http://x", "d-1", "A1", "s", "p-1", "Ann", "technician", LOG, ("org", LOG))


class Clock:
    def __init__(self) -> None:
        self.at = START_MS

    def now(self) -> int:
        return self.at

    def moment(self) -> Moment:
        return Moment(self.at)


class Server:
    """Who holds what, as far as it matters here; it answers as the feed does."""

    def __init__(self, streams: set[str]) -> None:
        self.held = streams

    def asked(self, backfills: tuple[tuple[str, str, int, int], ...]) -> Page:
        gone = tuple((log, stream) for log, stream, _, _ in backfills if stream not in self.held)
        return Page(removed=gone, backfilled=tuple((stream, upto, True) for _, stream, _, upto in backfills))


names = st.integers(0, 11).map(lambda number: f"asset:{number}")
steps = st.lists(
    st.tuples(st.sampled_from(["leave", "come", "slip", "wait", "jump back", "restart"]), st.sets(names, min_size=1)), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(held=st.sets(names, min_size=1), steps=steps)
def test_much_leaves_only_at_the_second_word(held: set[str], steps: list[tuple[str, set[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, clock, server = Path(folder), Clock(), Server(set(held))
        db = Database(f"sqlite:///{path / 'device.db'}")
        migrate_device(db)
        journal = Journal(path / "journal.jsonl")

        def opened() -> DeviceReplica:
            return DeviceReplica(db, journal, IDENTITY, clock, uuid)

        device = opened()

        def holds() -> set[str]:
            return {row["stream"] for row in everything(db, ScopeRow)}

        def added(streams: set[str]) -> Page:
            return Page(cursors={LOG: "9:"}, added=tuple((LOG, stream, 9) for stream in sorted(streams)))

        device.receive(added(held))
        device.receive(Page(backfilled=tuple((stream, 9, True) for stream in sorted(held))))
        for what, streams in steps:
            before, doubted = holds(), {row["stream"] for row in everything(db, DoubtRow)}
            named = streams & before
            if what in ("leave", "slip"):
                if what == "leave":
                    server.held -= streams
                device.receive(Page(removed=tuple((LOG, stream) for stream in sorted(named))))
                fresh = named - doubted
                due = {row["stream"] for row in everything(db, DoubtRow)}
                if too_many(len(fresh) + len(doubted - named), len(before)):
                    assert fresh <= holds()
                    assert fresh <= due
                elif not doubted:
                    assert holds() == before - named
                assert holds() >= before - named
            elif what == "come":
                server.held |= streams
                device.receive(added(streams))
                device.receive(server.asked(device.backfills(100)))
                assert streams <= holds()
            elif what == "restart":
                device = opened()
                assert holds() == before
            else:
                clock.at += DOUBT_MS if what == "wait" else -400 * 86_400_000
                asked = device.doubted(100)
                assert {stream for _, stream, _, _ in asked} == doubted
                device.receive(server.asked(asked))
                assert holds() == before - (doubted - server.held)
                assert everything(db, DoubtRow) == []
        journal.close()
        db.close()


def test_few_streams_and_the_smaller_half_go_at_once() -> None:
    assert not too_many(4, 4)
    assert not too_many(2, 5)
    assert too_many(3, 5)
    assert not too_many(3, 6)
    assert too_many(4, 6)


def test_the_second_word_is_asked_for_after_a_minute_whatever_the_clock_does() -> None:
    assert not is_due(1000, 1000)
    assert not is_due(1000, 1000 + DOUBT_MS - 1)
    assert is_due(1000, 1000 + DOUBT_MS)
    assert is_due(1000, 999)
