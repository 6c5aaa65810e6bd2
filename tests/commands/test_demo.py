"""`demo --prepare`: a server and two devices that work, from one command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.runs import Commands, Device, Processes
from tests.commands.test_documentation import keys, shape_of

pytestmark = pytest.mark.timeout(180)


def test_the_demo_is_prepared_once_and_its_devices_have_work(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    made = Processes("--home", str(folder))("demo", "--prepare", "--port", "0", "--json").json
    assert keys(made) == keys(shape_of("demo"))
    assert made["made"]
    technician, supervisor = (Device(Path(made["homes"][role])) for role in ("technician", "supervisor"))
    assert technician("jobs", "--open", "--json").json
    (photo,) = (Path(made["homes"]["technician"]) / "inbox").iterdir()
    assert photo.read_bytes().startswith(b"\x89PNG")
    assert len(supervisor("jobs", "--json").json) > len(technician("jobs", "--json").json)
    technician("do", "J-1051", "accept").good()
    again = Commands("--home", str(folder))("demo", "--prepare", "--json").json
    assert again == made | {"made": False}
    assert technician("job", "J-1051", "--json").json["status"] == "accepted"
    people = Commands("--server-home", made["server_home"])("admin", "person", "list", "--json").json
    assert len(people) > 8
