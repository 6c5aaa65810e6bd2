"""Deliberate mistakes in protocol, stores and machines. Each must be noticed: a simulation that finds nothing proves nothing.

`python -m tests.simulation.mutants [--seeds 5000] [--jobs N] [NAME...]` runs seeds under each mistake until an invariant breaks,
and prints the table of them. Only a seed that is clean without the mistake counts, and only an invariant: a mistake that makes the
program fail by itself proves nothing. A mistake is the change of a few words in the source of one function, so that it says what it
breaks.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

from fieldapp.domain.entry import chain_hash
from fieldapp.domain.problem import Problem
from fieldapp.server import feed, file_storage, files
from fieldapp.store import device, home, journal, keeping, lines, pending, receiving, scope, server
from fieldapp.store.rows import Head, Saved
from fieldapp.store.tables import CursorRow
from fieldapp.sync import answers, engine, file_lane, machine, replies
from fieldapp.sync import messages as m
from fieldapp.sync.machine import State
from tests.simulation.checks import Broken
from tests.simulation.spreading import interruptible, spread, stopped
from tests.simulation.world import Disks, World

SEEDS = 5_000
Patch = tuple[Any, str, Any]


def edited(owner: Any, name: str, *changes: str) -> Patch:
    """A function with words of its source replaced: old, new, old, new ...

    Raises:
        ValueError: the words are not there any more; the mistake has to be written anew.
    """
    function = inspect.unwrap(getattr(owner, name))
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        if old not in source:
            raise ValueError(f"{name} no longer says {old!r}")
        source = source.replace(old, new)
    names: dict[str, Any] = dict(function.__globals__)
    names["end_of"] = end_of
    exec(compile("from __future__ import annotations\n" + source, f"<{name}, mutated>", "exec"), names)
    return owner, name, names[name]


def end_of(run: Any) -> Head:
    """Where a run ends, as if a receipt said so."""
    chain = run.prev_hash
    for seq, entry in enumerate(run.entries, run.from_seq):
        chain = chain_hash(chain, seq, entry.hash)
    return Head(run.epoch, run.from_seq + len(run.entries) - 1, chain)


def _consent(kind: str) -> Callable[[], list[Patch]]:
    """Something that is no receipt counts as one."""

    def make() -> list[Patch]:
        real = answers._fault

        def fault(state: State, now: int, answer: m.Fault) -> Any:
            if isinstance(state.request, m.AskPush) and answer.kind == kind:
                return machine.look(machine.progress(state), m.Acknowledge(end_of(state.request.run), 1))
            return real(state, now, answer)

        return [(answers, "_fault", fault)]

    return make


def _acknowledged_on(status: int) -> Callable[[], list[Patch]]:
    def make() -> list[Patch]:
        real = answers._refused

        def refused(state: State, now: int, answer: m.Refused) -> Any:
            run = state.request.run if isinstance(state.request, m.AskPush) else state.view.run
            if answer.status == status and run is not None:
                return machine.back_off(state, now, None, "online", "", m.Acknowledge(end_of(run), 1))
            return real(state, now, answer)

        return [(answers, "_refused", refused)]

    return make


def _cursor_before_rows() -> list[Patch]:
    real = device.DeviceReplica.receive

    def receive(self: Any, page: Any) -> Any:
        with self._db.write() as conn:
            self._db.upsert(conn, CursorRow, [{"log": log, "cursor": cursor} for log, cursor in page.cursors.items()])
        return real(self, page)

    return [(device.DeviceReplica, "receive", receive)]


def _positions_before_entries() -> list[Patch]:
    twice = "self._save_epoch(conn, head)\n        with self._db.write() as conn:\n            moved = self._place"
    stored = "self._store(conn, [item.entry for of in groups if who for item in of])\n    heads = StreamHeads("
    return [
        edited(server.ServerReplica, "receive", "moved = self._place", twice),
        edited(server.ServerReplica, "_take_positions", "self._store(conn, list(fresh.values()))", "pass"),
        edited(server.ServerReplica, "_place", "heads = StreamHeads(", stored),
    ]


def _cursor_at_the_head() -> list[Patch]:
    real = feed._Page.follow

    def follow(self: Any, log: str, cursor: Any, head: Any) -> None:
        real(self, log, cursor, head)
        self.cursors[log] = head.text(filtered=self.cursors[log].endswith("f"))

    return [(feed._Page, "follow", follow)]


def _rows_in_scope(old: str, new: str) -> Callable[[], list[Patch]]:
    def make() -> list[Patch]:
        if old not in feed._ROWS_IN_SCOPE:
            raise ValueError(f"the statement no longer says {old!r}")
        return [(feed, "_ROWS_IN_SCOPE", feed._ROWS_IN_SCOPE.replace(old, new))]

    return make


def _old_line_and_no_fork() -> list[Patch]:
    """The device goes on where its old database stood, and the server takes a known position for a known entry."""
    blind = ("if there != chain:", "if False:", "if run.prev_hash != ", "if False and run.prev_hash != ")
    return [
        (lines.Lines, "is_from_another_time", lambda self, conn, found: False),
        edited(server.ServerReplica, "_take_positions", *blind),
        (answers, "_heads", lambda asked, body: ()),
    ]


def _saved_on_a_full_disk() -> list[Patch]:
    real = device.DeviceReplica.append

    def append(self: Any, drafts: Any) -> Any:
        try:
            return real(self, drafts)
        except Problem:
            return Saved((self._ids(),), frozenset())

    return [(device.DeviceReplica, "append", append)]


def one(*change: Any) -> Callable[[], list[Patch]]:
    return lambda: [edited(*change)]


def instead(owner: Any, name: str, value: Any) -> Callable[[], list[Patch]]:
    return lambda: [(owner, name, value)]


R, L, S, D, P = receiving.Receiver, lines.Lines, server.ServerReplica, device.DeviceReplica, feed._Page
MUTANTS: dict[str, Callable[[], list[Patch]]] = {
    # receipts
    "silence is consent": _consent("timeout"),
    "a sign-in page is consent": _consent("sign_in_page"),
    "a proxy's error is consent": _consent("busy"),
    "delete on 401": _acknowledged_on(401),
    "delete on a full server": _acknowledged_on(507),
    "positions before entries": _positions_before_entries,
    "acknowledged beyond the receipt": one(
        L,
        "acknowledge",
        "acked, head.seq))",
        "acked, 10**9))",
        "_ACKED, ",
        '_ACKED.replace("acked_seq = ?", "acked_seq = head_seq + 0 * ?"), ',
    ),
    "any receipt is ours": one(L, "acknowledge", "if self._hash_at(conn, head.epoch, head.seq) != head.hash:", "if False:"),
    "answers of others are believed": one(replies, "judged", 'if headers.get("fieldapp-nonce") != nonce:', "if False:"),
    # positions and epochs
    "dedupe by sequence number": _old_line_and_no_fork,
    "a gap is not mended": one(
        answers, "_position", "m.Rewind(Head(head.epoch, head.seq, head.hash, head.safe_seq))", "m.Remember({})"
    ),
    "a fork is not mended": instead(D, "fork", lambda self, log: None),
    "the server's head is not believed": instead(answers, "_heads", lambda asked, body: ()),
    "a rewind forgets what was decided": one(
        L, "rewind", '.values(lane="unsent")', '.values(lane="unsent", outcome="", reason="")'
    ),
    "a new epoch forgets what was decided": instead(L, "_decided_unsent", lambda self, conn, epochs: []),
    "a new epoch leaves the old work behind": one(L, "open", 'conn, f"o.{unsent}"', 'conn, f"o.{unsent} AND 1 = 0"'),
    # the server
    "received twice": lambda: [
        (S, "_known", lambda self, conn, entries: {}),
        edited(S, "_store", "self._db.insert(conn, EntryRow", "self._db.insert_new(conn, EntryRow"),
    ],
    "known entries are not placed, nor are their neighbours": one(
        S, "_take_positions", "return list(fresh.values()), tuple", "return list(fresh.values())[1:], tuple"
    ),
    "groups torn apart": one(L, "_run", "chosen += [entry for _, _, entry, _ in group]", "chosen += [group[0][2]]\n        break"),
    "quarantine keeps nothing": instead(S, "_put_aside", lambda self, *place: sha256(place[-1]).hexdigest()),
    # Neither side tells then what lies there as bytes only. Where the server still does, the entry is offered again, unharmed.
    "that an entry is handed over is not noted": lambda: [
        (L, "hand_over", lambda self, *place: None),
        edited(answers, "_heads", "if body.aside.get(server.epoch):", "if False:"),
    ],
    "a poison entry blocks the queue": one(
        answers,
        "_not_taken",
        "return correct(new(state, poison=(run.epoch, seq, words)), now)",
        "return back_off(state, now, None, 'busy', words)",
    ),
    # reading
    "cursor before rows": _cursor_before_rows,
    "cursor at the head": _cursor_at_the_head,
    "complete too early": one(R, "_progress", "if done and row.after >= row.upto:", "if done or row.after:"),
    "a stream that came back is not fetched": one(R, "_add", "upto <= after or stream == WHOLE_LOG", "True"),
    "a diverged cursor is kept": one(D, "_forget_cursors", 'for table in ("cursors", ', "for table in ("),
    "outcomes are not folded": one(R, "_fold_tail", "if streams:", 'if streams and row.kind == "entry":'),
    "everything stands on a device": one(R, "_fold_tail", "Fact(row.entry, row.outcome", 'Fact(row.entry, "applied"'),
    "outcomes of own entries are not noticed": instead(R, "_settle", lambda self, own: None),
    "own rows only in scope": _rows_in_scope("WHERE device = ?", "WHERE device = ? AND 1 = 0"),
    # scope
    "what left is served on": _rows_in_scope("m.until_pos IS NULL AND m.since_pos <= ?", "m.since_pos <= ?"),
    "a backfill is served to anybody": one(P, "_held", "if reads_whole(self._who.role, log):", "if True:"),
    "nobody is told what left": one(P, "_scope_changes", "self.removed.append(StreamRemoved(log, stream))", "pass"),
    "nobody is told what came": one(P, "_scope_changes", "self.added.append(StreamAdded(log, stream, upto))", "pass"),
    "memberships never end": one(scope.ScopeChanges, "write", "(positions[person], self._log", "(None, self._log"),
    "what one job needs goes with another": one(scope.ScopeChanges, "plan", "dropped.append(job)", "pass"),
    "a stream goes with unsent work on it": instead(R, "_unsent_streams", lambda self: set()),
    # erasure
    "of what was erased goes what is held": one(
        R,
        "_concerned",
        "if whole_log(log) in self._scope:",
        "if True:",
    ),
    "only who holds a job hears that it was erased": _rows_in_scope(
        "UNION SELECT pos FROM erasures WHERE log = ?", "UNION SELECT pos FROM erasures WHERE 1 = 0 AND log = ?"
    ),
    "copies of what was erased are kept": one(D, "_erase_beside", "self._keeping.forget_bodies(ids)", "pass"),
    "bytes handed over after an erasure go with it": one(R, "_erase", "if at <= row.at and stream in", "if stream in"),
    "an erased job vanishes with unsent work on it": one(
        pending, "forget_views", "if stream not in open_ and stream not in waiting:", "if True:"
    ),
    # the view
    "own pending work is not shown": instead(pending, "pending_facts", lambda conn, role, streams=None: []),
    "a refused job vanishes": one(
        pending,
        "refresh_jobs",
        "if not facts and not shown_as_it_was(stream, settled, facts, waiting):",
        "if stream not in waiting:",
    ),
    "another version does not fold again": instead(D, "_rebuild", lambda self, conn: 0),
    # second copies
    "the journal is not written": instead(journal.Journal, "append", lambda self, found: None),
    "the journal is emptied too early": instead(keeping.Keeping, "_has_unsent", lambda self: False),
    "what is kept is not read": instead(keeping.Keeping, "entries_for", lambda self, conn, restored: ()),
    "two programs in one home": instead(home, "try_lock", lambda file: True),
    # time
    "a request may hang for ever": lambda: [(part, "DEADLINE_MS", 10**12) for part in (machine, engine, file_lane)],
    "no poll": instead(engine, "rest", lambda state, now: machine.wait(machine.new(state, fruitless=0), now + 10**9)),
    "a try in vain arms no timer": one(
        machine, "wait", "(*before, m.Arm(until))", "(*before,) if state.fruitless else (*before, m.Arm(until))"
    ),
    "tries without a pause": lambda: [
        (machine, "backoff", lambda seed, tries, retry_after=None: (0, seed)),
        (machine, "MIN_GAP_MS", 0),
    ],
    "hints without a pause": instead(answers, "READ_GAP_MS", 0),
    "a new network wakes nobody": one(
        engine, "_hurried", 'if event.why == "network":\n        spread', "if False:\n        spread"
    ),
    "a full disk is an end": one(
        engine, "step", 'case m.Troubled() if state.phase != "stopped":', 'case m.Troubled() if state.phase == "stopped":'
    ),
    "what a full disk refused is called saved": _saved_on_a_full_disk,
    "the 90 days of a closed job are its author's": instead(
        scope.ScopeChanges, "_closed_at", lambda self, job: job.history[-1].by.at if job.history else 0
    ),
    "other files keep no distance from what brought nothing": one(file_lane, "_aside", "vain=True", "vain=False"),
    # revoking and files
    "a revoked device keeps its work": one(answers, "_revoked", "if state.revoked:", "if True:"),
    "a file is sent when its parts are": one(file_lane, "_answered", "if state.complete:", "if state.complete or state.parts:"),
    "files that a restored server lost are not sent again": instead(answers, "_wanted", lambda state, body: ()),
    "any bytes are the file": one(file_storage.FolderStorage, "assemble", "if found.hexdigest() != sha256:", "if False:"),
    "wrong parts are kept": one(files.Files, "complete", "self._storage.drop_parts(sha256)\n            raise", "raise"),
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The program with this mistake in it, wherever what is wrong is called: modules import functions by their names."""
    with ExitStack() as stack:
        for owner, attribute, value in MUTANTS[name]():
            right = getattr(owner, attribute)
            for target in (owner, *_callers(right, attribute)) if inspect.ismodule(owner) and callable(right) else (owner,):
                stack.enter_context(patch.object(target, attribute, value))
        yield


