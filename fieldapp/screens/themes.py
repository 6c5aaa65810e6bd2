"""Three sets of colours: dark, light and high contrast. Every state also has a glyph and a word; colour only repeats it.

The hues of success, warning and error are told apart by people with the common forms of colour blindness (blue-green, amber and
vermilion after Okabe and Ito, "Color Universal Design", 2008).
"""

from __future__ import annotations

from textual.theme import Theme

THEMES = (
    Theme(
        name="field-dark",
        primary="#4ea1d3",
        secondary="#7fb7d9",
        accent="#e0a84e",
        foreground="#e6e9ec",
        background="#11161b",
        surface="#182027",
        panel="#202a33",
        success="#3fbf9b",
        warning="#e6b33e",
        error="#f0744c",
        dark=True,
        variables={
            "footer-background": "#202a33",
            "footer-key-foreground": "#e6b33e",
            "block-cursor-background": "#2b5d80",
            "block-cursor-foreground": "#ffffff",
            "block-cursor-blurred-background": "#24343f",
            "border": "#4ea1d3",
            "text-muted": "#98a6b1",
        },
    ),
    Theme(
        name="field-light",
        primary="#00628f",
        secondary="#33708f",
        accent="#8a5a00",
        foreground="#16202a",
        background="#fbfbf8",
        surface="#f1f2ee",
        panel="#e3e7e6",
        success="#00704f",
        warning="#8a5a00",
        error="#b53a12",
        dark=False,
        variables={
            "footer-background": "#e3e7e6",
            "footer-key-foreground": "#8a5a00",
            "block-cursor-background": "#00628f",
            "block-cursor-foreground": "#ffffff",
            "block-cursor-blurred-background": "#cfdde4",
            "border": "#00628f",
            "text-muted": "#525e68",
        },
    ),
    Theme(
        name="field-contrast",
        primary="#00d0ff",
        secondary="#9be8ff",
        accent="#ffd400",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1a1a1a",
        success="#00f0b0",
        warning="#ffd400",
        error="#ff8a5c",
        dark=True,
        variables={
            "footer-background": "#1a1a1a",
            "footer-key-foreground": "#ffd400",
            "block-cursor-background": "#ffffff",
            "block-cursor-foreground": "#000000",
            "block-cursor-blurred-background": "#333333",
            "border": "#ffffff",
            "text-muted": "#d0d0d0",
        },
    ),
)
"""Registered by the app; Ctrl+T goes round them."""
