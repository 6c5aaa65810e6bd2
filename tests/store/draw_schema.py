"""Prints the first step of each kind, drawn from the tables: `python tests/store/draw_schema.py device|server`.

Until the first release the first steps may be drawn again; after it, they never change and a new step follows.
"""

import sys

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from fieldapp.store.tables import DEVICE, SERVER, Base


def device() -> str:
    statements = []
    for name in DEVICE:
        table = Base.metadata.tables[name]
        statements.append(str(CreateTable(table).compile(dialect=sqlite.dialect())).strip().replace("\t", "  "))
        statements += [
            str(CreateIndex(index).compile(dialect=sqlite.dialect())).strip()
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        ]
    lines = [line.rstrip() for line in (";\n\n".join(statements) + ";\n").splitlines()]
    return "\n".join(line for line in lines if line) + "\n"


def server() -> str:
    wanted = MetaData()
    for name in SERVER:
        Base.metadata.tables[name].to_metadata(wanted)
    with create_engine("sqlite://").connect() as conn:
        script = produce_migrations(MigrationContext.configure(conn), wanted)
    assert script.upgrade_ops is not None
    code = render_python_code(script.upgrade_ops).replace("sqlmodel.sql.sqltypes.AutoString()", "sa.String()")
    lines = [line.strip() if not line.startswith("    ") else line[4:] for line in code.splitlines()]
    body = "\n".join("    " + line for line in lines if line.strip() and not line.strip().startswith("#"))
    return (
        '"""The first tables."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = "0001"\ndown_revision = None\n'
        f"branch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n{body}\n"
    )


if __name__ == "__main__":
    sys.stdout.write({"device": device, "server": server}[sys.argv[1]]())