def _callers(function: Any, name: str) -> list[ModuleType]:
    """Modules of the program and of the simulation that have a function under its name."""
    ours = [module for path, module in sys.modules.items() if path.startswith(("fieldapp.", "tests.simulation."))]
    return [module for module in ours if vars(module).get(name) is function]


class Found(NamedTuple):
    """What noticed a mistake: the seed, the invariant's number, and what it said."""

    seed: int
    invariant: int
    words: str


class Hunt:
    """Seeds run under mistakes. Only what is clean without the mistake proves anything; that is looked up once for each seed."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._clean: dict[int, bool] = {}
        self.failure = ""
        """How the program last failed by itself under a mistake."""

    def _broken(self, seed: int) -> Broken | None:
        """The invariant that a run broke; a machine that finds itself asleep for ever breaks the eighth."""
        try:
            World(seed, self._disks).run()
        except Broken as broken:
            return broken
        except engine.StuckMachine as stuck:
            return Broken(8, f"the machine's own assertion: {stuck}")
        return None

    def is_clean(self, seed: int) -> bool:
        if seed not in self._clean:
            try:
                self._clean[seed] = self._broken(seed) is None
            except Exception:  # a defect that no invariant names; the run of seeds reports it
                self._clean[seed] = False
        return self._clean[seed]

    def kill(self, name: str, seeds: range) -> Found | None:
        """The first seed under which an invariant notices the mistake; None where none of them does."""
        self.failure = ""
        for seed in seeds:
            if stopped():
                return None
            if not self.is_clean(seed):
                continue
            with mutated(name):
                try:
                    broken = self._broken(seed)
                except Exception as error:  # the program fails by itself: that is seen, but proves no invariant
                    broken, self.failure = None, f"{type(error).__name__}: {error}"
            if broken is not None:
                return Found(seed, broken.number, str(broken).partition(": ")[2])
        return None


class Row(NamedTuple):
    """A line of the table."""

    name: str
    found: Found | None
    seeds: int
    failure: str


def _hunt(names: Sequence[str], seeds: int) -> list[Row]:
    disks, rows = Disks(), []
    try:
        hunt = Hunt(disks)
        for name in names:
            found = hunt.kill(name, range(seeds))
            if stopped():
                break
            rows.append(Row(name, found, found.seed + 1 if found else seeds, hunt.failure))
            print(f"  {_line(rows[-1])}", file=sys.stderr, flush=True)
    finally:
        disks.close()
    return rows


def _line(row: Row) -> str:
    why = f"{row.found.invariant:>2}  {row.found.words[:90]}" if row.found else f"SURVIVED {row.failure[:80]}"
    return f"{row.name:<56}{row.seeds:>6}  {why}"


def table(rows: Sequence[Row]) -> str:
    """All mistakes, in the order they are written down: how many seeds it took, which invariant noticed, in which words."""
    order = list(MUTANTS)
    survived = [row.name for row in rows if not row.found]
    lines = [
        f"{'mistake':<56}{'seeds':>6}  invariant",
        *(_line(row) for row in sorted(rows, key=lambda row: order.index(row.name))),
    ]
    lines.append(f"{len(rows) - len(survived)} of {len(rows)} noticed" + (f"; survived: {', '.join(survived)}" if survived else ""))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="of mistakes; all where none is named")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds each is given")
    parser.add_argument("--jobs", type=int, default=1, help="run in so many processes")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in MUTANTS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(MUTANTS)}")
    interruptible()
    names = chosen.names or list(MUTANTS)
    hands = [names[n :: chosen.jobs] for n in range(chosen.jobs)]
    rows: list[Row] = []
    try:
        for part in spread(chosen.jobs, partial(_hunt, seeds=chosen.seeds), [hand for hand in hands if hand]):
            rows += part
    except KeyboardInterrupt:
        print("interrupted")
    print(table(rows))
    return 0 if len(rows) == len(names) and all(row.found for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
