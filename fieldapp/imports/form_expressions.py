"""Looks at the expressions of a form before they become part of a standard."""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"\$\{\s*([^}]*?)\s*\}")
_INSTANCE = re.compile(r"""\binstance\(\s*['"]([^'"]+)['"]""")
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|\$\{[^}]*\}|[A-Za-z_][\w.\-]*(?:\s*\()?|.""", re.DOTALL)
_OPERATORS = frozenset({"and", "or", "div", "mod", "true", "false"})


def references(text: str) -> tuple[str, ...]:
    """Names in `${name}` references, in the order of the text."""
    return tuple(_REFERENCE.findall(text))


def named_lists(text: str) -> tuple[str, ...]:
    """Choice lists that an expression looks into (`instance('towns')`)."""
    return tuple(_INSTANCE.findall(text))


def reference_fault(text: str, known: frozenset[str], dropped: dict[str, int]) -> str:
    """Why a reference of `text` leads nowhere; '' where all lead somewhere.

    Args:
        known: names of steps and groups. dropped: names of rows that were left out, with their row.
    """
    for name in references(text):
        if name in dropped:
            return f"refers to ${{{name}}}, but row {dropped[name]} is device data that is not kept"
        if name not in known:
            return f"refers to ${{{name}}}, but no question has that name"
    return ""


def quote_filter_words(text: str, columns: frozenset[str], values: frozenset[str]) -> tuple[str, tuple[str, ...], str]:
    """Read a choice_filter: bare words must be columns of the choices sheet.

    In XPath a bare word that is no column compares with nothing at all, so the list would always be empty. Where the word is
    one of the values that stand in those columns, the quotes were forgotten: they are added.

    Returns:
        (text with the quotes, the words that were quoted, the word that is neither column nor value or '').
    """
    out: list[str] = []
    quoted: list[str] = []
    for token in _TOKEN.findall(text):
        bare = token[0].isalpha() or token[0] == "_"
        if bare and not token.endswith("(") and token not in _OPERATORS and token not in columns:
            if token not in values:
                return text, (), token
            quoted.append(token)
            token = f"'{token}'"
        out.append(token)
    return "".join(out), tuple(quoted), ""


def syntax_fault(text: str, known: frozenset[str], lists: frozenset[str]) -> str:
    """Why `text` is not an expression of the XLSForm language over these names and choice lists; '' where it is one."""
    from fieldapp.domain.expression import check_expression
    from fieldapp.domain.problem import Problem

    try:
        check_expression(text, known, lists)
    except Problem as problem:
        return str(problem)
    return ""
