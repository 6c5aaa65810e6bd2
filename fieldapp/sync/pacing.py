"""When to try again. Chance comes from a number carried in the machines' states, so that a run replays exactly."""

from __future__ import annotations

BACKOFF_BASE_MS = 1_000
BACKOFF_MAX_MS = 300_000
SLOW_AFTER = 5
"""Tries without progress before the machine slows down and says so."""
SLOW_MS = 60_000
RETRY_AFTER_MAX_MS = 3_600_000
"""A longer Retry-After is not believed: a stray page on the way must not silence a device for a week."""

_MASK = (1 << 64) - 1


def draw(seed: int, below: int) -> tuple[int, int]:
    """A number in 0..below-1 and the next seed (SplitMix64, Steele, Lea and Flood 2014)."""
    seed = (seed + 0x9E3779B97F4A7C15) & _MASK
    mixed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) % max(1, below), seed


def backoff(seed: int, tries: int, retry_after: int | None = None) -> tuple[int, int]:
    """Milliseconds to wait after `tries` tries without progress (1 or more), and the next seed.

    Full jitter: anywhere between 0 and base * 2^(tries - 1), at most BACKOFF_MAX_MS; after SLOW_AFTER tries at least half of
    that and at least SLOW_MS / 2. Retry-After wins; up to a tenth is added so that not all devices come back at one moment.
    """
    if retry_after is not None:
        wait = min(max(retry_after, 0), RETRY_AFTER_MAX_MS)
        extra, seed = draw(seed, wait // 10 + 1)
        return wait + extra, seed
    cap = min(BACKOFF_MAX_MS, BACKOFF_BASE_MS << min(tries - 1, 16))
    if tries < SLOW_AFTER:
        return draw(seed, cap + 1)
    cap = max(cap, SLOW_MS)
    wait, seed = draw(seed, cap // 2 + 1)
    return cap // 2 + wait, seed
