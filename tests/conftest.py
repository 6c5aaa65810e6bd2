"""Fixtures for all tests: one PostgreSQL for a whole test process, whichever packages its tests come from."""

from __future__ import annotations

from tests.databases import postgres, postgres_url, server_url

__all__ = ["postgres", "postgres_url", "server_url"]
