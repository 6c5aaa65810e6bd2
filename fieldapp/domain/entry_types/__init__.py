"""The entry types. **A new one goes into the file of its family here, and nowhere else**: a body class that carries its name, its
effect, who may record it, and how each kind of stream folds it.
"""

from fieldapp.domain.entry_types import customer, erasure, lifecycle, office, reference, steps, work
from fieldapp.domain.entry_types.base import ENTRY_TYPES, Body, Fact, read_body, type_of

__all__ = [
    "ENTRY_TYPES", "Body", "Fact", "customer", "erasure", "lifecycle", "office", "read_body", "reference", "steps", "type_of",
    "work",
]  # fmt: skip
