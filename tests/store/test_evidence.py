"""Taking files into the home: whole and named by their content, or refused in one clear sentence with nothing left behind."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from fieldapp.domain.entry import FileRef, encode
from fieldapp.domain.problem import Problem
from fieldapp.store.evidence import NAME_LIMIT, media_of, take_in, take_in_bytes
from fieldapp.store.home import Home

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def kept(home: Home) -> list[str]:
    return sorted(path.name for path in home.files.iterdir()) if home.files.exists() else []


def test_a_file_is_kept_under_its_hash_and_read_again(home: Home, tmp_path: Path) -> None:
    content = JPEG + os.urandom(3 * 1024 * 1024)
    (tmp_path / "Photo 1.jpg").write_bytes(content)
    ref = take_in(home, tmp_path / "Photo 1.jpg")
    assert ref == FileRef(hashlib.sha256(content).hexdigest(), len(content), "Photo 1.jpg", "image/jpeg")
    assert kept(home) == [ref.sha256]
    assert (home.files / ref.sha256).read_bytes() == content
    assert (tmp_path / "Photo 1.jpg").exists()


def test_a_copy_is_on_the_disk_before_it_gets_its_name_and_its_folder_after(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut at any moment leaves behind is the whole file, or none of that name."""
    fsync, replace, order = os.fsync, Path.replace, list[str]()

    def synced(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes")
        fsync(handle)

    def named(source: Path, target: Path) -> Path:
        order.append("named")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    ref = take_in_bytes(home, b"x" * 1000, "a.txt")
    assert order == ["1000 bytes", "named", *(["folder"] if os.name != "nt" else [])]
    assert kept(home) == [ref.sha256]


def test_the_same_content_twice_is_kept_once(home: Home) -> None:
    first, second = take_in_bytes(home, b"same", "a.txt"), take_in_bytes(home, b"same", "b.txt")
    assert first.sha256 == second.sha256
    assert (first.name, second.name) == ("a.txt", "b.txt")
    assert kept(home) == [first.sha256]


def test_a_damaged_copy_is_replaced(home: Home) -> None:
    ref = take_in_bytes(home, b"whole", "a.txt")
    (home.files / ref.sha256).write_bytes(b"wh")
    take_in_bytes(home, b"whole", "a.txt")
    assert (home.files / ref.sha256).read_bytes() == b"whole"


def test_an_empty_file_is_a_file(home: Home, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert take_in(home, tmp_path / "empty").size == 0


def test_a_link_to_a_file_will_do(home: Home, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\nx")
    (tmp_path / "latest").symlink_to(tmp_path / "photo.png")
    assert take_in(home, tmp_path / "latest").media == "image/png"


def test_a_file_too_large_leaves_nothing(home: Home, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x" * 3_000_000)
    with pytest.raises(Problem) as refused:
        take_in(home, tmp_path / "film.mp4", limit=2 * 1024 * 1024)
    assert refused.value.code == "file-too-large"
    assert "2 MiB" in refused.value.message
    assert kept(home) == []


def _loop(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def _link_to_nothing(folder: Path) -> Path:
    (folder / "dangling").symlink_to(folder / "nowhere")
    return folder / "dangling"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nowhere.jpg", "No such file"),
        (lambda folder: folder, "it is a folder"),
        (lambda folder: Path("/dev/zero"), "it is a device"),
        (_pipe, "it is a device"),
        (_loop, "too many links"),
        (_link_to_nothing, "No such file"),
        (lambda folder: folder / ("x" * 5000), "name too long"),
        (lambda folder: folder / "a\x00b", "null byte"),
    ],
    ids=["missing", "folder", "device", "pipe", "loop", "dangling", "long", "nul"],
)
def test_what_is_no_file_is_refused_in_words(home: Home, tmp_path: Path, make: object, words: str) -> None:
    with pytest.raises(Problem) as refused:
        take_in(home, make(tmp_path))  # type: ignore[operator]
    assert refused.value.code == "file-unusable"
    assert words in refused.value.message
    assert kept(home) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_one_may_not_read_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0o000)
    with pytest.raises(Problem) as refused:
        take_in(home, tmp_path / "secret")
    assert refused.value.code == "file-unusable"


def test_a_home_that_cannot_hold_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(Problem) as refused:
        take_in_bytes(Home(tmp_path / "home"), b"x", "x.txt")
    assert refused.value.code == "home-unusable"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"caf\xe9.jpg", "caf�.jpg"),
        ("冷水机组.jpg".encode(), "冷水机组.jpg"),
        (b"\x1b]52;c;x\x07.txt", "\x1b]52;c;x\x07.txt"),
        (b"x" * 200 + b".jpeg", "x" * (NAME_LIMIT - 5) + ".jpeg"),
    ],
    ids=["other encoding", "Chinese", "escapes", "long"],
)
def test_any_name_can_stand_in_an_entry(home: Home, tmp_path: Path, name: bytes, expected: str) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"content")
    ref = take_in(home, path)
    assert ref.name == expected
    assert encode(ref)


def test_what_a_crash_left_is_swept_away(home: Home) -> None:
    home.prepare()
    (home.files / ".coming-1-0").write_bytes(b"half")
    ref = take_in_bytes(home, b"whole", "a.txt")
    assert kept(home) == [ref.sha256]


@pytest.mark.parametrize(
    ("name", "beginning", "media"),
    [
        ("a.bin", JPEG, "image/jpeg"),
        ("a.jpg", b"%PDF-1.7", "application/pdf"),
        ("a", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("IMG_1", b"\x00\x00\x00\x18ftypheic", "image/heic"),
        ("readings.CSV", b"a;b", "text/csv"),
        ("a.exe", b"MZ", "application/octet-stream"),
        ("noname", b"", "application/octet-stream"),
    ],
)
def test_the_content_tells_the_media_type_before_the_name(name: str, beginning: bytes, media: str) -> None:
    assert media_of(name, beginning) == media
