"""Why bytes lie aside that came to the server in a file."""

IMPORTED = "it was imported from a file; its device has not sent it itself"
IMPORTED_IN_PART = "it was imported from a file in which what was recorded together with it is missing or damaged"
ARRIVED = "its device has sent it itself since"
