"""Runs that once failed, kept for ever: as plans of their own where a seed draws another plan since."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.plan import Plan
from tests.simulation.world import Disks, World

KEPT = {
    31: "a restored server had forgotten what was handed over as quarantine, and it was not offered again",
    174: "an own outcome came with the change of scope that made its job be fetched again, and the work left the view",
    1024: "a line of writing that was closed before its outcomes were read was not offered again to a restored server",
    1753: "a restored server lacked what created a job, and it vanished with unsent work on it",
    303: "an entry in the server's quarantine whose receipt was lost was waited for for ever",
    563: "a file that was put aside was asked about again with every fact that was sent",
    301154: "pushing in vain never slowed down while reading worked",
    4: "hints made a device ask more often than five times a second",
    9: "what a cloned disk had sent was chained anew without its outcome, and waited for it for ever",
    13: "a restored server placed what it had forgotten where it was: its outcome had been thrown away and never came again",
    43: "many streams that leave at once are believed a minute later",
    62: "own work from the journal was not on top of a job that was still being fetched, after the database was rolled back",
    102885: "after a restore nobody was told of, a copied disk was faster, and what its receipts had named was not offered again",
    89: "a revoked device handed over the entry that created a job, and the job vanished with unsent work on it",
}


@pytest.fixture(scope="module")
def disks() -> Iterator[Disks]:
    made = Disks()
    yield made
    made.close()


@pytest.mark.parametrize("seed", KEPT)
def test_a_seed_that_once_failed(disks: Disks, seed: int) -> None:
    World(seed, disks, PLANS[seed]).run()


PLANS = {
    303: Plan(
        faults_ms=15000,
        half_open=0.1113038534718821,
        delay=0.36181981471587604,
        double=0.16926609685363522,
        portal=0.0178861665224896,
        proxy_limit=1500,
        power=0.011875897700738968,
        server_power=0.04062458864217638,
        restore_untold=True,
        clock_jumps=2,
        oversize=1,
        upgrade=2,
        hints=False,
    ),
    563: Plan(
        faults_ms=8000,
        half_open=0.4822773743146339,
        server_power=0.0747252329593741,
        restore_untold=True,
        clone=True,
        clock_jumps=3,
        reassign=2,
        revoke=1,
        poison=2,
        photos=2,
        wrong_bytes=2,
        lost_parts=2,
    ),
    301154: Plan(
        half_open=0.4140044306171978,
        proxy=0.17768915497592855,
        power=0.0194048476427647,
        device_full=2,
        other_server=1,
        roll_back=True,
        reassign=1,
        cancel=1,
    ),
    31: Plan(
        faults_ms=15000,
        half_open=0.2855862109722063,
        truncate=0.05875600629949083,
        restore_told=True,
        delete=True,
        poison=2,
        photos=1,
        wrong_bytes=1,
        page_bytes=3000,
    ),
    174: Plan(
        faults_ms=8000,
        half_open=0.06141913930999299,
        delay=0.012666610611436924,
        portal=0.05875655151255939,
        stale=0.018280297999386044,
        server_power=0.19326065630238895,
        device_full=2,
        restore_untold=True,
        clone=True,
        lost_tokens=1,
        cancel=1,
        upgrade=1,
        photos=4,
        wrong_bytes=2,
        lost_parts=2,
    ),
    1024: Plan(
        faults_ms=15000,
        half_open=0.134547344648753,
        delay=0.013413363788428778,
        proxy_limit=3000,
        server_power=0.04396925119033834,
        restore_untold=True,
        clone=True,
        reassign=6,
        oversize=1,
        newer_types=1,
        too_old=1,
        photos=1,
        page_bytes=3000,
    ),
    1753: Plan(
        faults_ms=15000, half_open=0.1867628895456434, stale=0.16020765307636595, restore_untold=True, reassign=4, wrong_bytes=1
    ),
    4: Plan(
        faults_ms=8000,
        drop_answer=0.055533134932243655,
        half_open=0.4274535512877469,
        double=0.009109198135337991,
        truncate=0.15156908684967318,
        proxy_limit=1500,
        clone=True,
        cancel=2,
    ),
    9: Plan(
        faults_ms=8000,
        drop_request=0.26635597653580695,
        half_open=0.23522328311166107,
        delay=0.4704353692532375,
        truncate=0.038059972745578846,
        corrupt=0.17999549961540684,
        portal=0.014477408181079898,
        proxy=0.1482209645596656,
        power=0.031199075034279544,
        server_power=0.1751491593676089,
        device_full=1,
        cancel=2,
        revoke=1,
        oversize=2,
        too_old=1,
    ),
    13: Plan(
        faults_ms=8000,
        drop_request=0.039398266819411366,
        half_open=0.34601817697567216,
        delay=0.08867068392915078,
        restore_told=True,
        delete=True,
        short_tokens=True,
        reassign=1,
        newer_types=2,
        too_old=1,
        photos=4,
    ),
    43: Plan(
        faults_ms=15000,
        half_open=0.27109372857996616,
        double=0.12708993640469957,
        restore_told=True,
        roll_back=True,
        reassign=4,
        cancel=2,
        poison=2,
        wrong_bytes=1,
        page_bytes=3000,
    ),
    62: Plan(
        faults_ms=15000,
        drop_answer=0.1452944311008993,
        half_open=0.11179486971547425,
        portal=0.06596185534331188,
        server_power=0.1688369325882191,
        restore_untold=True,
        roll_back=True,
        reassign=6,
        upgrade=2,
        hints=False,
        page_bytes=3000,
    ),
    89: Plan(
        drop_answer=0.27633270239001656,
        half_open=0.20737542438659146,
        proxy_limit=6000,
        server_full=1,
        lost_tokens=2,
        reassign=2,
        revoke=1,
        photos=4,
        wrong_bytes=1,
        lost_parts=2,
    ),
    102885: Plan(
        faults_ms=15000,
        drop_request=0.14229026438923253,
        half_open=0.33245683057545694,
        delay=0.058501224728585766,
        double=0.08063770762220412,
        truncate=0.05745465957447693,
        corrupt=0.17286739497975306,
        power=0.01213377700112529,
        server_power=0.03573532442192038,
        restore_untold=True,
        clone=True,
        reassign=4,
        upgrade=1,
        too_old=1,
        photos=1,
        wrong_bytes=2,
        lost_parts=2,
    ),
}
