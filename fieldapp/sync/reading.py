"""What to ask the log for: from the view of the last look, and, page after page, from what the page before has brought."""

from __future__ import annotations

import msgspec

from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.store.rows import WHOLE_LOG, Head
from fieldapp.sync import messages as m
from fieldapp.sync.machine import NEVER, State
from fieldapp.sync.protocol import Backfill, EpochHead, PullAnswer, PullRequest

BACKFILLS = 1000
"""Streams asked to be backfilled in one pull at most, as many as a server looks at; the budget ends the page before that."""


def pull_request(state: State) -> PullRequest:
    view = state.view
    return PullRequest(
        cursors=view.cursors,
        epochs=tuple(EpochHead(head.epoch, head.seq, head.hash, head.safe_seq) for head in view.heads),
        app_version=state.app_version,
        fold=FOLD_VERSION,
        backfills=tuple(Backfill(*wanted) for wanted in view.backfills[:BACKFILLS]),
        budget=state.budget,
    )


def view_after(state: State, asked: PullRequest, body: PullAnswer) -> m.View | None:
    """What a look will show once this page is committed, as far as that is plain and there is more to read; None where it is not,
    and a look has to say. A guess that is wrong costs rows that come twice.
    """
    view = state.view
    if view.run is not None or not view.token or state.hurried or state.renew or state.revoked or state.pull_after != NEVER:
        return None
    if body.removed or set(body.logs) - asked.cursors.keys() or any(item.stream == WHOLE_LOG for item in asked.backfills):
        return None
    known = any(not asked.cursors.get(item.log, "").startswith("0:") for item in body.added)
    server = {head.epoch: Head(head.epoch, head.seq, head.hash, head.safe_seq) for head in body.epochs}
    if known or any(server.get(head.epoch, head).seq < head.seq for head in view.heads):
        return None
    backfills = _left(view, body)
    if not (body.more or backfills):
        return None
    return msgspec.structs.replace(
        view, cursors={**asked.cursors, **body.cursors}, backfills=backfills, incarnation=body.incarnation,
        heads=tuple(server.get(head.epoch, head) for head in view.heads),
    )  # fmt: skip


def _left(view: m.View, body: PullAnswer) -> tuple[tuple[str, str, int, int], ...]:
    """What is to be backfilled after this page, in the order of a look."""
    left = {stream: (log, stream, after, upto) for log, stream, after, upto in view.backfills}
    for done in body.backfilled:
        item = left.pop(done.stream, None)
        if item is not None and not done.done:
            left[done.stream] = (item[0], item[1], max(item[2], done.after), item[3])
    for added in body.added:
        if added.stream != WHOLE_LOG and added.upto > 0:
            left[added.stream] = (added.log, added.stream, 0, added.upto)
    return tuple(left[stream] for stream in sorted(left))
