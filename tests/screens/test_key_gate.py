"""Keys that come faster than a hand types are a scanner's: whatever they say, none of them acts."""

from __future__ import annotations

from collections.abc import Callable

from textual import events

from fieldapp.screens.key_gate import BURST_S, KeyGate


class Desk:
    """A gate with its timers in the test's hand: what was acted on, and what was taken for a code."""

    def __init__(self) -> None:
        self.acted: list[str] = []
        self.codes: list[str] = []
        self.now = 100.0
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self.gate = KeyGate(
            prefix="",
            after=lambda seconds, then: self._timers.append((self.now + seconds, then)),
            scanned=self.codes.append,
            released=self._again,
            slash=lambda: True,
            begun=lambda: self.acted.append("search"),
            acting=lambda: True,
        )

    def _again(self, keys: list[events.Key]) -> None:
        for key in keys:
            self._arrive(key)

    def _arrive(self, key: events.Key) -> None:
        if not self.gate.takes(key):
            self.acted.append(key.character or key.key)
            self.gate.passed()

    def key(self, name: str, after: float) -> None:
        """A key so many seconds after the one before."""
        self._pass(after)
        key = events.Key(name, name if len(name) == 1 else "\r" if name == "enter" else None)
        key.time = self.now
        self._arrive(key)

    def type(self, text: str, gap: float) -> None:
        for letter in text:
            self.key(letter, gap)

    def rest(self) -> None:
        self._pass(1.0)

    def _pass(self, seconds: float) -> None:
        until = self.now + seconds
        while due := sorted((item for item in self._timers if item[0] <= until), key=lambda item: item[0]):
            self._timers.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = until


SCANNER, HAND = 0.004, 0.09


def test_a_burst_acts_on_nothing_and_is_a_code() -> None:
    desk = Desk()
    desk.type("atvwx-17", SCANNER)
    desk.key("enter", SCANNER)
    desk.rest()
    assert desk.acted == []
    assert desk.codes == ["atvwx-17"]


def test_a_scanner_without_enter_is_a_code_after_a_pause() -> None:
    desk = Desk()
    desk.type("CH-2", SCANNER)
    desk.rest()
    assert desk.acted == []
    assert desk.codes == ["CH-2"]


def test_a_code_of_two_letters_with_enter_acts_on_nothing() -> None:
    desk = Desk()
    desk.type("a7", SCANNER)
    desk.key("enter", SCANNER)
    desk.rest()
    assert (desk.acted, desk.codes) == ([], ["a7"])


def test_a_hand_is_obeyed_key_by_key_in_order() -> None:
    desk = Desk()
    desk.type("atv", HAND)
    desk.key("enter", HAND)
    desk.rest()
    assert (desk.acted, desk.codes) == (["a", "t", "v", "\r"], [])


def test_two_keys_of_a_rolling_hand_both_act() -> None:
    desk = Desk()
    desk.type("at", BURST_S / 2)
    desk.rest()
    assert (desk.acted, desk.codes) == (["a", "t"], [])


def test_a_held_cursor_key_moves_on_however_fast_it_repeats() -> None:
    desk = Desk()
    desk.type("jjjjjjjj", 0.015)
    desk.rest()
    assert (desk.acted, desk.codes) == (["j"] * 8, [])


def test_a_letter_and_an_arrow_right_after_it_keep_their_order() -> None:
    desk = Desk()
    desk.key("a", HAND)
    desk.key("down", 0.001)
    desk.rest()
    assert (desk.acted, desk.codes) == (["a", "down"], [])


def test_the_search_key_alone_searches_and_with_a_burst_behind_it_is_a_code() -> None:
    desk = Desk()
    desk.key("/", HAND)
    desk.rest()
    assert (desk.acted, desk.codes) == (["search"], [])
    desk = Desk()
    desk.key("/", HAND)
    desk.type("wk-ch1", SCANNER)
    desk.key("enter", SCANNER)
    assert (desk.acted, desk.codes) == ([], ["wk-ch1"])
