"""Local effects carried out: what is read from the replica and what is committed to it. The same code runs in the simulation."""

from __future__ import annotations

from collections.abc import Callable

from fieldapp.domain.problem import Problem
from fieldapp.store.device import DeviceReplica
from fieldapp.sync import messages as m

BACKFILLS = 2000
"""Streams to be backfilled that one look shows at most: some pages, so that one can be asked for while the last is written."""

Changed = Callable[[frozenset[str]], None]
Heard = m.Looked | m.ReadAhead | m.Hurried | m.Troubled


def commit(replica: DeviceReplica, effect: m.Local, now: int, changed: Changed = lambda streams: None) -> Heard | None:
    """Carry one local effect out.

    Args:
        now: the time for the event that may come of it. changed: told the streams whose view a page changed.

    Returns: what the machine has to hear (`Hurried`: the one for files); None where all went well and there is nothing to say.
    """
    try:
        return _commit(replica, effect, now, changed)
    except Problem as problem:
        if isinstance(effect, m.ReadOn):
            return m.ReadAhead(now, None)
        if problem.code == "receipt-foreign" and isinstance(effect, m.Acknowledge):
            return m.Troubled(now, str(problem), effect.head.epoch)
        return m.Troubled(now, str(problem))


def _commit(replica: DeviceReplica, effect: m.Local, now: int, changed: Changed) -> Heard | None:
    match effect:
        case m.Look():
            return m.Looked(now, view(replica, effect))
        case m.ReadOn():
            run = replica.following(effect.run, effect.entries, effect.size)
            return m.ReadAhead(now, m.AskPush(run) if run is not None else None)
        case m.Acknowledge():
            replica.acknowledge(effect.head, effect.time)
        case m.Rewind():
            if not replica.rewind(effect.head):
                return m.Troubled(now, "the server has lost what is no longer kept here", effect.head.epoch)
        case m.Fork():
            replica.fork(replica.log_of(effect.epoch))
        case m.HandOver():
            replica.hand_over(effect.epoch, effect.seq, effect.reason)
        case m.Refuse():
            replica.refuse(effect.epoch, effect.seq, effect.reason, effect.time)
        case m.Receive():
            changed(replica.receive(effect.page).streams)
            if not effect.page.more and replica.files_to_erase():  # they may have waited for the last page
                return m.Hurried(now, "hint")
        case m.SendAgain():
            if replica.send_files_again(effect.files, effect.asked):
                return m.Hurried(now, "hint")
        case m.Forget():
            replica.forget_cursors()
        case m.Remember():
            replica.set_settings(**effect.values)
    return None


def view(replica: DeviceReplica, look: m.Look) -> m.View:
    found = replica.standing(look.entries, look.size, BACKFILLS, ("token", "incarnation", "skew_ms"))
    known = found.settings
    return m.View(
        run=found.run,
        heads=found.heads,
        cursors=found.cursors,
        backfills=found.backfills,
        token=known.get("token", ""),
        incarnation=known.get("incarnation", ""),
        skew=int(known["skew_ms"]) if "skew_ms" in known else None,
    )
