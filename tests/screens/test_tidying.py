"""Memory is tidied up in a pause, and never while somebody types."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest

from fieldapp.screens.tidying import PAUSE_S, Tidying
from tests.screens.conftest import FieldHome


class Ring:
    """Refers to itself: only a collection ends it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def ring() -> weakref.ref[Ring]:
    return weakref.ref(Ring())


def test_nothing_is_collected_while_somebody_types_and_everything_in_the_pause(ring: weakref.ref[Ring]) -> None:
    now = [100.0]
    tidying = Tidying(lambda: now[0])
    gc.disable()
    try:
        tidying.tick()
        assert ring() is not None  # nobody has pressed a key yet, so nothing has come together
        tidying.key()
        now[0] += PAUSE_S / 2
        tidying.tick()
        assert ring() is not None
        now[0] += PAUSE_S
        tidying.tick()
        assert ring() is None
    finally:
        gc.enable()


async def test_rules_parsed_once_follow_the_theme(field_home: Callable[[str], FieldHome]) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        dark = app.screen.styles.background
        app.action_theme()
        await pilot.pause()
        assert app.screen.styles.background != dark
        app.action_theme()
        app.action_theme()
        await pilot.pause()
        assert app.screen.styles.background == dark
