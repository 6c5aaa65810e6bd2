"""Read models of a device: what lists, screens and commands show.

The light road: plain `sqlite3` on a read-only connection, no SQLAlchemy, so that the first frame and every command that only reads
start at once (SQLModel costs 0.4 s to import). A device's database is always SQLite. tests/store compares names with
the tables. **Everything that reads a device's database goes through here; everything that writes goes through the replica.**
"""
