"""What a server needs to know before it starts. Environment variables begin with FIELDAPP_SERVER_."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from fieldapp.domain.problem import Problem
from fieldapp.store.evidence import FILE_LIMIT
from fieldapp.sync.protocol import is_loopback


class ServerSettings(BaseSettings):
    """One server. Every field has a default that is safe on one machine.

    Fields: home: folder of database, files and logs. database: URL, SQLite in the home when empty.
    tls_cert, tls_key: PEM files. trusted_proxy: addresses (comma-separated) of a proxy that ends TLS in front of this server; only
    its X-Forwarded headers are believed. metrics_token: lets a scraper that is not on this machine read /metrics.
    oldest_version: clients before it are asked to upgrade when they pull. reserve_bytes: files are refused (507) when less is free.
    workers: processes that serve; more than one needs PostgreSQL.
    backup_dir: folder, on another disk, that the server backs itself up to every backup_hours; the newest backup_keep stay.
    """

    model_config = SettingsConfigDict(env_prefix="FIELDAPP_SERVER_", extra="forbid", frozen=True)

    home: Path = Field(default_factory=lambda: user_data_path("fieldapp") / "server")
    database: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8440, ge=0, le=65535)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxy: str = ""
    metrics_token: str = ""
    oldest_version: str = ""
    token_hours: int = Field(default=12, ge=1, le=24 * 30)
    code_hours: int = Field(default=72, ge=1, le=24 * 30)
    file_bytes: int = Field(default=FILE_LIMIT, ge=1)
    reserve_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    subscribers: int = Field(default=2000, ge=1)
    workers: int = Field(default=1, ge=1, le=64)
    backup_dir: Path | None = None
    backup_hours: int = Field(default=24, ge=1, le=24 * 30)
    backup_keep: int = Field(default=14, ge=1, le=1000)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'server.db'}"

    @property
    def files_dir(self) -> Path:
        return self.home / "files"

    @property
    def log_file(self) -> Path:
        return self.home / "logs" / "server.log"


def check_exposure(settings: ServerSettings) -> None:
    """Plain HTTP stays on this machine: what leaves it is encrypted here or by a proxy that the administrator names.

    Raises:
        Problem: `plain-http-refused`, `tls-incomplete`.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise Problem("tls-incomplete", "A TLS certificate and its key belong together; one of them is missing.")
    for file in (settings.tls_cert, settings.tls_key):
        if file is not None and not file.is_file():
            raise Problem("tls-incomplete", f"The TLS file {file} does not exist.")
    if settings.tls_cert is None and not settings.trusted_proxy and not is_loopback(settings.host):
        raise Problem(
            "plain-http-refused",
            f"Serving {settings.host} without TLS would send everything readable over the network.",
            "Give --tls-cert and --tls-key, or name the proxy in front of it with --trusted-proxy.",
        )
