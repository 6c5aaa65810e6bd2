"""The processes of a storm. Each is forked from one that has imported everything: a life of a second is a second of work."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from fieldapp.bootstrap import open_device
from fieldapp.domain.entry_types.steps import FileAttached, NoteAdded
from fieldapp.server.serve import Server
from fieldapp.server.services import open_server
from fieldapp.server.settings import ServerSettings
from fieldapp.settings import DeviceSettings
from fieldapp.store.evidence import take_in
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft
from fieldapp.sync.once import sync_loop

FILE_BYTES = 60_000


def work(home: str, log: str, jobs: tuple[str, ...], said: str, ends: str, seed: int) -> None:
    """A technician's app without its screens: records all the time and keeps in step with the server; killed by its parent.

    Args:
        said: file to which the id of each entry is written once it was reported as saved. ends: while this file is there, nothing
        new is recorded; when all is sent and heard of, the process ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    chance = random.Random(seed)
    out = os.open(said, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    place = Home(Path(home))
    with open_device(place, "storm") as device:
        loop = sync_loop(device, DeviceSettings({}), lambda status: None)
        try:
            while True:
                if Path(ends).exists():
                    counts = device.replica.counts()
                    if counts.safe_to_leave and not counts.received and loop.status.connection == "online":
                        return
                    time.sleep(0.05)
                    continue
                job = chance.choice(jobs)
                drafts = [Draft(log, job, NoteAdded(f"{seed} {number}")) for number in range(chance.choice((1, 1, 1, 2, 7)))]
                if chance.random() < 0.1:
                    photo = place.inbox / f"{seed}-{chance.random()}.jpg"
                    photo.write_bytes(b"\xff\xd8\xff" + chance.randbytes(chance.randrange(1, FILE_BYTES)))
                    taken = take_in(place, photo)
                    drafts.append(Draft(log, job, FileAttached(taken.sha256, taken.size, taken.name), files=(taken,)))
                saved = device.replica.append(drafts)
                os.write(out, "".join(f"{name}\n" for name in saved.entries).encode())
                loop.hurry("saved")
                time.sleep(chance.uniform(0, 0.12))
        finally:
            loop.stop()


def serve(home: str, port: int) -> None:
    """The server, killed by its parent."""
    settings = ServerSettings(home=Path(home), port=port, reserve_bytes=0)
    services = open_server(settings)
    services.start_relay()
    Server(services, port=port, on_ready=lambda _: None).run()
