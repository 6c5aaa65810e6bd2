"""Writing what is only on this device to a file: the way out when the network, or the machine, gives up.

The screens and the command line both write through here, so that the office gets one and the same kind of file.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fieldapp.domain.problem import Problem
from fieldapp.store.journal import Journal, parse_journal, sync_folder


def unsent_name(device: str, moment: str) -> str:
    """A file's name that says whose work it holds and from when, so that none is taken for another.

    Args:
        device: short code of the device. moment: local date and time, such as `20261120-0942`.
    """
    return f"fieldapp-unsent-{device}-{moment}.jsonl"


def write_unsent(journal: Journal, path: Path) -> int:
    """Write the journal's lines to a new file, durably. Returns how many entries it holds.

    Raises:
        Problem: `journal-failed`; `file-exists`; `file-unwritable`.
    """
    data = journal.content()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.absolute().parent)
    except OSError as error:
        if error.errno == errno.EEXIST:
            raise Problem(
                "file-exists", "There is a file of that name already.", "Nothing was written; give another name."
            ) from None
        raise Problem(
            "file-unwritable", f"The file cannot be written there ({error.strerror}).", "Nothing was lost; choose another place."
        ) from error
    return len(parse_journal(data).lines)
