"""Sync all day, in the background of the app: it runs by itself, others only ask it to hurry."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path

from fieldapp.domain.problem import Problem
from fieldapp.store.device import DeviceReplica
from fieldapp.sync.messages import Why
from fieldapp.sync.network import own_addresses
from fieldapp.sync.runner import Runner
from fieldapp.sync.status import SyncStatus
from fieldapp.sync.transport import Transport

log = logging.getLogger(__name__)

SILENCE_S = 40.0
"""Hints and heartbeats come every 15 s; after this the stream counts as dead."""
SPREAD_S = 120.0
"""After a stream that worked was closed by the other side, everybody else's was as well: come back spread over this."""
REOPEN_S = 300.0
NETWORK_S = 5.0
"""How often the way into the network is looked at."""
RESTART_S = 60.0
"""After a defect of ours the machines start afresh, this much later."""


class SyncLoop:
    """The sync of an app.

    Args:
        make_transport: called in the loop's own thread, so that starting costs the app nothing.
        publish: told each change of the status, from a thread of the loop. seal: as for Runner.
    """

    def __init__(
        self,
        replica: DeviceReplica,
        make_transport: Callable[[], Transport],
        *,
        files: Path | None = None,
        app_version: str = "",
        publish: Callable[[SyncStatus], None] = lambda status: None,
        seal: Callable[[], bool] = lambda: False,
    ) -> None:
        self._replica, self._make_transport, self._files, self._seal = replica, make_transport, files, seal
        self._app_version, self._publish = app_version, publish
        self._stopping = threading.Event()
        self._reopen = threading.Event()
        self._runner: Runner | None = None
        self._thread: threading.Thread | None = None
        self.status = SyncStatus()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End soon: a request in flight is left behind, it can be repeated."""
        self._stopping.set()
        self._reopen.set()
        if self._runner is not None:
            self._runner.wake()
        if self._thread is not None:
            self._thread.join(timeout)

    def hurry(self, why: Why = "asked") -> None:
        """`saved` after recording, `asked` when a person wishes it."""
        if self._runner is not None:
            self._runner.hurry(why)
        if why in ("asked", "network"):
            self._reopen.set()

    def _show(self, status: SyncStatus) -> None:
        self.status = status
        self._publish(status)

    def _run(self) -> None:
        try:
            transport = self._make_transport()
        except Problem as problem:  # an address or a certificate that cannot be used: a person has to mend it
            self._show(SyncStatus("offline", str(problem), slow=True))
            return
        for name, work in (("hints", self._listen), ("network", self._watch)):
            threading.Thread(target=work, args=(transport,), name=f"sync-{name}", daemon=True).start()
        try:
            while not self._stopping.is_set():
                try:
                    self._run_machines(transport)
                except Exception:  # a defect of ours: nothing is lost, the machines know nothing that the replica does not
                    log.exception("sync failed and starts afresh")
                    self._stopping.wait(RESTART_S)
        finally:
            transport.close()

    def _run_machines(self, transport: Transport) -> None:
        runner = Runner(
            self._replica, transport, files=self._files, app_version=self._app_version, publish=self._show, seal=self._seal
        )
        self._runner = runner
        try:
            runner.start()
            while not self._stopping.is_set():
                runner.turn()
        finally:
            runner.stop()

    def _listen(self, transport: Transport) -> None:
        """Hints are hints: whatever happens here, the log is read by the clock as well."""
        failures = 0
        while not self._stopping.is_set():
            if self.status.connection not in ("online", "upgrade"):
                self._stopping.wait(1.0)  # a person who asks, or another network, opens the stream anew once it is online
                continue
            try:
                with transport.listen(SILENCE_S) as hints:
                    self.hurry("hint")  # what moved before the stream stood open
                    failures = 0
                    for moved in hints:
                        if self._stopping.is_set():
                            return
                        if moved:
                            self.hurry("hint")
                wait = random.uniform(0, SPREAD_S)
            except TimeoutError:
                wait = random.uniform(0, 1)
            except ConnectionError as error:
                failures += 1
                later = error.args[1] if len(error.args) > 1 else None
                wait = later / 1000 if later is not None else random.uniform(1, min(REOPEN_S, 2.0**failures))
            except Exception:
                log.exception("hints failed")
                wait = REOPEN_S
            self._reopen.clear()
            if not self._stopping.is_set():
                self._reopen.wait(wait)

    def _watch(self, transport: Transport) -> None:
        before = own_addresses()
        while not self._stopping.wait(NETWORK_S):
            after = own_addresses()
            if after != before:
                before = after
                self.hurry("network")
