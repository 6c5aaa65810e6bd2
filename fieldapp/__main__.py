"""`python -m fieldapp` and the `fieldapp` command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldapp.opening import Opening


def main() -> None:
    from fieldapp.commands import run

    sys.exit(run(sys.argv[1:], open_app))


def open_app(opening: Opening) -> int:
    """Show the screens; their library is imported only now."""
    from fieldapp.screens.launch import launch

    return launch(opening)


if __name__ == "__main__":
    main()
