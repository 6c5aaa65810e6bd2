"""The real ticket files become jobs; what cannot is reported by line and reason; importing again names the same streams."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from fieldapp.domain.entry import BODY_LIMIT, encode
from fieldapp.domain.entry_types.lifecycle import JobCreated
from fieldapp.domain.entry_types.reference import AssetRecorded, CustomerRecorded, SiteRecorded
from fieldapp.imports.ticket_entries import job_stream, ticket_entries
from fieldapp.imports.tickets import read_tickets
from tests.imports.conftest import SHARED

FOLDER = SHARED / "tickets"
PV, OM = FOLDER / "example_ML_ticket_data.csv", FOLDER / "example_om_data2.csv"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder with real tickets is not here")


def test_a_hundred_tickets_less_one_that_ends_before_it_starts() -> None:
    found = read_tickets(PV)
    assert found.mapping == "PV"
    assert len(found.rows) == 99
    assert [(finding.line, finding.reason.split(" (")[0]) for finding in found.refused] == [(60, "it ends")]
    assert found.warnings == ()
    with PV.open(newline="", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    by_line = {ticket.line: ticket for ticket in found.rows}
    for line, row in enumerate(written, start=2):
        if line != 60:
            assert by_line[line].description == row["CompletionDesc"].strip()
            assert by_line[line].site_name == row["randid"]


def test_work_orders_with_dirty_rows() -> None:
    found = read_tickets(OM)
    assert found.mapping == "OM"
    assert [finding.line for finding in found.refused] == [2, 3, 12]
    assert "no site" in found.refused[0].reason
    assert all("before it starts" in finding.reason for finding in found.refused[1:])
    assert [ticket.number for ticket in found.rows] == [
        "OM-R23-102", "OM-R23-103", "OM-R23-104", "OM-R23-105", "OM-R23-106", "OM-R23-107", "OM-R23-108", "OM-R27-1", "OM-R27-3",
        "OM-R27-4", "OM-R27-5",
    ]  # fmt: skip
    assert {ticket.asset_name for ticket in found.rows} == {"Facility", "Inverter", "Other"}
    assert len({ticket.asset for ticket in found.rows if ticket.site_name == "R27" and ticket.asset_name == "Other"}) == 1
    open_end = next(ticket for ticket in found.rows if ticket.number == "OM-R23-107")
    assert open_end.end is None


def test_origin_time_and_cause() -> None:
    tickets = {ticket.line: ticket for ticket in read_tickets(PV).rows}
    assert (tickets[2].origin, tickets[6].origin) == ("reactive", "preventive")
    assert tickets[2].start == 1_534_424_400_000  # 16 August 2018, 09:00 in New York, four hours behind UTC
    assert (tickets[2].cause, tickets[6].cause) == ("0000 - Unknown.", "")
    assert tickets[2].title == "Combiner: Underperformance"
    orders = {ticket.number: ticket for ticket in read_tickets(OM).rows}
    assert [orders[number].origin for number in ("OM-R23-102", "OM-R23-104", "OM-R27-4")] == [
        "reactive",
        "preventive",
        "preventive",
    ]


def test_the_same_file_twice_adds_nothing(tmp_path: Path) -> None:
    first = ticket_entries(read_tickets(PV).rows, log="east")
    copy = tmp_path / "other-name.csv"
    lines = PV.read_text(encoding="utf-8").splitlines(keepends=True)
    copy.write_text("".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
    known = {draft.stream for draft in (*first.reference, *first.jobs)}
    known |= {f"site:{draft.body.site.id}" for draft in first.reference if isinstance(draft.body, SiteRecorded)}
    again = ticket_entries(read_tickets(copy).rows, log="east", known=known)
    assert (again.jobs, again.reference, again.known) == ((), (), 99)


def test_facts_of_the_tickets() -> None:
    tickets = read_tickets(OM).rows
    drafts = ticket_entries(tickets, log="east")
    kinds = [type(draft.body) for draft in drafts.reference]
    assert (kinds.count(CustomerRecorded), kinds.count(SiteRecorded), kinds.count(AssetRecorded)) == (1, 2, 4)
    assert [draft.stream for draft in drafts.jobs] == [job_stream(ticket) for ticket in tickets]
    job = drafts.jobs[0].body
    assert isinstance(job, JobCreated)
    assert (job.number, job.external, job.window_start, job.window_end) == (
        "OM-R23-102",
        tickets[0].external,
        tickets[0].start,
        tickets[0].end,
    )
    assert drafts.jobs[0].also == (f"customer:{job.customer}", f"asset:{job.assets[0]}")
    sites = {draft.body.site.id for draft in drafts.reference if isinstance(draft.body, SiteRecorded)}
    assert {draft.body.site for draft in drafts.jobs if isinstance(draft.body, JobCreated)} == sites


def test_what_is_known_is_not_recorded_again_for_a_new_job() -> None:
    tickets = read_tickets(OM).rows
    first = tickets[0]
    known = {f"customer:{first.customer}", f"site:{first.site}", f"asset:{first.asset}"}
    drafts = ticket_entries(tickets[:1], log="east", known=known)
    assert (len(drafts.jobs), drafts.reference, drafts.known) == (1, (), 0)
    without_site = ticket_entries(tickets[:1], log="east", known=known - {f"site:{first.site}"})
    assert [type(draft.body) for draft in without_site.reference] == [SiteRecorded]


def test_numbers_are_unique_and_every_fact_fits_into_a_record() -> None:
    for path in (PV, OM):
        drafts = ticket_entries(read_tickets(path).rows, log="east")
        numbers = [draft.body.number for draft in drafts.jobs if isinstance(draft.body, JobCreated)]
        assert len(set(numbers)) == len(numbers) == len(drafts.jobs)
        for draft in (*drafts.reference, *drafts.jobs):
            raw = encode(draft.body)
            assert len(raw) <= BODY_LIMIT
            assert msgspec.json.decode(raw, type=type(draft.body)) == draft.body
