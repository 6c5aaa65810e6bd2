"""Databases and devices for tests, copied from ready-made ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from fieldapp.store.database import Database
from fieldapp.store.migrations import migrate_device
from fieldapp.store.verify import verify_server
from tests.store.devices import Device, MakeDevice
from tests.store.pens import Pen, conserved

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def device_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("templates") / "device.db"
    db = Database(f"sqlite:///{path}")
    migrate_device(db)
    db.close()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def server_db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A server's database with all tables, on SQLite and then on PostgreSQL."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("server_template"), tmp_path / "server.db")
        db = Database(f"sqlite:///{tmp_path / 'server.db'}")
    else:
        db = Database(request.getfixturevalue("fresh_postgres")(True))
    yield db
    db.close()


@pytest.fixture
def sqlite_server(server_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A server's database where the device is what is under test."""
    shutil.copy(server_template, tmp_path / "server.db")
    db = Database(f"sqlite:///{tmp_path / 'server.db'}")
    yield db
    db.close()


@pytest.fixture
def make_device(tmp_path: Path, device_template: Path) -> Iterator[MakeDevice]:
    """Makes devices (arguments as of Device after the template) and closes them at the end."""
    made: list[Device] = []

    def make(name: str = "d-lin", person: str = "p-lin", role: str = "technician") -> Device:
        made.append(Device(tmp_path, device_template, name, person, role))
        return made[-1]

    yield make
    for device in made:
        device.close()


@pytest.fixture(scope="session")
def world_templates(server_template: Path, device_template: Path) -> tuple[Path, Path]:
    """For properties, which make their worlds by the dozen."""
    return server_template, device_template


@pytest.fixture
def boss() -> Pen:
    return Pen("d-boss", "p-mei", "supervisor")


@pytest.fixture
def lin() -> Pen:
    return Pen("d-lin", "p-lin", "technician")


@pytest.fixture
def sound(server_db: Database) -> Iterator[None]:
    """Whatever a test does, the log must verify and nothing received may be missing."""
    yield
    assert conserved(server_db)
    assert verify_server(server_db) == ()
