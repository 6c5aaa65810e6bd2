"""`python -m fieldapp` and the `fieldapp` command."""

from __future__ import annotations

import sys


def main() -> None:
    from fieldapp.commands import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
