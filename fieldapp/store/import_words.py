"""Why bytes lie aside that came to the server in a file."""

IMPORTED = "it was imported from a file; its device has not sent it itself"
IMPORTED_IN_PART = "it was imported from a file in which what was recorded together with it is missing or damaged"
IMPORTED_OTHER = "it was imported from a file, and another entry with the same id was received before"
BY_FILE = "it was imported from a file"
"""How each of these reasons begins; whoever hands bytes over itself cannot say so."""
ARRIVED = "its device has sent it itself since"
