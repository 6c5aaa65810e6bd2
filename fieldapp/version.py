"""Which Fieldapp this is."""

from __future__ import annotations


def version() -> str:
    """The installed version; `unknown` where it runs from a folder that was never installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("fieldapp")
    except PackageNotFoundError:
        return "unknown"
