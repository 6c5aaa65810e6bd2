"""Which faults a run has: drawn from its seed, or written down for a run that is kept."""

from __future__ import annotations

import random

import msgspec

from fieldapp.sync.protocol import PULL_BYTES

ACTIONS = 60
"""What the three people of a run record, in actions."""


class Plan(msgspec.Struct, frozen=True):
    """The faults of one run, as chances of each request or step (0 to 1), or as how often a thing happens.

    Each is drawn by a generator of its own name, so that a new kind of fault does not change what older seeds do.
    """

    faults_ms: int = 30_000
    actions: int = ACTIONS
    drop_request: float = 0.0
    drop_answer: float = 0.0
    half_open: float = 0.33
    delay: float = 0.0
    double: float = 0.0
    truncate: float = 0.0
    corrupt: float = 0.0
    spoil: float = 0.0
    portal: float = 0.0
    proxy: float = 0.0
    proxy_limit: int = 0
    stale: float = 0.0
    power: float = 0.0
    server_power: float = 0.0
    device_full: int = 0
    server_full: int = 0
    storage_full: int = 0
    restore_told: int = 0
    restore_untold: int = 0
    files_restored: bool = False
    other_server: int = 0
    roll_back: int = 0
    bad_image: int = 0
    clone: int = 0
    delete: int = 0
    lost_disk: int = 0
    silent: bool = False
    lost_tokens: int = 0
    short_tokens: bool = False
    clock_jumps: int = 0
    two_instances: int = 0
    reassign: int = 0
    cancel: int = 0
    revoke: int = 0
    erase: int = 0
    poison: int = 0
    oversize: int = 0
    newer_types: int = 0
    upgrade: int = 0
    too_old: int = 0
    photos: int = 0
    album: int = 0
    wrong_bytes: int = 0
    lost_parts: int = 0
    hints: bool = True
    page_bytes: int = PULL_BYTES


def draw_plan(seed: int) -> Plan:
    def of(name: str) -> random.Random:
        return random.Random(f"{seed} {name}")

    def some(name: str, highest: float, share: float = 0.4) -> float:
        chance = of(name)
        return chance.random() * highest if chance.random() < share else 0.0

    def times(name: str, most: int, share: float) -> int:
        chance = of(name)
        return chance.randrange(1, most + 1) if chance.random() < share else 0

    disasters = {
        of("disaster").choice(("restore told", "restore untold", "", "")),
        of("more").choice(("roll back", "delete", "clone", "", "", "")),
    }
    limit = of("proxy limit")
    return Plan(
        faults_ms=of("time").choice((8_000, 15_000, 30_000)),
        drop_request=some("drop request", 0.4),
        drop_answer=some("drop answer", 0.4),
        half_open=of("half open").random() * 0.5,
        delay=some("delay", 0.5),
        double=some("double", 0.3),
        truncate=some("truncate", 0.2, 0.25),
        corrupt=some("corrupt", 0.2, 0.25),
        spoil=some("spoil", 0.2, 0.25),
        portal=some("portal", 0.2, 0.25),
        proxy=some("proxy", 0.3, 0.2),
        proxy_limit=limit.choice((1_500, 3_000, 6_000)) if limit.random() < 0.12 else 0,
        stale=some("stale", 0.2, 0.15),
        power=some("power", 0.15),
        server_power=some("server power", 0.2),
        device_full=times("device full", 2, 0.12),
        server_full=times("server full", 2, 0.12),
        storage_full=times("storage full", 2, 0.1),
        restore_told="restore told" in disasters,
        restore_untold="restore untold" in disasters,
        files_restored=of("files restored").random() < 0.5,
        other_server=times("other server", 1, 0.1),
        roll_back="roll back" in disasters,
        bad_image=times("bad image", 1, 0.5),
        clone="clone" in disasters,
        delete="delete" in disasters,
        lost_disk=times("lost disk", 1, 0.1),
        silent=of("silent").random() < 0.2,
        lost_tokens=times("tokens", 2, 0.2),
        short_tokens=of("short tokens").random() < 0.1,
        clock_jumps=times("clocks", 3, 0.2),
        two_instances=times("two instances", 2, 0.1),
        reassign=times("reassign", 6, 0.5),
        cancel=times("cancel", 2, 0.2),
        revoke=times("revoke", 1, 0.1),
        erase=times("erase", 2, 0.15),
        poison=times("poison", 2, 0.12),
        oversize=times("oversize", 2, 0.15),
        newer_types=times("newer types", 2, 0.15),
        upgrade=times("upgrade", 2, 0.12),
        too_old=times("too old", 1, 0.1),
        photos=times("photos", 4, 0.4),
        album=times("album", 2, 0.15),
        wrong_bytes=times("wrong bytes", 2, 0.3),
        lost_parts=times("lost parts", 2, 0.3),
        hints=of("hints").random() < 0.7,
        page_bytes=of("pages").choice((PULL_BYTES, PULL_BYTES, 3_000)),
    )
