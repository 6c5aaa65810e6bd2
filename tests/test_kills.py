"""SIGKILL at random moments of commands and of the server: what a command reported as saved is there, once.

Each command is a process of its own and prints `Saved` only when it is on the disk. The list of what was reported is the oracle.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.commands.conftest import no_settings_of_mine, prepared
from tests.commands.runs import ROOT, Device, ServerProcess, environment
from tests.commands.work import JOB

__all__ = ["no_settings_of_mine", "prepared"]

KILLS = 50
ALONE = 5
"""Of so many commands one is left alone."""
PATIENCE_S = 60.0
pytestmark = [pytest.mark.timeout(280), pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]


class Killed:
    """Runs commands of one home and kills them after a random while; remembers what was reported as saved.

    Now and then a command is left alone: a third more than it takes on this machine now is the longest that a later one gets.
    """

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.random = home, random.Random(seed)
        self.reported: list[str] = []
        self.tried = 0
        self.kills = 0
        self.longest = 0.0

    def note(self) -> None:
        """A remark nobody else makes; killed while it is being recorded, but for every fifth."""
        self.tried += 1
        alone, began = self.tried % ALONE == 1, time.monotonic()
        self.run("note", JOB, f"remark {self.tried}", "--json", longest=PATIENCE_S if alone else self.longest)
        if alone:
            self.longest = 1.35 * (time.monotonic() - began)

    def run(self, *words: str, longest: float) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "fieldapp", *words, "--home", str(self.home)],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            out, _ = process.communicate(timeout=longest if longest >= PATIENCE_S else self.random.uniform(0.15, 1) * longest)
        except subprocess.TimeoutExpired:
            process.kill()
            self.kills += 1
            out, _ = process.communicate()
        text = out.decode()
        if text.rstrip().endswith("}") and words[0] == "note":
            self.reported += json.loads(text)["saved"]


def recorded(device: Device) -> Counter[str]:
    """How often each remark is in the job's log."""
    lines = device("log", JOB, "--json").json
    return Counter(line["id"] for line in lines if line["type"] == "note.added")


def test_what_was_reported_as_saved_is_there_once(prepared: Path, tmp_path: Path) -> None:
    for name in ("server", "technician", "supervisor"):
        shutil.copytree(prepared / name, tmp_path / name)
    technician, supervisor = Device(tmp_path / "technician"), Device(tmp_path / "supervisor")
    with ServerProcess(tmp_path / "server") as server:
        for device in (technician, supervisor):
            device.use_server(server.url)
        lane = Killed(technician.home, seed=20261121)
        server_kills = 0
        while lane.kills + server_kills < KILLS:
            for _ in range(lane.random.randint(3, 5)):
                lane.note()
            if lane.random.random() < 0.65:
                lane.run("sync", longest=1.7 * lane.longest)
                continue
            # The server dies while a sync is under way.
            timer = threading.Timer(lane.random.uniform(0.3, 1.2) * lane.longest, server.kill)
            timer.start()
            lane.run("sync", longest=2.5 * lane.longest)
            timer.join()
            server_kills += 1
            server.start()
        assert technician("outbox", "--json").json["unsent"] >= 0
        here = recorded(technician)
        assert set(lane.reported) <= set(here)
        assert technician("sync", "--json").json["problem"] is None
        assert technician("outbox", "--json").json["safe_to_leave"]
        supervisor("sync").good()
        there = recorded(supervisor)
        assert there == recorded(technician) == here
        assert set(there.values()) == {1}
        assert len(lane.reported) >= 8
        assert server_kills >= 4
        log = supervisor("log", JOB, "--json").json
        assert {line["outcome"] for line in log} == {"applied"}
        texts = [line["body"]["text"] for line in log if line["type"] == "note.added"]
        assert len(texts) == len(set(texts)), "one action, one entry"
    for device in (technician, supervisor):
        assert device("doctor", "--offline").code == 0
