"""A full disk, met by commands as people run them: one sentence, nothing half-written, and work goes on when there is room."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.commands.runs import ROOT, Device
from tests.commands.work import JOB

SMALL = 8_000
"""Bytes to which files may grow: less than one commit needs, and less than opening the database does."""


def on_a_full_disk(device: Device, *words: str, size: int = SMALL) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fieldapp", *words, "--home", str(device.home)],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
    )  # fmt: skip


@pytest.mark.parametrize("size", [SMALL, 40_000])
def test_recording_on_a_full_disk_says_so_and_works_again_with_room(technician: Device, size: int) -> None:
    technician("do", JOB, "accept").good()
    before = technician("log", JOB, "--json").json
    full = on_a_full_disk(technician, "note", JOB, "x" * 40_000, size=size)
    assert full.returncode == 1, full.stdout + full.stderr
    assert "The disk is full" in full.stderr
    assert "this was not saved" in full.stderr
    assert "Traceback" not in full.stderr + full.stdout
    assert technician("log", JOB, "--json").json == before
    assert list((technician.home / "data").glob("damaged-*")) == [], "a full disk is no damage"
    technician("note", JOB, "room again").good()
    assert len(technician("log", JOB, "--json").json) == len(before) + 1
    assert "All is whole" in technician("verify").good().out


def test_reading_on_a_full_disk_is_no_damage(technician: Device) -> None:
    assert not (technician.home / "data" / "fieldapp.db-shm").exists(), "what has to be made for reading"
    full = on_a_full_disk(technician, "jobs")
    assert full.returncode == 1
    assert "The disk is full" in full.stderr
    assert "doctor" not in full.stderr
    technician("jobs").good()


def test_exporting_to_a_full_stick_leaves_nothing_and_says_so(technician: Device) -> None:
    technician("note", JOB, "x" * 20_000).good()
    target = technician.home.parent / "stick.jsonl"
    full = on_a_full_disk(technician, "export", "unsent", "--to", str(target))
    assert full.returncode == 1
    assert "cannot be written there" in full.stderr
    assert not target.exists()
    technician("export", "unsent", "--to", str(target)).good()


def test_a_full_disk_under_the_very_first_record_is_called_so(technician: Device) -> None:
    """It opens a line of writing, which is kept beside the database in a small file of its own."""
    fresh = technician.home / "device.json.new"
    fresh.symlink_to("/dev/full")
    said = technician("note", JOB, "the first words").refused("The disk is full")
    assert "unexpected" not in said.err
    fresh.unlink()
    technician("note", JOB, "the first words").good()
    assert "All is whole" in technician("verify").good().out


def test_the_doctor_does_not_call_a_full_disk_damage(technician: Device) -> None:
    assert not (technician.home / "data" / "fieldapp.db-shm").exists(), "what has to be made for reading"
    found = on_a_full_disk(technician, "doctor", "--offline")
    assert "It cannot be read now (disk I/O error): the disk is full" in found.stdout
    assert "--repair" not in found.stdout
    technician("doctor", "--offline").good()
