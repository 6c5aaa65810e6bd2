"""A thin connection: SQLAlchemy's own statements, compiled by SQLAlchemy, run on SQLite without the rest of its engine.

Four fifths of a run were spent in pools, events, execution contexts and result metadata. The statements, their values and what
SQLite answers are the same; only what stands between them is less.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import sqlite

from fieldapp.server import accounts, files
from fieldapp.server import erasing as server_erasing
from fieldapp.store import deciding, device, erasing, lines, receiving, scope, server

COLUMN_USERS = (
    accounts, files, server_erasing, deciding, device, erasing, lines, receiving, scope, server,
)  # fmt: skip
"""Modules that name columns by `col`."""


def plain_column(attribute: Any) -> Any:
    """The column itself instead of the mapped attribute: the same SQL, built at half the cost."""
    return attribute.property.columns[0] if type(attribute.property).__name__ == "ColumnProperty" else attribute


_DIALECT = sqlite.dialect(paramstyle="qmark")  # type: ignore[no-untyped-call]
_COMPILED: dict[Any, Any] = {}
_PLANS: dict[int, _Plan] = {}
_OWN: dict[int, tuple[Any, _Plan, Any]] = {}


class _Plan:
    """How one compiled statement is run: names and processors of its columns, where its values come from."""

    __slots__ = ("compiled", "expands", "make", "processors")

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.expands = bool(compiled.post_compile_params or compiled.literal_execute_params)
        columns = compiled._result_columns or ()
        found = [column.type._cached_result_processor(_DIALECT, None) for column in columns]
        self.processors = [(number, process) for number, process in enumerate(found) if process]
        names = [column.keyname for column in columns]
        self.make = namedtuple("Row", names, rename=True)._make if names else tuple  # type: ignore[misc]

    def values(self, extracted: Any, params: Mapping[str, Any] | None) -> tuple[str, Sequence[Any]]:
        compiled = self.compiled
        values = compiled.construct_params(params, extracted_parameters=extracted, escape_names=False)
        sql, order, processors = compiled.string, compiled.positiontup or (), compiled._bind_processors
        if self.expands:
            state = compiled._process_parameters_for_postcompile(values)
            sql, order, values = state.statement, state.positiontup or (), {**values, **state.additional_parameters}
            processors = {**processors, **state.processors}
        if processors:
            return sql, [processors[name](values[name]) if name in processors else values[name] for name in order]
        return sql, [values[name] for name in order]


class Result:
    """Rows, in the few ways that the program asks for them."""

    def __init__(self, cursor: sqlite3.Cursor, make: Callable[[Any], Any], processors: Sequence[tuple[int, Any]]) -> None:
        self._cursor, self._make, self._processors = cursor, make, processors
        self.rowcount = cursor.rowcount

    def _row(self, values: Any) -> Any:
        if self._processors:
            values = list(values)
            for number, process in self._processors:
                values[number] = process(values[number])
        return self._make(values)

    def __iter__(self) -> Iterator[Any]:
        return map(self._row, self._cursor)

    def all(self) -> list[Any]:
        return [self._row(values) for values in self._cursor.fetchall()]

    def first(self) -> Any:
        values = self._cursor.fetchone()
        self._cursor.close()
        return None if values is None else self._row(values)

    fetchone = one_or_none = first

    def one(self) -> Any:
        row = self.first()
        assert row is not None
        return row

    def scalar(self) -> Any:
        row = self.first()
        return None if row is None else row[0]

    def scalar_one(self) -> Any:
        return self.one()[0]

    scalar_one_or_none = scalar

    def scalars(self) -> Scalars:
        return Scalars(self)

    def fetchmany(self, size: int) -> list[Any]:
        return [self._row(values) for values in self._cursor.fetchmany(size)]

    def close(self) -> None:
        self._cursor.close()


class Scalars:
    """The first column."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def __iter__(self) -> Iterator[Any]:
        return (row[0] for row in self._result)

    def all(self) -> list[Any]:
        return [row[0] for row in self._result.all()]

    def first(self) -> Any:
        return self._result.scalar()


class ThinConnection:
    """What stores use of a SQLAlchemy connection, over one SQLite connection."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.driver_connection = raw
        self.connection = self  # `plain` asks for conn.connection.driver_connection
        self.dialect = _DIALECT

    def execute(self, statement: Any, params: Any = None, *, execution_options: object = None) -> Result:
        if type(params) is dict and not statement.is_dml:  # a statement of a module's own, with values apart
            known = _OWN.get(id(statement))
            if known is not None:
                sql, values = known[1].values(known[2], params)
                return Result(self.driver_connection.execute(sql, values), known[1].make, known[1].processors)
        many = isinstance(params, list | tuple) and len(params) > 1
        first = params[0] if isinstance(params, list | tuple) and params else params
        keys = sorted(first) if first else []
        compiled, extracted, _, _ = statement._compile_w_cache(
            dialect=_DIALECT, compiled_cache=_COMPILED, column_keys=keys, for_executemany=many
        )
        plan = _PLANS.get(id(compiled))
        if plan is None:
            plan = _PLANS[id(compiled)] = _Plan(compiled)
        if many:
            rows = [plan.values(extracted, row) for row in params]
            return Result(self.driver_connection.executemany(rows[0][0], [values for _, values in rows]), tuple, ())
        if type(params) is dict and not statement.is_dml:
            _OWN[id(statement)] = (statement, plan, extracted)
        sql, values = plan.values(extracted, first)
        return Result(self.driver_connection.execute(sql, values), plan.make, plan.processors)

    def exec_driver_sql(self, sql: str, params: Any = ()) -> Result:
        if isinstance(params, list):
            return Result(self.driver_connection.executemany(sql, params), tuple, ())
        return Result(self.driver_connection.execute(sql, params), tuple, ())
