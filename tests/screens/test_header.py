"""The first line of every screen says when this device was last in step, also after a restart without a network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fieldapp.sync.status import SyncStatus
from tests.screens.conftest import NOW_MS, FieldHome
from tests.screens.until import shown, until

MINUTE_MS, DAY_MS = 60_000, 86_400_000


@pytest.mark.parametrize(
    ("ago", "words"),
    [(12 * MINUTE_MS, "synced 09:30  09:42"), (DAY_MS, "synced 11-19 09:42  09:42")],
    ids=["today", "yesterday"],
)
async def test_after_an_offline_restart_the_time_of_the_last_contact_stands(
    field_home: Callable[[str], FieldHome], ago: int, words: str
) -> None:
    home = field_home("tech-anna")
    with home.services() as device:
        device.replica.set_settings(last_contact=str(NOW_MS - ago))
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: words in shown(app).splitlines()[0])
        app._heard(SyncStatus("offline", "127.0.0.1 does not answer", since=NOW_MS))
        await until(pilot, lambda: "offline 0 min" in shown(app).splitlines()[0])
        assert words in shown(app).splitlines()[0]
        app._heard(SyncStatus("online", synced=NOW_MS - MINUTE_MS))
        await until(pilot, lambda: "synced 09:41" in shown(app).splitlines()[0])
