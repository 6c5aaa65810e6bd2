"""Entries: exact bytes, hashes that notice every change, and foreign bytes judged strictly."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldapp.domain import text
from fieldapp.domain.entry import (
    BODY_LIMIT,
    EARLIEST_MS,
    ENVELOPE_LIMIT,
    GROUP_LIMIT,
    LATEST_MS,
    Entry,
    Envelope,
    FileRef,
    Moment,
    chain_hash,
    encode,
    read_entry,
    sha256,
    write_entry,
)
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.domain.problem import Problem
from fieldapp.domain.text import DEPTH_LIMIT, WHOLE_LIMIT, strict_json
from tests.domain.lives import START_MS, uuid

HASH = "0f" * 32
ENVELOPE = Envelope(
    id=uuid(1), log="north", stream="job:j-1", type="note.added", author="p-lin", device="d-1", group=uuid(2),
    at=Moment(START_MS, 60, "boot", 5, -3000), body="", also=("asset:a-1",), n=1, of=3, base=uuid(9),
    files=(FileRef(HASH, 10, "a.jpg"),),
)  # fmt: skip


def changed(**fields: Any) -> Envelope:
    return msgspec.structs.replace(ENVELOPE, **fields)


def test_what_is_written_is_read() -> None:
    entry = write_entry(ENVELOPE, b'{"text":"x"}')
    assert entry.envelope == changed(body=sha256(b'{"text":"x"}'))
    assert read_entry(entry.raw, entry.body_raw) == read_entry(entry.raw, entry.body_raw, trusted=True) == entry
    assert read_entry(entry.raw, None).hash == entry.hash  # the body may be erased
    assert entry.id == uuid(1)
    assert entry.size == len(entry.raw) + 12
    assert entry.envelope.streams == ("job:j-1", "asset:a-1")
    assert entry.envelope.corrected == START_MS - 3000


def test_times_far_off_are_doubtful() -> None:
    for skew, doubtful in ((None, False), (0, False), (120_000, False), (-120_000, False), (120_001, True), (-120_001, True)):
        assert changed(at=Moment(0, skew=skew)).doubtful is doubtful
    assert changed(at=Moment(5, skew=None)).corrected == 5


names = st.text("abcxyzABC019._-", min_size=1, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
envelopes = st.builds(
    lambda stream, author, device, wall, skew, also, file: changed(
        stream=f"job:{stream}", author=author, device=device, at=Moment(wall, 0, "b", 1, skew),
        also=tuple(f"asset:{name}" for name in sorted(also)), files=(FileRef(HASH, 1, file),),
    ),
    names, names, names, st.integers(0, 4 * 10**12), st.none() | st.integers(-(10**9), 10**9), st.sets(names, max_size=3), texts,
)  # fmt: skip
bodies = texts.map(lambda words: encode(NoteAdded(words)))


@given(envelopes, bodies)
def test_same_content_same_hash(envelope: Envelope, body: bytes) -> None:
    first, second = write_entry(envelope, body), write_entry(envelope, bytes(bytearray(body)))
    assert (first.hash, first.raw) == (second.hash, second.raw)
    assert read_entry(first.raw, body) == first
    assert first.hash == hashlib.sha256(first.raw).hexdigest()
    assert read_entry(first.raw, body).envelope.body == hashlib.sha256(body).hexdigest()


@given(envelopes, bodies, st.data())
def test_any_changed_byte_is_noticed(envelope: Envelope, body: bytes, data: st.DataObject) -> None:
    entry = write_entry(envelope, body)
    flip = data.draw(st.integers(1, 255))
    place = data.draw(st.integers(0, len(entry.raw) - 1))
    raw = bytearray(entry.raw)
    raw[place] ^= flip
    assert Entry(entry.envelope, bytes(raw), body).hash != entry.hash
    place = data.draw(st.integers(0, len(body) - 1))
    other = bytearray(body)
    other[place] ^= flip
    with pytest.raises(Problem, match="hashes differ"):
        read_entry(entry.raw, bytes(other))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_problem(raw: bytes) -> None:
    with pytest.raises(Problem):
        read_entry(raw, None)
    with pytest.raises(Problem):
        write_entry(ENVELOPE, raw) and read_entry(raw, raw)


@given(envelopes, st.data())
def test_a_cut_or_bent_envelope_is_read_or_refused_with_a_problem(envelope: Envelope, data: st.DataObject) -> None:
    raw = bytearray(write_entry(envelope, b"{}").raw)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Problem):
        assert read_entry(bytes(raw), None).raw == bytes(raw)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"id": "1"}, "id"),
        ({"id": uuid(1).upper().replace("0", "A")}, "id"),
        ({"group": uuid(1) + "\n"}, "group"),
        ({"log": "no rth"}, "log"),
        ({"author": ""}, "author"),
        ({"device": "x" * 81}, "device"),
        ({"type": "note"}, "type"),
        ({"stream": "job:"}, "stream"),
        ({"stream": "Job:1"}, "stream"),
        ({"also": ("asset:a\u202e",)}, "stream"),
        ({"also": ("job:j-1",)}, "streams"),
        ({"also": tuple(f"asset:{n}" for n in range(21))}, "streams"),
        ({"n": 3, "of": 3}, "group"),
        ({"n": -1}, "group"),
        ({"of": GROUP_LIMIT + 1}, "group"),
        ({"base": "x"}, "base"),
        ({"files": (FileRef("x", 1, "a"),)}, "file hash"),
        ({"files": (FileRef(HASH, -1, "a"),)}, "file hash"),
        ({"at": Moment(EARLIEST_MS - 1)}, "time"),
        ({"at": Moment(LATEST_MS + 1)}, "time"),
        ({"at": Moment(LATEST_MS, skew=1)}, "time"),
        ({"at": Moment(0, 1441)}, "time"),
    ],
)
def test_names_have_their_form(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(Problem, match=fault) as caught:
        write_entry(changed(**fields), b"{}")
    assert caught.value.code == "bad-entry"
    raw = encode(changed(body=sha256(b"{}"), **fields))
    with pytest.raises(Problem, match=fault):
        read_entry(raw, b"{}")


def test_limits() -> None:
    fits = b'{"text":"' + b"x" * (BODY_LIMIT - 11) + b'"}'
    assert len(fits) == BODY_LIMIT
    entry = write_entry(ENVELOPE, fits)
    with pytest.raises(Problem, match="65,537 bytes") as caught:
        write_entry(ENVELOPE, fits + b" ")
    assert caught.value.code == "body-too-large"
    foreign = encode(changed(body=sha256(fits + b" ")))
    with pytest.raises(Problem, match="65,537 bytes"):
        read_entry(foreign, fits + b" ")
    many = changed(files=(FileRef(HASH, 1, "x" * ENVELOPE_LIMIT),))
    with pytest.raises(Problem, match="32,768 are allowed"):
        write_entry(many, b"{}")
    with pytest.raises(Problem, match="32,768 are allowed"):
        read_entry(entry.raw + b" " * ENVELOPE_LIMIT, fits)


def test_what_is_no_text_is_refused_when_written() -> None:
    with pytest.raises(Problem, match="no character") as caught:
        encode(NoteAdded("\udcff"))
    assert caught.value.code == "bad-text"
    with pytest.raises(Problem, match="no character"):
        write_entry(changed(files=(FileRef(HASH, 1, "\udcff"),)), b"{}")
    with pytest.raises(Problem, match="NUL"):
        write_entry(changed(files=(FileRef(HASH, 1, "a\0b"),)), b"{}")


def test_unknown_fields_of_an_envelope_stay_in_its_bytes() -> None:
    raw = encode({**msgspec.to_builtins(changed(body=sha256(b"{}"))), "signature": "later"})
    entry = read_entry(raw, b"{}")
    assert b'"signature":"later"' in entry.raw
    assert entry.hash == sha256(raw)


def test_bytes_as_we_write_them_are_held_to_the_same_bounds() -> None:
    entry = write_entry(ENVELOPE, b"{}")
    for name, value in (("v", WHOLE_LIMIT + 1), ("schema", -WHOLE_LIMIT - 1)):
        raw = encode(msgspec.structs.replace(entry.envelope, **{name: value}))
        with pytest.raises(Problem, match="too large"):
            read_entry(raw, b"{}")
    at_the_bound = encode(msgspec.structs.replace(entry.envelope, v=WHOLE_LIMIT))
    assert read_entry(at_the_bound, b"{}").raw == at_the_bound


def test_what_we_stored_ourselves_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = write_entry(ENVELOPE, b"{}")
    monkeypatch.setattr("fieldapp.domain.entry.strict_json", None)
    monkeypatch.setattr("fieldapp.domain.entry._check", None)
    assert read_entry(entry.raw, entry.body_raw, trusted=True) == entry
    with pytest.raises(TypeError):
        read_entry(entry.raw, entry.body_raw)
    with pytest.raises(Problem, match="cannot be read"):
        read_entry(b'{"id":1}', None, trusted=True)


def test_a_chain_covers_order_and_content() -> None:
    first = chain_hash("", 1, HASH)
    assert first == hashlib.sha256(f" 1 {HASH}".encode()).hexdigest()
    assert len({first, chain_hash("", 2, HASH), chain_hash(first, 1, HASH), chain_hash("", 1, "00" * 32)}) == 4


REFUSED = {
    "a list": b"[]",
    "nothing": b"",
    "a float": b'{"a":1.5}',
    "an exponent": b'{"a":1e5}',
    "not a number": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "a key twice": b'{"a":1,"a":1}',
    "a key twice, once escaped": b'{"a":1,"\\u0061":1}',
    "a key twice, deep": b'{"a":[{"b":1,"b":2}]}',
    "an escaped NUL": b'{"a":"\\u0000"}',
    "a NUL in a key": b'{"\\u0000":1}',
    "a NUL deep": b'{"a":[["\\u0000"]]}',
    "a raw NUL": b'{"a":"\x00"}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone low surrogate in a key": b'{"\\udc00":1}',
    "half a pair": b'{"a":"\\ud83d x"}',
    "raw surrogate bytes": b'{"a":"\xed\xa0\x80"}',
    "broken UTF-8": b'{"a":"\xff"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "too large a number": b'{"a":9007199254740992}',
    "far too large a number": b'{"a":-' + b"9" * 5000 + b"}",
    "a trailing comma": b'{"a":1,}',
    "two values": b"{}{}",
    "a comment": b"{}//x",
    "single quotes": b"{'a':1}",
    "a tab in a text": b'{"a":"\t"}',
    "too deep": b'{"a":' + b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT + b"}",
    "far too deep": b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep and open": b'{"a":' * 9_000,
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_strict_json_refuses(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        strict_json(raw, "record")
    assert caught.value.code == "bad-json"
    assert caught.value.message.startswith("The record is not ")
    assert len(caught.value.message) < 200


def test_strict_json_takes_what_is_right() -> None:
    taken: dict[bytes, Any] = {
        b"{}": {},
        b' {"a" : [1, -2, null, true]}\n': {"a": [1, -2, None, True]},
        b'{"a":"\\ud83d\\ude00"}': {"a": "\U0001f600"},
        b'{"a":"\\\\u0000"}': {"a": "\\u0000"},
        '{"读数":"1.25 巴"}'.encode(): {"读数": "1.25 巴"},
        b'{"a":9007199254740991,"b":-9007199254740991}': {"a": WHOLE_LIMIT, "b": -WHOLE_LIMIT},
        b'{"a":"9007199254740992"}': {"a": "9007199254740992"},
        b'{"a":' + b"[" * (DEPTH_LIMIT - 1) + b"]" * (DEPTH_LIMIT - 1) + b"}": None,
    }
    for raw, value in taken.items():
        found = strict_json(raw, "record")
        assert value is None or found == value


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-WHOLE_LIMIT, WHOLE_LIMIT) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, plain, max_size=5)


@given(objects, st.booleans(), st.booleans())
def test_strict_json_reads_what_any_writer_wrote(value: dict[str, Any], ascii_only: bool, spaced: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, separators=None if spaced else (",", ":")).encode()
    assert strict_json(raw, "record") == value
    assert strict_json(encode(value), "record") == value


mixed = st.lists(
    st.sampled_from([b'{"a":', b"{", b"}", b"[", b"]", b'"a"', b'"b":', b",", b"1", b"-0", b"1.0", b'"\\u0000"', b'"\\/"', b" "]),
    max_size=12,
).map(b"".join)


@given(mixed | st.binary(max_size=40) | objects.map(encode))
def test_the_quick_and_the_close_reading_agree(raw: bytes) -> None:
    quick = text._quickly(raw)
    if quick is not None:
        assert text._thoroughly(raw, "record") == quick
