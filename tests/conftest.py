"""Fixtures for all tests: one PostgreSQL for a whole test process, whichever packages its tests come from."""

from __future__ import annotations

from tests.databases import fresh_postgres, postgres, postgres_url, server_template, server_url

__all__ = ["fresh_postgres", "postgres", "postgres_url", "server_template", "server_url"]
