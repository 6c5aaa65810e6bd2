"""`python -m tests.sync.large_file [MEGABYTES]`: a large file over a real link whose rate changes from 2 kB/s to 20 MB/s and back,
that breaks off now and then, while facts are recorded. Prints how long each fact took to be settled, and what was sent twice."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from fieldapp.sync import messages as m
from fieldapp.sync.transport import Timeouts
from tests.live_server import serving
from tests.sync.homes import device_of, new_job, note
from tests.sync.link import link_to
from tests.sync.test_slow_links import attach, content, syncing, watched

PLAN = ((2_000, 40), (20_000, 20), (2_000_000, 15), (2_000, 40), (200_000, 20), (20_000_000, 3), (2_000, 40), (20_000_000, 600))
"""Bytes a second, and for how many seconds at most."""


def run(folder: Path, size: int) -> bool:
    """Whether the file arrived whole."""
    out = sys.stdout.write
    with serving(folder / "server") as server:
        server.people()
        with device_of(server, "tech-1", folder / "a") as device, link_to(server.port) as link:
            device.replica.append([new_job("1")])
            sha256 = attach(device, content(size))
            transport = watched(device, link.url, Timeouts())
            began = time.monotonic()
            with syncing(device, transport) as (loop, waiting):
                waiting.until(lambda: device.replica.counts().settled == 2, 60)
                out(f"{'bytes/s':>10} {'facts':>5} {'median s':>8} {'longest s':>9} {'file MB there':>13}\n")
                for rate, seconds in PLAN:
                    link.rate = rate
                    ends, took = time.monotonic() + seconds, list[float]()
                    while time.monotonic() < ends and device.replica.counts().files_waiting:
                        before, asked = device.replica.counts().settled, time.monotonic()
                        device.replica.append([note("1", f"at {rate} bytes a second")])
                        loop.hurry("saved")
                        waiting.until(lambda: device.replica.counts().settled > before, 180)  # noqa: B023
                        took.append(time.monotonic() - asked)
                    link.cut()
                    state = server.services.files.state(sha256)
                    there = size if state.complete else len(state.parts) * 2**20 + state.began
                    if took:
                        figures = f"{statistics.median(took):>8.2f} {max(took):>9.2f}"
                        out(f"{rate:>10,} {len(took):>5} {figures} {there / 1e6:>13.2f}\n")
                waiting.until(lambda: device.replica.counts().files_waiting == 0, 600)
            pieces = [request.length for request in transport.asked if isinstance(request, m.SendPart)]
            extra = link.up.carried - size
            sizes = f"{len(pieces)} pieces of {min(pieces):,} to {max(pieces):,} bytes"
            out(f"{size / 1e6:.0f} MB in {time.monotonic() - began:.0f} s, {sizes}; ")
            out(f"{extra:,} bytes besides the file ({extra / size:.2%}), facts included\n")
            return server.services.files.state(sha256).complete


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fieldapp-large-") as made:
        sys.exit(0 if run(Path(made), int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 200_000_000) else 1)
