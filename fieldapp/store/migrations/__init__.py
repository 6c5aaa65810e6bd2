"""Steps from any older database of ours to the present tables.

`device/NNNN.sql`: numbered steps of a device, counted by `PRAGMA user_version`; no Alembic there, it costs too much start-up time.
`server/versions/`: Alembic revisions, for SQLite and PostgreSQL. **A change of store/tables.py needs a new step in each folder that
has the table**; tests/store/test_migrations.py compares what the steps make with the tables.
"""

from fieldapp.store.migrations.device_steps import migrate_device
from fieldapp.store.migrations.server_steps import migrate_server, refuse_foreign

__all__ = ["migrate_device", "migrate_server", "refuse_foreign"]
