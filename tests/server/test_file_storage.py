"""What every storage of files has to hold, whatever it is made of. There is one so far, a folder; another one joins STORAGES."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldapp.server.file_storage import FileStorage, FolderStorage, StorageFull

STORAGES: dict[str, Callable[[Path], FileStorage]] = {"folder": FolderStorage}
DATA = bytes(range(256)) * 20
NAME = hashlib.sha256(DATA).hexdigest()
PARTS = [DATA[:2000], DATA[2000:4000], DATA[4000:]]


@pytest.fixture(params=STORAGES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], FileStorage]:
    """The same storage, opened anew with each call, as by another process."""
    return lambda: STORAGES[request.param](tmp_path / "files")


def whole(storage: FileStorage) -> bytes:
    return b"".join(storage.read(NAME, 0, len(DATA)))


def test_a_file_is_made_of_its_parts_in_whatever_order_they_come(make: Callable[[], FileStorage]) -> None:
    assert (make().parts(NAME), make().has(NAME), make().began(NAME, 0)) == ({}, False, 0)
    for number in (2, 0, 1, 0):
        make().put_part(NAME, number, PARTS[number])
    assert make().parts(NAME) == {number: len(part) for number, part in enumerate(PARTS)}
    assert make().assemble(NAME, 3)
    assert make().has(NAME)
    assert whole(make()) == DATA
    assert b"".join(make().read(NAME, 1999, 3)) == DATA[1999:2002]
    make().drop_parts(NAME)
    assert make().parts(NAME) == {}
    assert whole(make()) == DATA


@pytest.mark.parametrize("cut", [1, 2, 1000, 1999])
def test_a_part_grows_by_pieces_from_wherever_the_last_one_was_cut(cut: int, make: Callable[[], FileStorage]) -> None:
    make().put_piece(NAME, 0, 0, PARTS[0][:cut], len(PARTS[0]))
    assert (make().began(NAME, 0), make().parts(NAME)) == (cut, {})
    make().put_piece(NAME, 0, cut + 1, PARTS[0][cut + 1 :], len(PARTS[0]))
    assert make().began(NAME, 0) == cut, "what leaves a hole is not kept"
    make().put_piece(NAME, 0, cut // 2, PARTS[0][cut // 2 :], len(PARTS[0]))
    assert make().parts(NAME) == {0: len(PARTS[0])}
    assert make().began(NAME, 0) == 0
    for number in (1, 2):
        make().put_part(NAME, number, PARTS[number])
    assert make().assemble(NAME, 3)
    assert whole(make()) == DATA


def test_another_content_is_no_file_and_its_parts_stay_until_they_are_dropped(make: Callable[[], FileStorage]) -> None:
    for number, part in enumerate((PARTS[0], PARTS[1], PARTS[2][::-1])):
        make().put_part(NAME, number, part)
    assert not make().assemble(NAME, 3)
    assert not make().has(NAME)
    assert len(make().parts(NAME)) == 3


def test_two_who_bring_and_complete_the_same_file_at_once_make_one(make: Callable[[], FileStorage]) -> None:
    made: list[bool] = []

    def bring() -> None:
        storage = make()
        for number, part in enumerate(PARTS):
            for start in range(0, len(part), 500):
                storage.put_piece(NAME, number, start, part[start : start + 500], len(part))
        made.append(storage.assemble(NAME, 3))

    threads = [threading.Thread(target=bring) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [True] * 3
    assert whole(make()) == DATA


def test_without_room_nothing_is_kept(tmp_path: Path) -> None:
    full = FolderStorage(tmp_path / "files", reserve_bytes=1 << 60)
    with pytest.raises(StorageFull):
        full.put_part(NAME, 0, PARTS[0])
    with pytest.raises(StorageFull):
        full.put_piece(NAME, 0, 0, PARTS[0][:5], len(PARTS[0]))
    assert (full.parts(NAME), full.began(NAME, 0)) == ({}, 0)
