"""Every action is defined once and works where a screen offers it; keys do not clash and leave terminals and editors theirs."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

import fieldapp.screens
from fieldapp.screens.actions import ACTIONS, bindings, display
from fieldapp.screens.app import FieldApp
from fieldapp.screens.base import FieldModal, FieldScreen

TAKEN = {
    "ctrl+q",
    "ctrl+c",
    "ctrl+z",
    "ctrl+s",
    "ctrl+d",
    "ctrl+\\",
    "ctrl+a",
    "ctrl+b",
    "ctrl+p",
    "ctrl+m",
    "ctrl+i",
    "ctrl+h",
    "ctrl+[",
}
"""Keys of the terminal, of screen and tmux, of the palette, and those that are Enter, Tab, Backspace and Escape."""


def screens() -> list[type[Screen[object]]]:
    for module in pkgutil.walk_packages(fieldapp.screens.__path__, "fieldapp.screens."):
        importlib.import_module(module.name)
    found: list[type[Screen[object]]] = []
    todo: list[type[Screen[object]]] = [FieldScreen, FieldModal]
    while todo:
        screen = todo.pop()
        found.append(screen)
        todo += screen.__subclasses__()
    return [
        screen for screen in found if screen.__module__.startswith("fieldapp.screens.") and screen not in (FieldScreen, FieldModal)
    ]


def offered(screen: type[Screen[object]]) -> list[Binding]:
    """The bindings of our own classes that make up a screen."""
    own = [kind for kind in screen.__mro__ if kind.__module__.startswith("fieldapp.")]
    found = [binding for kind in own for binding in kind.__dict__.get("BINDINGS", ()) if isinstance(binding, Binding)]
    return [binding for binding in found if binding.id in ACTIONS]


@pytest.mark.parametrize("screen", screens(), ids=lambda screen: screen.__name__)
def test_no_two_actions_of_a_screen_share_a_key(screen: type[Screen[object]]) -> None:
    by_key: dict[str, set[str]] = {}
    for binding in offered(screen):
        for key in binding.key.split(","):
            by_key.setdefault(key, set()).add(str(binding.id))
    assert not {key: ids for key, ids in by_key.items() if len(ids) > 1}


@pytest.mark.parametrize("screen", screens(), ids=lambda screen: screen.__name__)
def test_every_action_offered_is_there(screen: type[Screen[object]]) -> None:
    missing = [
        binding.action
        for binding in offered(screen)
        if "." not in binding.action
        and not hasattr(screen, f"action_{binding.action.partition('(')[0]}")
        and not hasattr(FieldApp, f"action_{binding.action.partition('(')[0]}")
    ]
    assert not missing


def test_keys_leave_terminals_and_editors_theirs() -> None:
    used = {key for action in ACTIONS.values() for key in action.keys.split(",")}
    assert not used & TAKEN
    assert not [key for key in used if key.startswith(("ctrl+shift", "alt+"))], "many terminals do not send these"


def test_every_action_has_words_for_footer_help_and_palette() -> None:
    for action in ACTIONS.values():
        assert action.label
        assert len(action.label) <= 16
        assert action.help.endswith((".", "简体中文, 繁體中文."))
        assert action.noun
        assert display(action.keys.split(",")[0])
    assert len(ACTIONS) == len({action.id for action in ACTIONS.values()})


def test_no_screen_takes_the_key_that_quits() -> None:
    assert "ctrl+q" not in {key for screen in screens() for binding in offered(screen) for key in binding.key.split(",")}
    assert any("ctrl+q" in binding.key for binding in App.BINDINGS if isinstance(binding, Binding))


def test_bindings_keep_the_order_of_the_footer() -> None:
    assert [binding.id for binding in bindings("travel", "accept")] == ["travel", "accept"]
