"""`python -m tests.golden FOLDER` records a new corpus of the protocol as it is spoken now, in a folder that is not there yet.

The corpus in protocol1/ was recorded once and is replayed by the tests from then on: devices in the field speak it. It is not to
be recorded again when a test that replays it fails; what made the test fail is to be mended.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.golden.recording import record


def main(words: list[str]) -> int:
    if len(words) != 1 or Path(words[0]).exists():
        sys.stderr.write("Name a folder that is not there yet: python -m tests.golden FOLDER\n")
        return 2
    count = record(Path(words[0]))
    sys.stdout.write(f"{count} exchanges in {words[0]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
