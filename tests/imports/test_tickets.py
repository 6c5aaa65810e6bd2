"""Ticket tables of all kinds of making: lines, encodings, delimiters, duplicates, dates; and Hypothesis on the bytes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldapp.domain.problem import Problem
from fieldapp.imports import csv_text
from fieldapp.imports.csv_text import parse_table, read_table
from fieldapp.imports.ticket_mapping import parse_mapping, shipped_mappings
from fieldapp.imports.tickets import ImportedTickets, read_tickets, tickets_of

MAPPING = """
name = "T"
zone = "Europe/Berlin"
dates = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"]
[customer]
name = "Test customer"
[columns]
site = "site"
asset = "asset"
start = "start"
end = "end"
description = "text"
kind = "kind"
[origins]
repair = "reactive"
"" = "preventive"
"*" = "proactive"
"""
HEADER = "site,asset,start,end,kind,text\n"
T = parse_mapping(MAPPING, "test")


def read(body: str, header: str = HEADER) -> ImportedTickets:
    return tickets_of(parse_table((header + body).encode()), T)


def row(
    site: str = "S1", asset: str = "Pump", start: str = "2026-03-01 09:00", end: str = "", kind: str = "", text: str = "x"
) -> str:
    return ",".join((site, asset, start, end, kind, text)) + "\n"


def test_line_numbers_hold_through_quoted_cells_over_several_lines() -> None:
    found = read(row(text='"one\ntwo\r\nthree ""quoted"", with comma"') + "\n" + row(site="", text='"a\nb"') + row(start="soon"))
    assert [(ticket.line, ticket.description) for ticket in found.rows] == [(2, 'one\ntwo\r\nthree "quoted", with comma')]
    assert [(finding.line, finding.reason.split(" (")[0]) for finding in found.refused] == [
        (6, "the row has no site"),
        (8, "the start 'soon' is not a date that can be read"),
    ]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"site": ""}, "no site"),
        ({"site": "  "}, "no site"),
        ({"start": ""}, "no start"),
        ({"start": "32/13/2026"}, "the start '32/13/2026'"),
        ({"start": "0000-01-01 00:00"}, "not a date"),
        ({"start": "1400-01-01 00:00"}, "not a date"),
        ({"end": "later"}, "the end 'later'"),
        ({"end": "2026-03-01 08:59"}, "it ends (2026-03-01 08:59) before it starts (2026-03-01 09:00)"),
        ({"site": "s" * 201}, "name of the site has 201 characters"),
        ({"text": "n" * 30_000 + '"' * 0 + "é" * 1}, ""),
    ],
)
def test_rows_that_cannot_become_jobs(cells: dict[str, str], reason: str) -> None:
    found = read(row(**cells))
    assert len(found.rows) == (0 if reason else 1)
    assert [finding.line for finding in found.refused] == ([2] if reason else [])
    assert all(reason in finding.reason for finding in found.refused)


def test_texts_too_long_for_a_record() -> None:
    found = read(row(text="字" * 20_000) + row(text="n" * 32_001))
    assert [finding.line for finding in found.refused] == [2, 3]
    assert "40,000 are allowed" in found.refused[0].reason


def test_ends_when_it_starts_is_fine() -> None:
    assert len(read(row(end="2026-03-01 09:00")).rows) == 1


def test_rows_of_the_same_content_are_one_ticket_and_said() -> None:
    found = read(row() + row(text="other") + row())
    assert [ticket.line for ticket in found.rows] == [2, 3]
    assert [(finding.line, finding.reason) for finding in found.warnings] == [
        (4, "the row says exactly what line 2 says; it was taken once")
    ]


def test_ids_come_from_content_not_from_place_spelling_of_the_file_or_order_of_columns() -> None:
    one = read(row(text="a") + row(text="b"))
    moved = read(row(text="b") + row(text="c") + row(text="a"))
    shuffled = tickets_of(parse_table(b"\xef\xbb\xbftext;kind;end;start;asset;site\r\na;;;2026-03-01 09:00;Pump;S1\r\n"), T)
    ids = {ticket.description: ticket.external for ticket in moved.rows}
    assert [ids[ticket.description] for ticket in one.rows] == [ticket.external for ticket in one.rows]
    assert shuffled.rows[0].external == one.rows[0].external


def test_a_number_makes_the_id_and_its_second_use_is_refused() -> None:
    mapping = parse_mapping(MAPPING.replace('kind = "kind"', 'kind = "kind"\nnumber = "no"'), "test")
    header = "no," + HEADER
    table = (header + "7," + row(text="a") + "7," + row(text="b") + "7," + row(site="S2")).encode()
    found = tickets_of(parse_table(table), mapping)
    assert [(ticket.line, ticket.number) for ticket in found.rows] == [(2, "T-S1-7"), (4, "T-S2-7")]
    assert [(finding.line, finding.reason) for finding in found.refused] == [(3, "the number '7' stands already in line 2")]
    changed = tickets_of(parse_table((header + "7," + row(text="better words")).encode()), mapping)
    assert changed.rows[0].external == found.rows[0].external


def test_times_are_local_to_the_mapping_in_summer_and_winter() -> None:
    found = read(row(start="2026-01-01 00:00") + row(start="2026-07-01 00:00") + row(start="2026-07-01T00:00:00+0000"))
    assert [ticket.start for ticket in found.rows] == [1_767_222_000_000, 1_782_856_800_000, 1_782_864_000_000]


def test_an_end_in_the_repeated_hour_is_not_before_its_start() -> None:
    found = read(row(start="2026-10-25 02:50", end="2026-10-25 03:10"))
    assert len(found.rows) == 1
    assert found.rows[0].end is not None
    assert found.rows[0].end - found.rows[0].start == 80 * 60_000


def test_origin_and_names() -> None:
    found = read(row(kind="REPAIR") + row(kind="", asset="pump") + row(kind="survey", asset=""))
    assert [ticket.origin for ticket in found.rows] == ["reactive", "preventive", "proactive"]
    assert [ticket.asset_name for ticket in found.rows] == ["Pump", "Pump", ""]
    assert found.rows[0].asset == found.rows[1].asset != ""
    assert [ticket.title for ticket in found.rows] == ["Pump: REPAIR", "Pump", "Survey"]


def test_formulas_markup_and_escapes_stay_text() -> None:
    text = "=HYPERLINK(1) [b]x[/b] \x1b]52;c;aGk=\x07"
    assert read(row(text=text)).rows[0].description == text


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_delimiters(mark: str) -> None:
    header = "site,asset,start,end,kind,text\n".replace(",", mark)
    found = read(mark.join(("S1", "Pump", "2026-03-01 09:00", "", "", '"a, b; c\td"')) + "\n", header)
    assert found.rows[0].description == "a, b; c\td"


@pytest.mark.parametrize(
    ("encoding", "text", "warned"),
    [
        ("utf-8", "Kälte 冷水机组 ünd", False),
        ("utf-8-sig", "Kälte 冷水机组", False),
        ("utf-16", "Kälte 冷水机组", True),
        ("cp1252", "Kälteanlage läuft nicht – Öl prüfen, café", True),
        ("gb18030", "冷水机组油压偏低，已更换滤芯。", True),
    ],
)
def test_encodings(encoding: str, text: str, warned: bool) -> None:
    found = tickets_of(parse_table((HEADER + row(text=f'"{text}"')).encode(encoding)), T)
    assert found.rows[0].description == text
    assert [finding.line for finding in found.warnings] == ([1] if warned else [])


@pytest.mark.parametrize("bad", ['"never closed', '"closed" too early'])
def test_a_misplaced_quotation_mark_costs_its_row_alone(bad: str) -> None:
    found = read(row(text="a") + row(text=bad) + row(text="b") + row(text='"c\nc"'))
    assert [(ticket.line, ticket.description) for ticket in found.rows] == [(2, "a"), (4, "b"), (5, "c\nc")]
    assert [finding.line for finding in found.refused] == [3]
    assert "quotation mark" in found.refused[0].reason


def test_a_file_full_of_quotation_marks_is_no_table() -> None:
    with pytest.raises(Problem, match="misplaced quotation marks"):
        read(row(text='"never closed') * (csv_text.REREADS + 1))


def test_nul_and_too_many_cells_are_refused_by_line() -> None:
    found = read(row(text="a\x00b") + row(text="a,b,c") + row())
    assert [ticket.line for ticket in found.rows] == [4]
    assert [(finding.line, finding.reason) for finding in found.refused] == [
        (2, "the row holds a NUL character"),
        (3, "the row has 8 cells, the header names 6 columns"),
    ]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b",,,\n", b"a,b,a\n", b"\x00\x00\n", b"\xff\xfe\x00"])
def test_no_table(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        parse_table(raw)
    assert caught.value.code == "not-a-table"


def test_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "ROWS", 3)
    with pytest.raises(Problem, match="more than 3 rows"):
        read(row() * 4)
    monkeypatch.setattr(csv_text, "FILE_BYTES", 10)
    with pytest.raises(Problem, match="more than 10 bytes"):
        read(row())


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(Problem) as caught:
            read_table(path)
        assert caught.value.code == "file-not-found"


def test_mapping_is_found_by_header_name_or_file(tmp_path: Path) -> None:
    path, own = tmp_path / "t.csv", tmp_path / "own.toml"
    path.write_text(HEADER + row(), encoding="utf-8")
    own.write_text(MAPPING, encoding="utf-8")
    assert len(read_tickets(path, own).rows) == len(read_tickets(path, str(own)).rows) == 1
    for wanted, said in ((None, "'site', 'asset'"), ("PV", "needs the column 'randid'"), ("nothing", "named 'nothing'")):
        with pytest.raises(Problem, match=said) as caught:
            read_tickets(path, wanted)
        assert caught.value.code == "no-mapping"


def test_shipped_mappings_are_sound() -> None:
    assert [mapping.name for mapping in shipped_mappings()] == ["OM", "PV"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('name = "T"', 'name = "Ä/T"'), "name"),
        (('site = "site"\n', ""), "site"),
        (('zone = "Europe/Berlin"', 'zone = "Berlin"'), "zone"),
        (('zone = "Europe/Berlin"', 'zone = "../../etc/passwd"'), "zone"),
        (('"*" = "proactive"\n', ""), "origins"),
        (('"*" = "proactive"', '"*" = "magic"'), "magic"),
        (('name = "T"', 'name = "T"\ncolour = "red"'), "colour"),
        (('name = "T"', "name = "), "wrong"),
        (('dates = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"]', "dates = []"), "dates"),
        (('dates = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"]', 'dates = ["%Q"]'), "%Q"),
    ],
)
def test_wrong_mappings(change: tuple[str, str], said: str) -> None:
    assert change[0] in MAPPING
    with pytest.raises(Problem) as caught:
        parse_mapping(MAPPING.replace(*change), "own.toml")
    assert caught.value.code == "bad-mapping"
    assert said in caught.value.message


ALPHABET = st.sampled_from([*"aZ0 ,;\t\"'\n\r\x00\x1b\ufeff字é\u202e=-:/", "2026-03-01 09:00", "S1"])


@settings(max_examples=300, deadline=None)
@given(st.lists(ALPHABET, max_size=60))
def test_any_text_gives_findings_or_a_problem(parts: list[str]) -> None:
    body = "".join(parts)
    found = read(body)
    lines = [item.line for item in (*found.rows, *found.refused)]
    assert len(set(lines)) == len(lines)
    assert all(1 < line <= 2 + body.count("\n") + body.count("\r") for line in lines)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_table_or_a_problem(raw: bytes) -> None:
    for data in (raw, HEADER.encode() + raw):
        with contextlib.suppress(Problem):  # the one thing that may be raised
            table = parse_table(data)
            assert table.columns
            assert all(row.cells.keys() <= set(table.columns) for row in table.rows)
            tickets_of(table, T)


CELLS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_what_a_csv_writer_wrote_is_what_is_read(rows: list[tuple[str, str]]) -> None:
    import csv
    import io

    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([("one", "two"), *rows])
    table = parse_table(out.getvalue().encode())
    wanted = [(first.strip(), second.strip()) for first, second in rows]
    assert [(row.cells["one"], row.cells["two"]) for row in table.rows] == [pair for pair in wanted if any(pair)]
