"""Hints: merged for slow listeners, passed on between processes."""

from __future__ import annotations

import asyncio
import queue
from pathlib import Path

import pytest

from fieldapp.server.answers import Refused
from fieldapp.server.events import PER_DEVICE, Hints
from fieldapp.server.relay import PostgresRelay


async def test_a_slow_listener_gets_the_newest_position_once() -> None:
    hints = Hints(most=5)
    subscription = hints.subscribe("dev-1", ("org", "north"))
    for pos in range(1, 1000):
        hints.publish({"north": pos, "south": pos})
    hints.publish({"north": 3})
    lines = subscription.lines({"org": 7}, lambda: True, 5)
    assert [await anext(lines), await anext(lines)] == [
        b'event: moved\ndata: {"log":"north","pos":999}\n\n',
        b'event: moved\ndata: {"log":"org","pos":7}\n\n',
    ]
    hints.close("dev-1")
    assert [line async for line in lines] == []


async def test_listeners_are_bounded_and_leave_room_when_they_go() -> None:
    hints = Hints(most=PER_DEVICE + 1)
    mine = [hints.subscribe("dev-1", ("org",)) for _ in range(PER_DEVICE)]
    with pytest.raises(Refused, match="Too many"):
        hints.subscribe("dev-1", ("org",))
    hints.subscribe("dev-2", ("org",))
    with pytest.raises(Refused, match="Too many"):
        hints.subscribe("dev-3", ("org",))
    hints.leave(mine[0])
    hints.subscribe("dev-3", ("org",))
    hints.close()
    with pytest.raises(Refused, match="about to stop"):
        hints.subscribe("dev-4", ("org",))


def test_a_listener_whose_loop_is_gone_harms_nobody() -> None:
    hints = Hints(most=5)

    async def listen() -> None:
        hints.subscribe("dev-1", ("org",))

    asyncio.run(listen())
    hints.publish({"org": 1})
    assert len(hints) == 1


@pytest.mark.postgres
def test_processes_on_one_postgresql_hint_one_another(postgres_url: str, tmp_path: Path) -> None:
    class Heard(Hints):
        """Keeps what it is told."""

        def __init__(self) -> None:
            super().__init__(most=1)
            self.heard: queue.Queue[dict[str, int]] = queue.Queue()

        def publish_here(self, moved: object) -> None:
            self.heard.put(dict(moved))  # type: ignore[call-overload]

    one, two = Heard(), Heard()
    relays = [PostgresRelay(postgres_url, hints) for hints in (one, two)]
    for relay in relays:
        relay.start()
        assert relay.wait_until_listening(10)
    one.publish({"north": 12})
    assert two.heard.get(timeout=10) == {"north": 12}
    for relay in relays:
        relay.stop()
    one.publish({"north": 13})
