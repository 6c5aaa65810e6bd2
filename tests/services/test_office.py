"""The office by its services: numbers that need nobody, terms that are copied, documents that count before they are sent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fieldapp.bootstrap import DeviceServices
from fieldapp.domain.documents import Asset, Contract, Customer, Site
from fieldapp.domain.entry_types.lifecycle import JobCreated
from fieldapp.domain.entry_types.reference import (
    AssetRecorded,
    ContractRecorded,
    CustomerRecorded,
    SiteRecorded,
)  # fmt: skip
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure, Step
from fieldapp.services.creating import JobWish
from fieldapp.services.names import asset_named, customer_named, person_named, product_named, site_named
from fieldapp.store.queries.jobs import JobFilter, find_job, list_jobs
from fieldapp.store.rows import Draft

WISH = JobWish("weser", "CH-CALL", ("WK-CH1",), "2026-12-01 09:00/11:00")


def record_customer(device: DeviceServices, *bodies: Any) -> None:
    device.replica.append([Draft("bre", "customer:new", body) for body in bodies])


def test_numbers_count_up_and_never_meet_those_of_another_device(supervisor: DeviceServices, technician: DeviceServices) -> None:
    made = [supervisor.office.create(WISH).number for _ in range(3)]
    code = supervisor.identity.code
    assert made == [f"J-{code}-1", f"J-{code}-2", f"J-{code}-3"]
    assert technician.office.next_number() == f"J-{technician.identity.code}-1"
    assert technician.identity.code != code


def test_a_job_copies_the_segments_promises_and_the_contract(supervisor: DeviceServices) -> None:
    created = supervisor.office.create(WISH)
    view = find_job(supervisor.reader, created.number).view
    product = supervisor.documents.product("CH-CALL")
    customer = supervisor.documents.customer("weser")
    assert product is not None
    assert customer is not None
    assert view.segment == customer.segment
    assert {promise.name for promise in view.promises} >= {promise.name for promise in product.promises}
    assert view.coverage == "flat_subscription"
    assert view.contract in {contract.id for contract in supervisor.documents.contracts("weser")}
    assert (view.skills, view.standard_minutes, view.kind) == (product.skills, product.standard_minutes, product.kind)
    for pin in view.procedures:
        assert pin.entry == supervisor.documents.versions(pin.code)[-1].entry
        assert supervisor.documents.procedure(pin.code, pin.version, pin.entry) is not None
    assert not created.warnings


def test_a_prepaid_pack_covers_as_many_visits_as_it_has(supervisor: DeviceServices) -> None:
    record_customer(
        supervisor,
        CustomerRecorded(Customer("new", {"en": "New Foods"}, "bre")),
        SiteRecorded(Site("new-1", "new", {"en": "Hall"})),
        ContractRecorded(Contract("new-pack", "new", "prepaid_pack", {"en": "One visit"}, visits=1)),
    )
    first = supervisor.office.create(JobWish("New Foods", "CH-CALL"), person="sup-petra")
    assert find_job(supervisor.reader, first.number).view.coverage == "prepaid_pack"
    view = find_job(supervisor.reader, first.number).view
    for verb in ("accept", "start"):
        supervisor.work.move(first.number, verb)
    for blocker in supervisor.work.blockers(view):
        if blocker.key.count("/"):
            supervisor.work.leave_out(first.number, blocker.key, "not_done", _reason(supervisor, first.number, blocker.key))
    supervisor.work.move(first.number, "complete")
    second = supervisor.office.create(JobWish("new", "CH-CALL"))
    assert find_job(supervisor.reader, second.number).view.coverage == ""


def _reason(device: DeviceServices, number: str, key: str) -> str:
    view = find_job(device.reader, number).view
    code, _, step = key.partition("/")
    found = device.documents.pinned(view.procedures)[code].step(step)
    assert found is not None
    return found.reasons[0] if found.reasons else "not today"


def test_what_was_recorded_here_counts_before_it_is_sent(supervisor: DeviceServices) -> None:
    record_customer(
        supervisor,
        CustomerRecorded(Customer("new", {"en": "New Foods", "zh_CN": "新食品"}, "bre")),
        SiteRecorded(Site("new-1", "new", {"en": "Hall"})),
        SiteRecorded(Site("new-2", "new", {"en": "Yard"})),
    )
    supervisor.replica.append([Draft("bre", "asset:n1", AssetRecorded(Asset("n1", "new", "new-2", "N-1", {"en": "Pump"})))])
    documents = supervisor.documents
    assert customer_named(documents, "新食").id == "new"
    assert asset_named(documents, "new", "pump").id == "n1"
    assert site_named(documents, "new", "yard").id == "new-2"
    with pytest.raises(Problem, match="At which site"):
        supervisor.office.create(JobWish("new", "CH-CALL"))
    created = supervisor.office.create(JobWish("new", "CH-CALL", ("N-1",)))
    assert find_job(supervisor.reader, created.number).view.site == "new-2"
    record_customer(supervisor, CustomerRecorded(Customer("new", {"en": "Newer Foods"}, "bre")))
    assert customer_named(documents, "newer").id == "new"


def test_names_prefer_the_whole_over_a_part(supervisor: DeviceServices) -> None:
    documents = supervisor.documents
    assert person_named(documents, "TECH-ANNA").id == "tech-anna"
    assert person_named(documents, "anna behrens").id == "tech-anna"
    assert product_named(documents, "ch-call").code == "CH-CALL"
    with pytest.raises(Problem) as refused:
        person_named(documents, "a")
    assert refused.value.code == "person-ambiguous"
    assert "tech-anna (Anna Behrens)" in refused.value.hint
    with pytest.raises(Problem) as refused:
        person_named(documents, " ")
    assert refused.value.code == "person-unknown"


def test_a_procedure_is_published_as_its_next_version_and_only_when_it_differs(supervisor: DeviceServices) -> None:
    procedure = Procedure("PUMP-Q", 1, "service", {"en": "Pump"}, (Step("a", {"en": "A"}, "check"),))
    first = supervisor.standard.publish(procedure)
    again = supervisor.standard.publish(procedure)
    changed = supervisor.standard.publish(msgspec.structs.replace(procedure, title={"en": "Pump, quarterly"}))
    assert (first.version, again.version, changed.version) == (1, 1, 2)
    assert again.saved is None
    assert [version.version for version in supervisor.documents.versions("PUMP-Q")] == [1, 2]


def test_a_procedure_too_large_for_an_entry_is_a_file(supervisor: DeviceServices) -> None:
    steps = tuple(Step(f"s{n}", {"en": f"Step {n} " + "x" * 300}, "text") for n in range(400))
    done = supervisor.standard.publish(Procedure("LONG", 1, "service", {"en": "Long"}, steps))
    assert done.steps == 400
    version = supervisor.documents.versions("LONG")[0]
    found = supervisor.documents.procedure("LONG", 1, version.entry)
    assert found is not None
    assert found.steps == steps
    (waiting,) = supervisor.replica.files_waiting()
    (supervisor.home.files / waiting.sha256).write_bytes(b"{}")
    with pytest.raises(Problem, match="damaged on this disk"):
        type(supervisor.documents)(supervisor.reader, supervisor.home.files).procedure("LONG", 1, version.entry)


def test_imported_jobs_bring_their_customers_once(supervisor: DeviceServices) -> None:
    log = supervisor.identity.log
    reference = [
        Draft(log, "customer:t", CustomerRecorded(Customer("t", {"en": "Tickets"}, log))),
        Draft(log, "customer:t", SiteRecorded(Site("t-1", "t", {"en": "Field"}))),
    ]
    jobs = [
        Draft(log, f"job:t{n}", JobCreated(number=f"T-{n}", customer="t", site="t-1", title={"en": "x"}), ("customer:t",))
        for n in range(3)
    ]
    assert supervisor.office.take_in(reference, jobs, procedures=["HANDOVER"], person="Anna") == 3
    known = supervisor.office.known_for_import()
    assert {"job:t0", "job:t1", "job:t2", "customer:t", "site:t-1"} <= known
    view = find_job(supervisor.reader, "T-2").view
    assert (view.assignee, [pin.code for pin in view.procedures]) == ("tech-anna", ["HANDOVER"])
    assert supervisor.replica.counts().unsent == 2 + 3 * 2


def test_lists_show_open_jobs_by_window_and_count_what_is_unsent(supervisor: DeviceServices) -> None:
    number = supervisor.office.create(WISH).number
    found = list_jobs(supervisor.reader)
    closed = [line.status in ("approved", "cancelled", "declined") for line in found.lines]
    assert closed == sorted(closed)
    windows = [line.view.window_start for line in found.lines if line.status not in ("approved", "cancelled", "declined")]
    known = [window for window in windows if window is not None]
    assert known == sorted(known)
    assert [line.unsent for line in found.lines if line.number == number] == [1]
    few = list_jobs(supervisor.reader, JobFilter(open_only=True, limit=3))
    assert len(few.lines) == 3
    assert 3 < few.total < found.total
    mine = list_jobs(supervisor.reader, JobFilter(person="tech-anna", statuses=("assigned",)))
    assert {line.status for line in mine.lines} == {"assigned"}
    assert {line.view.assignee for line in mine.lines} == {"tech-anna"}


def test_a_list_decodes_only_what_it_shows(supervisor: DeviceServices) -> None:
    with supervisor.database.write() as connection:
        unread = "UPDATE jobs SET view = x'7b' WHERE status IN ('approved', 'cancelled', 'declined')"
        assert connection.exec_driver_sql(unread).rowcount > 10
    assert list_jobs(supervisor.reader, JobFilter(open_only=True)).lines
    assert len(list_jobs(supervisor.reader, JobFilter(limit=5)).lines) == 5
    with pytest.raises(msgspec.MsgspecError):
        list_jobs(supervisor.reader)
