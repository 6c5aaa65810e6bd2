"""docs/protocol.md shows what is spoken: its examples are the corpus's, and it leaves no call, field, status or limit out."""

from __future__ import annotations

import re

import msgspec
import pytest

from fieldapp.sync import protocol
from tests.golden.corpus import exchanges
from tests.golden.examples import DOCUMENT, examples, filled

TEXT = DOCUMENT.read_text(encoding="utf-8")
EXCHANGES = exchanges()
TYPES = [
    kind for kind in vars(protocol).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == protocol.__name__
]  # fmt: skip


def test_every_example_is_in_the_corpus_as_it_stands_in_the_document() -> None:
    assert len(examples(TEXT)) > 15
    assert filled(TEXT, EXCHANGES) == TEXT, "run: python -m tests.golden.examples"


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_field_of_every_type_is_described(kind: type[msgspec.Struct]) -> None:
    missing = [name for name in kind.__struct_fields__ if f"`{name}`" not in TEXT]
    assert missing == [], kind.__name__


def test_every_call_and_every_refusal_of_the_corpus_is_named() -> None:
    for exchange in EXCHANGES:
        if exchange.status >= 400 and exchange.answer is not None:
            assert f"`{exchange.answer['code']}`" in TEXT, exchange.name
        call = re.sub(r"/[0-9a-f]{64}", "/{sha256}", exchange.path)
        call = re.sub(r"/parts/\d+", "/parts/{n}", call)
        assert call == "/v1/nothing" or call in TEXT, call


@pytest.mark.parametrize(
    "words",
    [
        f"{protocol.PUSH_ENTRIES} entries",
        f"{protocol.PUSH_BYTES:,} bytes",
        f"{protocol.PULL_BYTES:,} bytes",
        f"{protocol.INFLATE_LIMIT:,} bytes",
        f"{protocol.PART_BYTES:,} bytes",
        protocol.MEDIA_TYPE,
        protocol.NONCE_HEADER,
        protocol.INCARNATION_HEADER,
    ],
)
def test_every_number_and_header_is_as_in_the_program(words: str) -> None:
    assert words in TEXT
