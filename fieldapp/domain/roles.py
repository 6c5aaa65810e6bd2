"""Who does what: sets of roles that the lifecycle table and the entry types name."""

from __future__ import annotations

TECHNICIAN = frozenset({"technician"})
OFFICE = frozenset({"supervisor", "dispatcher", "admin", "rule"})
"""`rule` is the server itself, for entries that rules or fixtures make."""
FIELD = TECHNICIAN | {"supervisor", "rule"}
"""Who works on a job: a supervisor with a laptop may do so too."""
EVERYONE = FIELD | OFFICE | {"expert"}
ADMIN = frozenset({"admin", "rule"})
"""Who gives roles: nobody else may raise anybody, themselves included."""
WHOLE_LOG = OFFICE | {"expert"}
"""Who reads whole logs; the others hold the streams their jobs need."""
