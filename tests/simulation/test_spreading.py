"""Work in several processes ends with them: when it is done, when it breaks, and on Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.simulation.spreading import spread, stopped


def double(number: int) -> int:
    return 2 * number


def break_at_two(number: int) -> int:
    """The second piece of work breaks, the others go on until they are told to end."""
    if number == 2:
        raise ValueError("the second one")
    while not stopped():
        sum(range(1_000))
    return os.getpid()


def endless(number: int) -> int:
    os.write(1, f"{os.getpid()}\n".encode())  # in one piece, whatever others write
    while not stopped():
        sum(range(1_000))
    return number


def run_endless() -> None:
    list(spread(2, endless, range(5)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_everything_is_done_once(jobs: int) -> None:
    assert sorted(spread(jobs, double, range(7))) == [0, 2, 4, 6, 8, 10, 12]


def test_what_breaks_ends_the_others() -> None:
    with pytest.raises(ValueError, match="the second one"):
        list(spread(2, break_at_two, [1, 2, 3, 4]))


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_no_process_behind(kind: signal.Signals) -> None:
    code = (
        "from tests.simulation.spreading import interruptible\nfrom tests.simulation.test_spreading import run_endless\n"
        "interruptible()\nrun_endless()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.send_signal(kind)
        _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_seeds_in_two_processes_are_the_seeds() -> None:
    from tests.simulation.runs import run_in  # here: each process of the tests above imports this file, and needs none of it

    tally = run_in(2, range(60, 64))
    assert (tally.done, tally.failed, tally.interrupted) == (4, {}, False)
    assert tally.saved
